//! What a port's counters counted within the last hour, from one run to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::remember::age;

/// The time that errors are counted over, in seconds.
pub(super) const HOUR: u64 = 3600;
/// Runs that are closer together are kept as one, in seconds.
const SLICE: u64 = 300;

/// All ports of this host, by device and number.
pub(super) type History = BTreeMap<String, Cable>;

/// A port of this host, and the other end of its cable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cable {
    /// Who was at the other end when that was last known.
    pub(super) peer: Option<String>,
    pub(super) here: Counted,
    /// The other end, by GUID and port of its node: another cable has another past.
    far: Option<(String, Counted)>,
}

impl Cable {
    /// The other end of this name.
    pub(super) fn far(&mut self, name: String) -> &mut Counted {
        let known = self.far.take().filter(|(known, _)| *known == name);
        &mut self
            .far
            .insert(known.unwrap_or((name, Counted::default())))
            .1
    }
}

/// What was counted at one end of a cable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counted {
    /// When the counters were read last, in seconds since the epoch.
    read: Option<u64>,
    /// Each with its value and its width then.
    counters: BTreeMap<String, (u64, u8)>,
    slices: Vec<Slice>,
}

/// What was counted in a part of the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Slice {
    from: u64,
    to: u64,
    counted: BTreeMap<String, u64>,
}

/// What was counted lately.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lately {
    /// Within the last hour, with an hour's part of what was counted in a longer time.
    hour: BTreeMap<String, f64>,
    /// How much of that hour is known, in seconds.
    pub(super) known: u64,
    /// Since the last run that is an hour ago, or since the first.
    whole: BTreeMap<String, u64>,
    /// How long that is, in seconds.
    pub(super) span: u64,
}

impl Counted {
    /// Takes what is read now. `None` for the first time, when nothing can be told yet.
    ///
    /// A counter that is less than it was has been reset: all that it has now was counted since.
    pub(super) fn advance<'a>(
        &mut self,
        now: u64,
        counters: impl Iterator<Item = (&'a str, u64, u8)>,
    ) -> Option<Lately> {
        let counters: BTreeMap<String, (u64, u8)> = counters
            .map(|(name, value, bits)| (name.to_owned(), (value, bits)))
            .collect();
        // A clock that was set back makes all times meaningless.
        let Some(before) = self.read.filter(|before| age(now, *before).is_some()) else {
            self.read = Some(now);
            self.counters = counters;
            self.slices.clear();
            return None;
        };
        let now = now.max(before);
        let mut counted = BTreeMap::new();
        for (name, (value, bits)) in &counters {
            if let Some((old, _)) = self.counters.get(name).filter(|(_, of)| of == bits) {
                let more = value.checked_sub(*old).unwrap_or(*value);
                counted.insert(name.clone(), more);
            }
        }
        self.counters.extend(counters);
        self.read = Some(now);
        match self.slices.last_mut() {
            Some(last) if now.saturating_sub(last.from) < SLICE => {
                last.to = now;
                for (name, more) in counted {
                    let sum = last.counted.entry(name).or_default();
                    *sum = sum.saturating_add(more);
                }
            }
            Some(_) | None => self.slices.push(Slice {
                from: before,
                to: now,
                counted,
            }),
        }
        self.slices
            .retain(|slice| slice.to > now.saturating_sub(HOUR));
        Some(self.lately(now))
    }

    fn lately(&self, now: u64) -> Lately {
        let begin = now.saturating_sub(HOUR);
        let mut lately = Lately {
            hour: BTreeMap::new(),
            known: 0,
            whole: BTreeMap::new(),
            span: 0,
        };
        for slice in &self.slices {
            let length = slice.to.saturating_sub(slice.from);
            let part = slice.to.saturating_sub(slice.from.max(begin));
            lately.known += part;
            lately.span += length;
            for (name, more) in &slice.counted {
                let sum = lately.whole.entry(name.clone()).or_default();
                *sum = sum.saturating_add(*more);
                // Two runs in one second: all of it is of now.
                let share = if length == 0 {
                    1.0
                } else {
                    float(part) / float(length)
                };
                *lately.hour.entry(name.clone()).or_default() += float(*more) * share;
            }
        }
        lately
    }
}

impl Lately {
    /// How much a counter counted within the last hour. What was counted in less is not made more,
    /// so that a single error is never a hundred an hour.
    pub(super) fn in_the_hour(&self, name: &str) -> Option<f64> {
        self.hour.get(name).copied()
    }

    /// How much a counter counted since the last run that is an hour ago.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        self.whole.get(name).copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(counted: &mut Counted, now: u64, value: u64) -> Option<f64> {
        let lately = counted.advance(now, [("E", value, 16)].into_iter())?;
        lately.in_the_hour("E")
    }

    #[test]
    fn errors_are_counted_over_an_hour_and_never_made_more() {
        let mut counted = Counted::default();
        assert_eq!(advance(&mut counted, 1000, 50), None, "the first time");
        assert_eq!(advance(&mut counted, 1060, 51), Some(1.0), "not 60");
        for minute in 2..60 {
            assert_eq!(advance(&mut counted, 1000 + 60 * minute, 51), Some(1.0));
        }
        let slices = counted.slices.len();
        assert!(slices <= 16, "60 runs are kept as {slices}");
    }

    #[test]
    fn of_a_longer_time_it_is_an_hours_part() {
        let mut counted = Counted::default();
        advance(&mut counted, 0, 0);
        assert_eq!(advance(&mut counted, 72 * HOUR, 720), Some(10.0));
        let half_past = 72 * HOUR + HOUR / 2;
        let lately = counted.advance(half_past, [("E", 10_720, 16)].into_iter());
        let lately = lately.unwrap();
        assert_eq!(
            lately.in_the_hour("E"),
            Some(10_005.0),
            "what is new is not thinned"
        );
        assert_eq!((lately.known, lately.span), (HOUR, half_past));
        assert_eq!(lately.whole("E"), Some(10_720));
    }

    #[test]
    fn a_reset_is_no_error() {
        let mut counted = Counted::default();
        advance(&mut counted, 1000, 65_535);
        assert_eq!(advance(&mut counted, 1060, 0), Some(0.0));
        assert_eq!(advance(&mut counted, 1120, 3), Some(3.0));
    }

    #[test]
    fn a_clock_set_back_begins_anew() {
        let mut counted = Counted::default();
        advance(&mut counted, 1000, 1);
        assert_eq!(advance(&mut counted, 500, 9), None);
        assert_eq!(advance(&mut counted, 560, 10), Some(1.0));
        assert_eq!(
            advance(&mut counted, 560, 12),
            Some(3.0),
            "in the same second"
        );
        assert_eq!(
            advance(&mut counted, 559, 13),
            Some(4.0),
            "begun a second before, and had its turn after"
        );
    }

    #[test]
    fn another_width_is_another_counter() {
        let mut counted = Counted::default();
        advance(&mut counted, 1000, 1);
        let lately = counted.advance(1060, [("E", 1_000_000, 64)].into_iter());
        assert_eq!(lately.unwrap().in_the_hour("E"), None);
    }

    #[test]
    fn another_cable_has_another_past() {
        let mut cable = Cable::default();
        advance(cable.far("a:1".to_owned()), 1000, 5);
        assert_eq!(advance(cable.far("a:1".to_owned()), 1060, 6), Some(1.0));
        assert_eq!(advance(cable.far("b:1".to_owned()), 1120, 5000), None);
        assert_eq!(advance(cable.far("a:1".to_owned()), 1180, 7), None);
    }
}
