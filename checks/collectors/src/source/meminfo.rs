//! `PROC/meminfo`: what memory is used for. The kernel's "kB" is 1024 bytes; all of this is bytes.

use crate::source::text::{Malformed, decimal, fields, lines};

/// The fields of use here, in bytes. The kernel calls them `MemTotal`, `MemFree` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemInfo {
    /// Usable memory: what is installed less the kernel's own code and reservations.
    pub total: u64,
    /// Memory that nobody uses.
    pub free: u64,
    /// What programs can get without swapping, as the kernel estimates it; since Linux 3.14.
    pub available: Option<u64>,
    /// Cached blocks of devices.
    pub buffers: u64,
    /// Cached pages of files.
    pub cached: u64,
    /// Size of all swap space.
    pub swap_total: u64,
    /// Swap space that is not used.
    pub swap_free: u64,
    /// What waits to be written to a disk.
    pub dirty: u64,
}

impl MemInfo {
    /// Finds the fields by name, whatever their order.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let [mut total, mut free, mut available, mut buffers, mut cached] = [None; 5];
        let [mut swap_total, mut swap_free, mut dirty] = [None; 3];
        for line in lines(text) {
            let (line, bytes) = line?;
            let mut columns = fields(bytes);
            let field = match columns.next() {
                Some(b"MemTotal:") => &mut total,
                Some(b"MemFree:") => &mut free,
                Some(b"MemAvailable:") => &mut available,
                Some(b"Buffers:") => &mut buffers,
                Some(b"Cached:") => &mut cached,
                Some(b"SwapTotal:") => &mut swap_total,
                Some(b"SwapFree:") => &mut swap_free,
                Some(b"Dirty:") => &mut dirty,
                Some(_) | None => continue,
            };
            *field = Some(bytes_of(columns).ok_or(Malformed::Line {
                line,
                what: "has no number of kB",
            })?);
        }
        Ok(Self {
            total: total.ok_or(Malformed::Missing("MemTotal"))?,
            free: free.ok_or(Malformed::Missing("MemFree"))?,
            available,
            buffers: buffers.ok_or(Malformed::Missing("Buffers"))?,
            cached: cached.ok_or(Malformed::Missing("Cached"))?,
            swap_total: swap_total.ok_or(Malformed::Missing("SwapTotal"))?,
            swap_free: swap_free.ok_or(Malformed::Missing("SwapFree"))?,
            dirty: dirty.ok_or(Malformed::Missing("Dirty"))?,
        })
    }

    /// Swap space that is used; an error is how the fields contradict each other, here and below.
    pub fn swap_used(&self) -> Result<u64, &'static str> {
        self.swap_total
            .checked_sub(self.swap_free)
            .ok_or("SwapFree exceeds SwapTotal")
    }

    /// Memory that somebody uses, be it as a cache.
    pub fn used(&self) -> Result<u64, &'static str> {
        self.total
            .checked_sub(self.free)
            .ok_or("MemFree exceeds MemTotal")
    }

    /// Memory that would be free without buffers and caches: where the kernel says what is
    /// available, that.
    pub fn free_without_caches(&self) -> Result<u64, &'static str> {
        let sum = || {
            self.free
                .checked_add(self.buffers)?
                .checked_add(self.cached)
        };
        self.available
            .or_else(sum)
            .ok_or("MemFree, Buffers and Cached together exceed any memory")
    }

    /// Memory that is used, and not as a cache.
    pub fn used_without_caches(&self) -> Result<u64, &'static str> {
        self.total
            .checked_sub(self.free_without_caches()?)
            .ok_or("what is free without buffers and caches exceeds MemTotal")
    }
}

fn bytes_of<'a>(mut columns: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    let number = decimal(columns.next()?)?;
    (columns.next()? == b"kB")
        .then_some(number)?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHUFFLED: &str = "Dirty: 8 kB\nSwapFree: 7 kB\nSwapTotal: 6 kB\nCached: 5 kB\n\
        Buffers: 4 kB\nMemFree: 2 kB\nHugePages_Total: 0\nSwapCached: 9 kB\nMemTotal: 1 kB\n";

    #[test]
    fn finds_fields_by_name() {
        let info = MemInfo::parse(SHUFFLED.as_bytes()).unwrap();
        assert_eq!((info.total, info.free, info.available), (1024, 2048, None));
        assert_eq!((info.buffers, info.cached, info.dirty), (4096, 5120, 8192));
        assert_eq!((info.swap_total, info.swap_free), (6144, 7168));
    }

    #[test]
    fn says_what_is_missing_or_wrong() {
        for (from, to, message) in [
            (
                "Dirty: 8 kB\n",
                "",
                "Dirty is missing, so the file is cut off or not the kernel's",
            ),
            ("Dirty: 8 kB", "Dirty: 8 MB", "line 1 has no number of kB"),
            ("Dirty: 8 kB", "Dirty: 8", "line 1 has no number of kB"),
            (
                "Dirty: 8 kB",
                "Dirty: 18014398509481984 kB",
                "line 1 has no number of kB",
            ),
            ("MemTotal: 1 kB\n", "MemTotal: 1 k", "line 9 is cut off"),
        ] {
            let text = SHUFFLED.replace(from, to);
            let error = MemInfo::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, number in "[0-9a ]{0,22}", at in 0..200_usize) {
            let text = SHUFFLED.replace('7', &number);
            let cut = &text.as_bytes()[..at.min(text.len())];
            for bytes in [&bytes[..], text.as_bytes(), cut] {
                let done = MemInfo::parse(bytes);
                prop_assert!(done.is_err() || bytes.ends_with(b"\n"));
            }
        }
    }
}
