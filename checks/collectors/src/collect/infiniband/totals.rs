//! Counters that never go back: what a port counted, carried across clears and restarts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::state::{StateError, StateFile};

/// The totals of counters, each by a key of its own.
///
/// They are written after each collection: a device that is reset with the host begins at 0, and
/// then only the file knows what was shown.
pub(super) struct Totals {
    file: StateFile,
    /// `None` until the file could be read.
    known: Option<Known>,
}

type Known = BTreeMap<String, Total>;

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
    /// Those of the state file in this folder, which is read before the first collection.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            file: StateFile::new(folder, "metrics-infiniband.json"),
            known: None,
        }
    }

    /// Reads the file if that was not done. One that is damaged is begun anew, and told. One that
    /// cannot be read is an error, as all series would go back.
    pub(super) fn open(&mut self) -> Result<Option<StateError>, StateError> {
        if self.known.is_some() {
            return Ok(None);
        }
        let (known, damaged) = self.file.read()?;
        self.known = Some(known);
        Ok(damaged)
    }

    /// Takes what was read now, and tells all that was counted since the counter was first seen.
    pub(super) fn advance(&mut self, key: &str, raw: u64, bits: u8) -> u64 {
        let known = self.known.get_or_insert_default();
        let Some(total) = known.get_mut(key) else {
            let total = Total {
                raw,
                bits,
                sum: raw,
            };
            known.insert(key.to_owned(), total);
            return raw;
        };
        // Two widths of a counter have nothing to do with each other.
        if total.bits == bits {
            // What is less was reset, and has counted what it has since.
            let counted = raw.checked_sub(total.raw).unwrap_or(raw);
            total.sum = total.sum.saturating_add(counted);
        }
        total.raw = raw;
        total.bits = bits;
        total.sum
    }

    /// A counter was set to 0, and has this now.
    pub(super) fn reset(&mut self, key: &str, left: u64) {
        if let Some(total) = self.known.as_mut().and_then(|known| known.get_mut(key)) {
            total.raw = left;
        }
    }

    /// Writes them, and keeps what others have written of counters that are not read here.
    pub(super) fn write(&self) -> Result<(), StateError> {
        let Some(known) = &self.known else {
            return Ok(());
        };
        let lock = self.file.lock();
        let (mut all, _): (Known, _) = self.file.read()?;
        all.extend(known.iter().map(|(key, total)| (key.clone(), *total)));
        self.file.write(&all)?;
        // Where it could not be had, what others have may be lost.
        lock.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn totals(folder: &Path) -> Totals {
        let mut totals = Totals::new(folder);
        assert!(totals.open().unwrap().is_none());
        totals
    }

    #[test]
    fn a_total_outlives_clears_restarts_and_wider_counters() {
        let folder = tempfile::tempdir().unwrap();
        let mut before = totals(folder.path());
        assert_eq!(before.advance("a", 10, 32), 10);
        assert_eq!(before.advance("a", 15, 32), 15);
        assert_eq!(before.advance("a", 3, 32), 18, "reset by somebody");
        before.reset("a", 0);
        assert_eq!(before.advance("a", 3, 32), 21, "reset by us");
        before.reset("a", 3);
        assert_eq!(before.advance("a", 4, 32), 22, "it did not let us");
        before.write().unwrap();

        let mut after = totals(folder.path());
        assert_eq!(after.advance("a", 2, 32), 24, "and reset with the host");
        assert_eq!(after.advance("a", 1_000_000, 64), 24, "from now on");
        assert_eq!(after.advance("a", 1_000_001, 64), 25);
    }

    #[test]
    fn two_who_write_keep_what_the_other_has() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (totals(folder.path()), totals(folder.path()));
        one.advance("a", 1, 8);
        other.advance("b", 2, 8);
        one.write().unwrap();
        other.write().unwrap();
        one.write().unwrap();
        let mut both = totals(folder.path());
        assert_eq!((both.advance("a", 1, 8), both.advance("b", 2, 8)), (1, 2));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics-infiniband.json");
        // A name that leads nowhere but to itself cannot be read by root either.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let mut totals = Totals::new(folder.path());
        for _ in 0..2 {
            let error = totals.open().unwrap_err().to_string();
            assert!(error.starts_with("cannot read the state file "), "{error}");
            totals.write().unwrap();
            assert!(path.is_symlink());
        }
    }

    proptest! {
        #[test]
        fn totals_never_go_back(
            reads in proptest::collection::vec((any::<u64>(), 0_u8..3, any::<bool>()), 1..50),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut totals = totals(folder.path());
            let mut last = 0;
            for (raw, bits, restarts) in reads {
                if restarts {
                    totals = Totals::new(folder.path());
                    totals.open().unwrap();
                }
                let total = totals.advance("a", raw, bits);
                prop_assert!(total >= last);
                last = total;
                totals.write().unwrap();
            }
        }
    }
}
