//! The name of a file in the spool, which is all that is known of it without reading it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that waits. In the order in which it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// When it was put, in nanoseconds since the epoch.
    put: u64,
    /// By which process.
    pid: u32,
    /// How often its delivery was begun.
    tries: u32,
}

impl Item {
    pub(crate) fn new(now: SystemTime, pid: u32) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            // Until the year 2554.
            put: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            pid,
            tries: 0,
        }
    }

    /// The next that nobody has put.
    pub(crate) fn later(self) -> Self {
        Self {
            put: self.put.saturating_add(1),
            ..self
        }
    }

    /// When it was put.
    pub(crate) fn put(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.put)
    }

    /// Reads what [`name`](Self::name) writes, and nothing else.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let item = Self {
            put: parts.next()?.parse().ok()?,
            pid: parts.next()?.parse().ok()?,
            tries: parts.next()?.parse().ok()?,
        };
        (item.name() == name).then_some(item)
    }

    pub(crate) fn name(&self) -> String {
        let Self { put, pid, tries } = self;
        format!("{put:020}-{pid}-{tries}")
    }

    pub(crate) fn begun(self) -> Self {
        Self {
            tries: self.tries.saturating_add(1),
            ..self
        }
    }

    pub(crate) fn not_begun(self) -> Self {
        Self {
            tries: self.tries.saturating_sub(1),
            ..self
        }
    }

    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// How long ago it was put; no time at all where the clock was set back since.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.put()).unwrap_or_default()
    }
}

/// Whether a clock that says `now` cannot have been right at this time: it is from before there was
/// this program, as the clock of a machine that has just started may be.
pub(crate) fn is_wrong(time: SystemTime, now: SystemTime) -> bool {
    // The end of 2025.
    let first = UNIX_EPOCH + Duration::from_hours(24 * 365 * 56);
    time < first && now >= first
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_reads_back_and_sorts_by_time(put: [u64; 2], pid: u32, tries: u32) {
            let [one, other] = put.map(|put| Item { put, pid, tries });
            prop_assert_eq!(Item::parse(&one.name()), Some(one));
            prop_assert_eq!(one.name().cmp(&other.name()), one.cmp(&other));
        }

        #[test]
        fn other_names_are_no_items(name in "[0-9a-z.-]{0,40}") {
            if let Some(item) = Item::parse(&name) {
                prop_assert_eq!(item.name(), name);
            }
        }
    }
}
