//! A folder in which handlers keep what is not delivered yet.
//!
//! Sensu starts a process for each event, many side by side. Each [puts](Spool::put) what it was
//! given into the folder first, and then tries to get the [`Turn`]: one process at a time has it,
//! and delivers what all of them put there, in the order in which they did. Who does not get it
//! may leave, as whoever has it looks once more after it has given it back (see [`Spool::serve`]).
//!
//! What was put survives the death of every process, not that of the machine: nothing is forced to
//! the disk, as Sensu's own queue would not survive that either.
//!
//! An item's name tells when it was put and how often its delivery was begun. Where a process dies
//! after it was begun, nobody can know whether it was delivered: it is tried [once
//! more](MOST_TRIES), and then set aside, so that nothing is repeated for ever by handlers that are
//! killed each time before they can say that they are done.

mod item;
mod kept;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

pub use item::Item;

/// How often a delivery is begun before the item is set aside.
pub const MOST_TRIES: u32 = 2;

/// The file whose lock is the turn.
const LOCK: &str = "lock";
/// What is added to the name of one that was set aside.
const ASIDE: &str = "aside";

/// How much is kept, and for how long. At the bound the oldest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest that something waits.
    pub age: Duration,
    /// All of it together.
    pub bytes: u64,
}

impl Default for Bounds {
    /// A day, and 64 MiB.
    fn default() -> Self {
        Self {
            age: Duration::from_hours(24),
            bytes: 64 << 20,
        }
    }
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} the spool {}: {source}", dir.display())]
pub struct SpoolError {
    what: &'static str,
    dir: PathBuf,
    source: io::Error,
}

/// The folder.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    bounds: Bounds,
}

impl Spool {
    /// Opens it, and makes it where it is not there, for this user only.
    pub fn open(dir: &Path, bounds: Bounds) -> Result<Self, SpoolError> {
        let spool = Self {
            dir: dir.to_owned(),
            bounds,
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        match builder.create(dir) {
            Ok(()) => Ok(spool),
            Err(error) => Err(spool.error("make")(error)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> SpoolError {
        let dir = self.dir.clone();
        move |source| SpoolError { what, dir, source }
    }

    /// Keeps these bytes, whole or not at all. From when this returns on, they are delivered
    /// even if this process dies.
    pub fn put(&self, bytes: &[u8], now: SystemTime) -> Result<(), SpoolError> {
        let item = Item::new(now, std::process::id());
        let path = self.dir.join(item.name());
        // No name of an item, so that nobody takes it for one that is whole.
        let unfinished = path.with_added_extension("new");
        let mut options = OpenOptions::new();
        let write = || {
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(bytes)?;
            fs::rename(&unfinished, &path)
        };
        let mut write = write;
        write().map_err(|error| {
            // On a full disk what was begun would stay.
            drop(fs::remove_file(&unfinished));
            self.error("write to")(error)
        })
    }

    /// The turn, unless another process has it.
    pub fn try_turn(&self) -> Result<Option<Turn<'_>>, SpoolError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options
            .open(self.dir.join(LOCK))
            .map_err(self.error("lock"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Turn {
                spool: self,
                _lock: lock,
            })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(self.error("lock")(errno.into())),
        }
    }

    /// Lets `work` deliver for as long as there is something to deliver and nobody else does.
    ///
    /// `work` delivers what it can and says whether it could deliver all; if not, it stays for
    /// whoever comes next. `None` where another process has the turn: it will deliver this
    /// process's item, too.
    pub fn serve<E: From<SpoolError>>(
        &self,
        mut work: impl FnMut(&Turn<'_>) -> Result<bool, E>,
    ) -> Result<Option<bool>, E> {
        let mut served = None;
        loop {
            let Some(turn) = self.try_turn()? else {
                return Ok(served);
            };
            let all = work(&turn)?;
            served = Some(all);
            drop(turn);
            // Who came while the turn was taken has left, relying on this look.
            if !all || self.is_empty()? {
                return Ok(served);
            }
        }
    }

    fn is_empty(&self) -> Result<bool, SpoolError> {
        Ok(self.list()?.is_empty())
    }

    fn list(&self) -> Result<Vec<Item>, SpoolError> {
        let read = || -> io::Result<Vec<Item>> {
            let mut items = Vec::new();
            for entry in fs::read_dir(&self.dir)? {
                items.extend(entry?.file_name().to_str().and_then(Item::parse));
            }
            Ok(items)
        };
        let mut items = read().map_err(self.error("read"))?;
        items.sort();
        Ok(items)
    }
}

/// Who has this is the only one who delivers.
#[derive(Debug)]
pub struct Turn<'a> {
    spool: &'a Spool,
    _lock: Flock<File>,
}

/// What waits, and what was given up for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In the order in which it was put.
    pub items: Vec<Item>,
    /// How many were too old, or too much, and are gone.
    pub dropped: usize,
    /// Those that were [set aside](MOST_TRIES) just now.
    pub set_aside: Vec<Item>,
}

impl Turn<'_> {
    /// Where the spool is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.spool.dir
    }

    /// What waits now, within the bounds.
    pub fn waiting(&self, now: SystemTime) -> Result<Waiting, SpoolError> {
        let Spool { dir, bounds } = self.spool;
        self.clean(now)?;
        let mut waiting = Waiting::default();
        let mut left = bounds.bytes;
        // From the newest on, until there is no room left.
        for item in self.spool.list()?.into_iter().rev() {
            let path = dir.join(item.name());
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let is_old = item.age(now) > bounds.age;
            if item.tries() >= MOST_TRIES {
                let aside = path.with_added_extension(ASIDE);
                fs::rename(&path, aside).map_err(self.spool.error("write to"))?;
                waiting.set_aside.push(item);
            } else if is_old || metadata.len() > left {
                fs::remove_file(&path).map_err(self.spool.error("write to"))?;
                waiting.dropped += 1;
                if !is_old {
                    // Whatever is older goes with it: there are no gaps.
                    left = 0;
                }
            } else {
                left -= metadata.len();
                waiting.items.push(item);
            }
        }
        waiting.items.reverse();
        waiting.set_aside.reverse();
        Ok(waiting)
    }

    /// Takes away what nobody will finish, and what was set aside long ago.
    fn clean(&self, now: SystemTime) -> Result<(), SpoolError> {
        let Spool { dir, bounds } = self.spool;
        let entries = fs::read_dir(dir).map_err(self.spool.error("read"))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((item, end)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
                continue;
            };
            let is_old = Item::parse(item).is_some_and(|item| item.age(now) > bounds.age);
            if is_old && matches!(end, "new" | ASIDE) {
                // It may have gone meanwhile.
                drop(fs::remove_file(entry.path()));
            }
        }
        Ok(())
    }

    /// The bytes of an item.
    pub fn read(&self, item: &Item) -> Result<Vec<u8>, SpoolError> {
        fs::read(self.spool.dir.join(item.name())).map_err(self.spool.error("read"))
    }

    /// The bytes of one that was set aside.
    pub fn read_aside(&self, item: &Item) -> Result<Vec<u8>, SpoolError> {
        let path = self.spool.dir.join(item.name());
        fs::read(path.with_added_extension(ASIDE)).map_err(self.spool.error("read"))
    }

    /// Notes that its delivery begins.
    pub fn begin(&self, item: Item) -> Result<Item, SpoolError> {
        self.rename(item, item.begun())
    }

    /// Notes that its delivery failed for certain, so that it does not count.
    pub fn failed(&self, item: Item) -> Result<Item, SpoolError> {
        self.rename(item, item.not_begun())
    }

    fn rename(&self, from: Item, to: Item) -> Result<Item, SpoolError> {
        let dir = &self.spool.dir;
        fs::rename(dir.join(from.name()), dir.join(to.name()))
            .map_err(self.spool.error("write to"))?;
        Ok(to)
    }

    /// Forgets it: it is delivered, or will never be.
    pub fn done(&self, item: Item) -> Result<(), SpoolError> {
        match fs::remove_file(self.spool.dir.join(item.name())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.spool.error("write to")(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn open(dir: &Path) -> Spool {
        let bounds = Bounds {
            age: Duration::from_secs(100),
            bytes: 10,
        };
        Spool::open(dir, bounds).unwrap()
    }

    fn texts(turn: &Turn<'_>, now: u64) -> Vec<String> {
        let waiting = turn.waiting(at(now)).unwrap();
        let items = waiting.items.iter();
        items
            .map(|item| String::from_utf8(turn.read(item).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn what_was_put_waits_in_order_until_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(&dir.path().join("a/b"));
        for (text, now) in [("two", 2), ("one", 1), ("three", 3)] {
            spool.put(text.as_bytes(), at(now)).unwrap();
        }
        let turn = spool.try_turn().unwrap().unwrap();
        // Eleven bytes: the oldest has no room.
        assert_eq!(texts(&turn, 3), ["two", "three"]);
        let items = turn.waiting(at(3)).unwrap().items;
        turn.done(items[0]).unwrap();
        turn.done(items[0]).unwrap();
        assert_eq!(texts(&turn, 3), ["three"]);
        // At last it is too old.
        let waiting = turn.waiting(at(104)).unwrap();
        assert_eq!((waiting.items.len(), waiting.dropped), (0, 1));
    }

    #[test]
    fn one_has_the_turn_and_looks_again_for_those_who_left() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        spool.put(b"mine", at(1)).unwrap();
        let mut rounds = 0;
        let served = spool.serve(|turn| {
            rounds += 1;
            for item in turn.waiting(at(1))?.items {
                turn.done(item)?;
            }
            if rounds == 1 {
                // Another process, which finds the turn taken.
                let other = open(dir.path());
                other.put(b"its", at(2)).unwrap();
                let nothing = |_: &Turn<'_>| -> Result<bool, SpoolError> { unreachable!() };
                assert_eq!(other.serve(nothing).unwrap(), None);
            }
            Ok::<_, SpoolError>(true)
        });
        assert_eq!((served.unwrap(), rounds), (Some(true), 2));
        let turn = spool.try_turn().unwrap().unwrap();
        assert_eq!(texts(&turn, 2), [""; 0]);
    }

    #[test]
    fn what_was_begun_and_not_done_is_tried_once_more_and_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        spool.put(b"x", at(1)).unwrap();
        for _ in 0..MOST_TRIES {
            let turn = spool.try_turn().unwrap().unwrap();
            let waiting = turn.waiting(at(1)).unwrap();
            // A try that failed for certain does not count.
            let item = turn.begin(waiting.items[0]).unwrap();
            let item = turn.failed(item).unwrap();
            turn.begin(item).unwrap();
            // And here its process dies.
        }
        let turn = spool.try_turn().unwrap().unwrap();
        let waiting = turn.waiting(at(1)).unwrap();
        assert_eq!(waiting.items, []);
        assert_eq!(turn.read_aside(&waiting.set_aside[0]).unwrap(), b"x");
        assert_eq!(turn.waiting(at(1)).unwrap(), Waiting::default());
        let aside = |dir: &Path| fs::read_dir(dir).unwrap().count();
        assert_eq!(aside(dir.path()), 2, "it and the lock");
        turn.waiting(at(102)).unwrap();
        assert_eq!(aside(dir.path()), 1, "the lock");
    }

    #[test]
    fn what_is_half_written_or_no_item_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let spool = open(dir.path());
        let item = Item::new(at(1), 7).name();
        for name in [format!("{item}.new"), "README".to_owned(), "1-2".to_owned()] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let turn = spool.try_turn().unwrap().unwrap();
        assert_eq!(turn.waiting(at(1)).unwrap(), Waiting::default());
        assert_eq!(turn.waiting(at(102)).unwrap(), Waiting::default());
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 3, "the lock and what is not ours");
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let error = Spool::open(Path::new("/proc/none"), Bounds::default()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("cannot make the spool /proc/none: "),
            "{said}"
        );
    }
}
