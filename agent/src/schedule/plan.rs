//! The next run of each check.

use super::cron::CronClock;
use super::{Recurrence, Timetable};
use chrono::{DateTime, TimeZone};
use std::collections::HashMap;
use std::time::Duration;

/// When each of several checks runs next; checks are known by their index, in
/// the order in which they were added.
///
/// Like the [`Timetable`]'s, its times are counted from any fixed moment of a
/// monotonic clock; only cron expressions look at the wall clock.
#[derive(Debug)]
pub struct Plan<Tz: TimeZone> {
    timetable: Timetable,
    crons: HashMap<usize, CronClock<Tz>>,
}

impl<Tz: TimeZone> Default for Plan<Tz> {
    fn default() -> Self {
        Self {
            timetable: Timetable::default(),
            crons: HashMap::new(),
        }
    }
}

impl<Tz: TimeZone> Plan<Tz> {
    /// Adds one. One with an interval is first due at `first`; one with a cron
    /// expression at its first time after the moment that is `at` on the
    /// monotonic clock and `now` on the wall.
    pub fn add(
        &mut self,
        recurrence: &Recurrence,
        first: Duration,
        at: Duration,
        now: &DateTime<Tz>,
    ) {
        match recurrence {
            Recurrence::Every(interval) => {
                self.timetable.add(first, *interval);
            }
            Recurrence::Cron(cron) => {
                let index = self.timetable.add_irregular();
                let clock = CronClock::new((**cron).clone(), now);
                if let Some(wait) = clock.wait(now) {
                    self.timetable.set(index, at + wait);
                }
                self.crons.insert(index, clock);
            }
        }
    }

    /// When each that has an interval is due, by its index.
    #[must_use]
    pub fn dues(&self) -> HashMap<usize, Duration> {
        self.timetable.dues()
    }

    /// When to look again.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.timetable.next()
    }

    /// Moves all that are due at the moment that is `at` on the monotonic clock
    /// into `due`, earliest first. Gives how many runs were missed. The wall clock is asked by
    /// `now` where a cron expression wants to know.
    pub fn take_due(
        &mut self,
        at: Duration,
        now: impl Fn() -> DateTime<Tz>,
        due: &mut Vec<usize>,
    ) -> u64 {
        let missed = self.timetable.take_due(at, due);
        let timetable = &mut self.timetable;
        let crons = &mut self.crons;
        due.retain(|index| {
            let Some(clock) = crons.get_mut(index) else {
                return true;
            };
            let now = now();
            let strikes = clock.strikes(&now);
            if let Some(wait) = clock.wait(&now) {
                timetable.set(*index, at + wait);
            }
            strikes
        });
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron;
    use chrono::Utc;

    #[test]
    fn f8_intervals_and_cron_expressions_live_side_by_side() {
        let start: DateTime<Utc> = "2026-11-24T10:00:30Z".parse().unwrap();
        let mut plan = Plan::default();
        let second = Duration::from_secs(1);
        let every = Recurrence::Every(40 * second);
        let cron = Recurrence::Cron(Box::new(cron::parse("*/2 * * * *").unwrap()));
        plan.add(&every, 5 * second, Duration::ZERO, &start);
        plan.add(&cron, Duration::ZERO, Duration::ZERO, &start);
        let mut seen = Vec::new();
        let mut due = Vec::new();
        while let Some(at) = plan.next()
            && at <= 220 * second
        {
            due.clear();
            plan.take_due(at, || start + at, &mut due);
            seen.extend(due.iter().map(|index| (at.as_secs(), *index)));
        }
        let expected = [
            (5, 0),
            (45, 0),
            (85, 0),
            (90, 1),
            (125, 0),
            (165, 0),
            (205, 0),
            (210, 1),
        ];
        assert_eq!(seen, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn f8_in_two_days_each_cron_check_strikes_at_each_of_its_times_and_at_no_other() {
        use tokio::time::{Instant, sleep_until};
        let two_days = Duration::from_hours(48);
        let wall: DateTime<Utc> = "2026-11-24T10:00:30Z".parse().unwrap(); // a Tuesday
        let start = Instant::now();
        let now = || wall + start.elapsed();
        let all = [
            ("*/5 * * * *", 576),
            ("0 * * * *", 48),
            ("30 4 * * *", 2),
            ("0 0 * * 4", 1),
            ("0 0 1 * *", 0),
        ];
        let mut plan = Plan::default();
        for (text, _) in all {
            let cron = Recurrence::Cron(Box::new(cron::parse(text).unwrap()));
            plan.add(&cron, Duration::ZERO, Duration::ZERO, &wall);
        }
        let every = Recurrence::Every(Duration::from_secs(7));
        plan.add(&every, Duration::ZERO, Duration::ZERO, &wall);
        let mut runs = [0; 6];
        let mut due = Vec::new();
        while let Some(next) = plan.next()
            && next <= two_days
        {
            sleep_until(start + next).await;
            due.clear();
            let missed = plan.take_due(start.elapsed(), now, &mut due);
            assert_eq!(missed, 0);
            for index in &due {
                runs[*index] += 1;
                let into_minute = now().timestamp_millis() % 60_000;
                assert!(*index == all.len() || into_minute <= 2, "{}", now());
            }
        }
        let expected = all.map(|(_, runs)| runs);
        assert_eq!(runs[..all.len()], expected);
        assert_eq!(runs[all.len()], two_days.as_secs() / 7 + 1);
    }
}
