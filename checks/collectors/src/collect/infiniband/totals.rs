//! Counters that never go back: what a port counted, carried across clears and restarts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::state::{StateError, StateFile};

/// How long what was counted may be ahead of the file, in seconds. Nothing is lost with it, as the
/// device counts on; the file has to be right only where a counter went back, which is written at
/// once.
const WRITE_SECONDS: u64 = 300;

/// The totals of all counters, each by a key of its own.
pub(super) struct Totals {
    file: StateFile,
    known: BTreeMap<String, Total>,
    written: u64,
    is_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Total {
    /// As read last.
    raw: u64,
    /// How wide that was. The same counter may later be read with more bits.
    bits: u8,
    /// All that was counted.
    sum: u64,
}

impl Totals {
    /// Those of the state file in this folder.
    pub(super) fn open(folder: &Path) -> (Self, Option<StateError>) {
        let file = StateFile::new(folder, "metrics-infiniband.json");
        let (known, error) = match file.read() {
            Ok(known) => (known.unwrap_or_default(), None),
            Err(error) => (BTreeMap::new(), Some(error)),
        };
        let totals = Self {
            file,
            known,
            written: 0,
            is_due: false,
        };
        (totals, error)
    }

    /// Takes what was read now, and tells all that was counted since the counter was first seen.
    pub(super) fn advance(&mut self, key: &str, raw: u64, bits: u8) -> u64 {
        let Some(known) = self.known.get_mut(key) else {
            self.is_due = true;
            let total = Total {
                raw,
                bits,
                sum: raw,
            };
            self.known.insert(key.to_owned(), total);
            return raw;
        };
        if known.bits == bits {
            let is_cleared = raw < known.raw;
            let counted = if is_cleared { raw } else { raw - known.raw };
            known.sum = known.sum.saturating_add(counted);
            self.is_due |= is_cleared;
        } else {
            // Two widths of a counter have nothing to do with each other.
            self.is_due = true;
        }
        known.raw = raw;
        known.bits = bits;
        known.sum
    }

    /// A counter was set to 0.
    pub(super) fn cleared(&mut self, key: &str) {
        if let Some(known) = self.known.get_mut(key) {
            known.raw = 0;
            self.is_due = true;
        }
    }

    /// Writes them, if it is time.
    pub(super) fn write(&mut self, now: u64) -> Result<(), StateError> {
        // The clock may also have been set back.
        if !self.is_due && now.abs_diff(self.written) < WRITE_SECONDS {
            return Ok(());
        }
        self.file.write(&self.known)?;
        self.is_due = false;
        self.written = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn totals(folder: &Path) -> Totals {
        let (totals, error) = Totals::open(folder);
        assert!(error.is_none(), "{error:?}");
        totals
    }

    #[test]
    fn a_total_outlives_clears_restarts_and_wider_counters() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = totals(folder.path());
        assert_eq!(before.advance("a", 10, 32), 10);
        assert_eq!(before.advance("a", 15, 32), 15);
        assert_eq!(before.advance("a", 3, 32), 18, "cleared by somebody");
        before.cleared("a");
        assert_eq!(before.advance("a", 3, 32), 21, "cleared by us");
        before.write(0).unwrap();
        assert_eq!(before.advance("a", 9, 32), 27, "ahead of the file");

        let mut after = totals(folder.path());
        assert_eq!(after.advance("a", 9, 32), 27);
        assert_eq!(after.advance("a", 1_000_000, 64), 27, "from now on");
        assert_eq!(after.advance("a", 1_000_001, 64), 28);
    }

    #[test]
    fn the_file_is_written_when_it_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let mut totals = totals(folder.path());
        let raw = || {
            let (totals, _) = Totals::open(folder.path());
            totals.known.get("a").map(|total| total.raw)
        };
        totals.advance("a", 1, 8);
        totals.write(1000).unwrap();
        assert_eq!(raw(), Some(1), "the first time");
        totals.advance("a", 2, 8);
        totals.write(1001).unwrap();
        assert_eq!(raw(), Some(1), "not each time");
        totals.write(1000 + WRITE_SECONDS).unwrap();
        assert_eq!(raw(), Some(2), "from time to time");
        totals.advance("a", 0, 8);
        totals.write(1000 + WRITE_SECONDS).unwrap();
        assert_eq!(raw(), Some(0), "when it went back");
    }

    proptest! {
        #[test]
        fn totals_never_go_back(reads in proptest::collection::vec((any::<u64>(), 0_u8..3), 1..50)) {
            let folder = tempfile::tempdir().unwrap();
            let mut totals = totals(folder.path());
            let mut last = 0;
            for (raw, bits) in reads {
                let total = totals.advance("a", raw, bits);
                prop_assert!(total >= last);
                last = total;
            }
        }
    }
}
