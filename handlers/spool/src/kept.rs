//! What was delivered a short while ago, and may have to be delivered again.
//!
//! For a receiver that holds in memory what it took: where it dies, what it took lately is gone
//! with it. So it is kept for a while, and waits once more when the receiver turns out to have
//! gone. Only for deliveries that do no harm when they are repeated.
//!
//! Items are renamed, not copied, into a folder for each sixth of the while: old ones go by the
//! folder, and nobody has to look at each item to find out which are old.

use crate::{Item, SpoolError, Turn, file};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder of the folders.
const KEPT: &str = "kept";
/// How many parts a while has.
const PARTS: u64 = 6;

impl Turn<'_> {
    /// Forgets it as [`done`](Turn::done) does, but only after this while.
    pub fn keep(&self, item: Item, now: SystemTime, span: Duration) -> Result<(), SpoolError> {
        if span.is_zero() {
            return self.done(item);
        }
        let width = width(span);
        let part = seconds(now) / width * width;
        let dir = self.kept().join(part.to_string());
        let error = |error| SpoolError::new("write to", self.kept(), error);
        if !dir.exists() {
            self.forget_old(now, span).map_err(error)?;
            file::make_folder(&dir).map_err(error)?;
        }
        let name = item.name();
        fs::rename(self.spool.dir.join(&name), dir.join(&name)).map_err(error)
    }

    /// Has what was kept within this while wait again, and says how many there are.
    pub fn recall(&self, now: SystemTime, span: Duration) -> Result<usize, SpoolError> {
        let recall = || -> io::Result<usize> {
            self.forget_old(now, span)?;
            let mut count = 0;
            for (_, dir) in parts(&self.kept())? {
                for entry in fs::read_dir(&dir)? {
                    let name = entry?.file_name();
                    fs::rename(dir.join(&name), self.spool.dir.join(&name))?;
                    count += 1;
                }
                fs::remove_dir(dir)?;
            }
            Ok(count)
        };
        recall().map_err(|error| SpoolError::new("write to", self.kept(), error))
    }

    fn kept(&self) -> PathBuf {
        self.spool.dir.join(KEPT)
    }

    /// Takes the parts away that are too old, and the oldest of those that are too much together.
    fn forget_old(&self, now: SystemTime, span: Duration) -> io::Result<()> {
        let oldest = seconds(now).saturating_sub(span.as_secs().saturating_add(width(span)));
        let mut left = self.spool.bounds.bytes;
        for (start, dir) in parts(&self.kept())?.into_iter().rev() {
            let size = size(&dir)?;
            if start < oldest || size > left {
                left = 0;
                fs::remove_dir_all(dir)?;
            } else {
                left -= size;
            }
        }
        Ok(())
    }
}

/// Seconds of one part.
fn width(span: Duration) -> u64 {
    (span.as_secs() / PARTS).max(1)
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The parts with the second that each begins at, in their order.
fn parts(kept: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(kept) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(start) = name.to_str().and_then(|name| name.parse().ok()) {
            parts.push((start, entry.path()));
        }
    }
    parts.sort();
    Ok(parts)
}

fn size(dir: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(dir)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use crate::{Bounds, Spool, Turn};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    const SPAN: Duration = Duration::from_mins(1);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn open(dir: &tempfile::TempDir) -> Spool {
        let bounds = Bounds {
            age: Duration::from_secs(1000),
            bytes: 10,
        };
        Spool::open(dir.path(), bounds).unwrap()
    }

    /// Puts these bytes and keeps them as delivered, both at this time.
    fn deliver(spool: &Spool, turn: &Turn<'_>, bytes: &[u8], now: u64) {
        spool.put(bytes, at(now)).unwrap();
        for item in turn.waiting(at(now)).unwrap().items {
            turn.keep(item, at(now), SPAN).unwrap();
        }
        assert!(turn.waiting(at(now)).unwrap().items.is_empty());
    }

    fn waiting(turn: &Turn<'_>, now: u64) -> Vec<Vec<u8>> {
        let items = turn.waiting(at(now)).unwrap().items;
        items.iter().map(|item| turn.read(item).unwrap()).collect()
    }

    #[test]
    fn what_was_kept_lately_waits_again_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(&dir);
        let turn = spool.try_turn().unwrap().unwrap();
        for (text, now) in [(b"a", 100), (b"b", 145), (b"c", 150), (b"d", 159)] {
            deliver(&spool, &turn, text, now);
        }
        // The first has been forgotten, but for the width of a part never too early.
        assert_eq!(turn.recall(at(180), SPAN).unwrap(), 3);
        assert_eq!(waiting(&turn, 180), [b"b", b"c", b"d"]);
        assert_eq!(turn.recall(at(180), SPAN).unwrap(), 0);
    }

    #[test]
    fn nothing_is_forgotten_within_the_while() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(&dir);
        let turn = spool.try_turn().unwrap().unwrap();
        deliver(&spool, &turn, b"a", 100);
        assert_eq!(turn.recall(at(160), SPAN).unwrap(), 1);
        let item = turn.waiting(at(160)).unwrap().items[0];
        turn.keep(item, at(160), Duration::ZERO).unwrap();
        assert_eq!(turn.recall(at(160), SPAN).unwrap(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(&dir);
        let turn = spool.try_turn().unwrap().unwrap();
        for (text, now) in [(b"12345", 100), (b"67890", 110), (b"abcde", 120)] {
            deliver(&spool, &turn, text, now);
        }
        turn.recall(at(121), SPAN).unwrap();
        assert_eq!(waiting(&turn, 121), [b"67890", b"abcde"]);
    }
}
