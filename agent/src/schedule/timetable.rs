//! Things that recur, each at its own interval and phase.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// A timetable of things that recur, each at its own interval and phase.
///
/// Times are counted from any fixed moment of a monotonic clock, so that a
/// step of the wall clock neither bursts nor stops it. What is due at the same
/// time is handed out together: one wake-up serves it all.
#[derive(Debug, Default)]
pub struct Timetable {
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    /// None for one whose times are set one by one.
    intervals: Vec<Option<Duration>>,
}

impl Timetable {
    /// Adds one that is first due at `first`; it is known by the returned index,
    /// which counts from 0. An interval of zero counts as one millisecond.
    pub fn add(&mut self, first: Duration, interval: Duration) -> usize {
        let interval = interval.max(Duration::from_millis(1));
        let index = self.add_irregular();
        if let Some(place) = self.intervals.last_mut() {
            *place = Some(interval);
        }
        self.set(index, first);
        index
    }

    /// Adds one that is due only when it is [`set`](Self::set).
    pub fn add_irregular(&mut self) -> usize {
        self.intervals.push(None);
        self.intervals.len() - 1
    }

    /// Makes the one with this index due at `at`.
    pub fn set(&mut self, index: usize, at: Duration) {
        self.due.push(Reverse((at, index)));
    }

    /// When each is due, by its index.
    #[must_use]
    pub fn dues(&self) -> HashMap<usize, Duration> {
        self.due
            .iter()
            .map(|Reverse((at, index))| (*index, *at))
            .collect()
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Moves all that are due at `now` into `due`, earliest first, and
    /// schedules each one's next time after `now`. Times that were missed
    /// (the host was suspended) are not made up for, but counted; the phase stays.
    pub fn take_due(&mut self, now: Duration, due: &mut Vec<usize>) -> u64 {
        let mut all_missed = 0;
        while let Some(Reverse((at, index))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            due.push(index);
            if let Some(Some(interval)) = self.intervals.get(index) {
                let late = now.saturating_sub(at).as_nanos();
                let missed = late / interval.as_nanos();
                let steps = u32::try_from(missed + 1).unwrap_or(u32::MAX);
                all_missed += u64::from(steps - 1);
                self.due.push(Reverse((at + *interval * steps, index)));
            }
        }
        all_missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn those_of_one_phase_are_due_in_one_wake_up() {
        let mut timetable = Timetable::default();
        for _ in 0..3 {
            timetable.add(3 * SECOND, 10 * SECOND);
        }
        timetable.add(5 * SECOND, 10 * SECOND);
        let mut due = Vec::new();
        let missed = timetable.take_due(timetable.next().unwrap(), &mut due);
        assert_eq!(missed, 0);
        assert_eq!(due, [0, 1, 2]);
        assert_eq!(timetable.next(), Some(5 * SECOND));
    }

    #[test]
    fn a_host_that_slept_runs_each_check_once_and_keeps_the_phase() {
        let mut timetable = Timetable::default();
        timetable.add(3 * SECOND, 10 * SECOND);
        let mut due = Vec::new();
        let missed = timetable.take_due(3605 * SECOND, &mut due);
        assert_eq!((&due[..], missed), (&[0][..], 360));
        assert_eq!(timetable.next(), Some(3613 * SECOND));
    }
}
