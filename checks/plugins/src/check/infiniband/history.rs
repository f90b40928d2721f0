//! What a port's counters counted within the last hour, from one run to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The time that errors are counted over, in seconds.
pub(super) const HOUR: u64 = 3600;
/// Runs that are closer together are kept as one, in seconds.
const SLICE: u64 = 300;

/// All ports, by a name of each.
pub(super) type History = BTreeMap<String, PortHistory>;

/// One port.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PortHistory {
    /// Who was at the other end of the cable when that was last known.
    pub(super) peer: Option<String>,
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

/// What was counted within the last hour, or since the first run if that is less.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastHour {
    /// How long that was, in seconds; more than an hour where the last run is longer ago.
    pub(super) seconds: u64,
    counted: BTreeMap<String, u64>,
}

impl PortHistory {
    /// Takes what is read now. `None` for the first time, when nothing can be told yet.
    ///
    /// A counter that is less than it was has been reset: all that it has now was counted since.
    pub(super) fn advance<'a>(
        &mut self,
        now: u64,
        counters: impl Iterator<Item = (&'a str, u64, u8)>,
    ) -> Option<LastHour> {
        let counters: BTreeMap<String, (u64, u8)> = counters
            .map(|(name, value, bits)| (name.to_owned(), (value, bits)))
            .collect();
        // A clock that was set back makes all times meaningless.
        let Some(before) = self.read.filter(|before| *before <= now) else {
            self.read = Some(now);
            self.counters = counters;
            self.slices.clear();
            return None;
        };
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
        Some(self.last_hour(now))
    }

    fn last_hour(&self, now: u64) -> LastHour {
        let first = self.slices.first().map_or(now, |slice| slice.from);
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (name, more) in self.slices.iter().flat_map(|slice| &slice.counted) {
            let sum = all.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*more);
        }
        LastHour {
            seconds: now.saturating_sub(first),
            counted: all,
        }
    }
}

impl LastHour {
    /// How much a counter counted in an hour. What was counted in less is not made more, so that
    /// a single error is never a hundred an hour; of what was counted in more, an hour's part.
    pub(super) fn per_hour(&self, name: &str) -> Option<f64> {
        let counted = self.counted.get(name)?;
        #[expect(clippy::cast_precision_loss, reason = "a rate is no exact number")]
        let (counted, seconds) = (*counted as f64, self.seconds.max(HOUR) as f64);
        #[expect(clippy::cast_precision_loss, reason = "3600 is exact")]
        let hour = HOUR as f64;
        Some(counted * hour / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advance(history: &mut PortHistory, now: u64, value: u64) -> Option<f64> {
        let last = history.advance(now, [("E", value, 16)].into_iter())?;
        last.per_hour("E")
    }

    #[test]
    fn errors_are_counted_over_an_hour_and_never_made_more() {
        let mut history = PortHistory::default();
        assert_eq!(advance(&mut history, 1000, 50), None, "the first time");
        assert_eq!(advance(&mut history, 1060, 51), Some(1.0), "not 60");
        for minute in 2..60 {
            assert_eq!(advance(&mut history, 1000 + 60 * minute, 51), Some(1.0));
        }
        let slices = history.slices.len();
        assert!(slices <= 16, "60 runs are kept as {slices}");
        assert_eq!(
            advance(&mut history, 1000 + 3 * HOUR, 51),
            Some(0.0),
            "long ago"
        );
        assert_eq!(advance(&mut history, 1000 + 5 * HOUR, 251), Some(100.0));
    }

    #[test]
    fn a_reset_is_no_error() {
        let mut history = PortHistory::default();
        advance(&mut history, 1000, 65_535);
        assert_eq!(advance(&mut history, 1060, 0), Some(0.0));
        assert_eq!(advance(&mut history, 1120, 3), Some(3.0));
    }

    #[test]
    fn a_clock_set_back_begins_anew() {
        let mut history = PortHistory::default();
        advance(&mut history, 1000, 1);
        assert_eq!(advance(&mut history, 500, 9), None);
        assert_eq!(advance(&mut history, 560, 10), Some(1.0));
    }

    #[test]
    fn another_width_is_another_counter() {
        let mut history = PortHistory::default();
        advance(&mut history, 1000, 1);
        let last = history.advance(1060, [("E", 1_000_000, 64)].into_iter());
        assert_eq!(last.unwrap().per_hour("E"), None);
    }
}
