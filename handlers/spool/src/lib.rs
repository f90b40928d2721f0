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

pub mod file;
mod held;
mod item;
mod kept;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;

pub use held::Held;
pub use item::Item;

/// How often a delivery is begun before the item is set aside.
pub const MOST_TRIES: u32 = 2;

/// The file whose lock is the turn.
const LOCK: &str = "lock";
/// What is added to the name of one that was set aside.
const ASIDE: &str = "aside";
/// How many of those that are given up are shown.
const SHOWN: usize = 20;

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

/// The folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} the spool {}: {source}", path.display())]
pub struct SpoolError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl SpoolError {
    pub(crate) fn new(what: &'static str, path: PathBuf, source: io::Error) -> Self {
        Self { what, path, source }
    }
}

/// The folder.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    bounds: Bounds,
    /// Who has it.
    owner: u32,
    warning: Option<String>,
}

/// What the name of a file says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Waiting,
    Aside,
    Unfinished,
}

/// A file of the spool.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: Kind,
    item: Item,
    bytes: u64,
    modified: SystemTime,
}

impl Entry {
    fn path(&self, dir: &Path) -> PathBuf {
        let path = dir.join(self.item.name());
        match self.kind {
            Kind::Waiting => path,
            Kind::Aside => path.with_added_extension(ASIDE),
            Kind::Unfinished => path.with_added_extension(file::UNFINISHED),
        }
    }
}

impl Spool {
    /// Opens it, and makes it where it is not there, for this user only.
    pub fn open(dir: &Path, bounds: Bounds) -> Result<Self, SpoolError> {
        let error = |source| SpoolError::new("make", dir.to_owned(), source);
        file::make_folder(dir).map_err(error)?;
        let metadata = fs::metadata(dir).map_err(error)?;
        let (owner, user) = (metadata.uid(), Uid::effective().as_raw());
        let place = dir.display();
        let warning = if ![0, user].contains(&owner) && user != 0 {
            Some(format!(
                "the spool {place} is another user's, who can change what is sent: take a folder of this user's own"
            ))
        } else if metadata.mode() & 0o022 != 0 {
            Some(format!(
                "the spool {place} can be written by others, who can change what is sent: chmod 700 {place}"
            ))
        } else {
            None
        };
        let spool = Self {
            dir: dir.to_owned(),
            bounds,
            owner,
            warning,
        };
        // What cannot be delivered from should not be put to either.
        spool.lock_file()?;
        Ok(spool)
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What an admin should change about the folder.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    fn error(&self, what: &'static str) -> impl FnOnce(io::Error) -> SpoolError {
        let dir = self.dir.clone();
        move |source| SpoolError::new(what, dir, source)
    }

    /// Keeps these bytes, whole or not at all. From when this returns on, they are delivered
    /// even if this process dies.
    pub fn put(&self, bytes: &[u8], now: SystemTime) -> Result<Item, SpoolError> {
        let mut item = Item::new(now, std::process::id());
        loop {
            let path = self.dir.join(item.name());
            // No name of an item, so that nobody takes it for one that is whole.
            let unfinished = path.with_added_extension(file::UNFINISHED);
            let put = if fs::symlink_metadata(&path).is_ok() {
                Err(io::ErrorKind::AlreadyExists.into())
            } else {
                file::write_new(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path))
            };
            match put {
                Ok(()) => return Ok(item),
                // Two at the same time of a coarse clock.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => item = item.later(),
                Err(error) => return Err(SpoolError::new("write to", path, error)),
            }
        }
    }

    /// The turn, unless another process has it.
    pub fn try_turn(&self) -> Result<Option<Turn<'_>>, SpoolError> {
        match Flock::lock(self.lock_file()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Turn {
                spool: self,
                _lock: lock,
            })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(self.error("lock")(errno.into())),
        }
    }

    /// A link, a pipe, or a file that this user may not open, is no lock of ours, and makes room.
    fn lock_file(&self) -> Result<File, SpoolError> {
        let path = self.dir.join(LOCK);
        let open = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            let file = file::open(&mut options, &path)?;
            if file.metadata()?.uid() != self.owner {
                file::give(&file, &path)?;
            }
            Ok(file)
        };
        let opened = open().or_else(|error| {
            let is_file = fs::symlink_metadata(&path).is_ok_and(|lock| lock.is_file());
            if is_file && error.kind() != io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            fs::remove_file(&path)?;
            open()
        });
        opened.map_err(|error| SpoolError::new("lock", path.clone(), error))
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
        let (entries, _) = self.list()?;
        Ok(entries.iter().all(|entry| entry.kind != Kind::Waiting))
    }

    /// The files that are ours, from the oldest on, and the names of what looks like one and is
    /// not: a link, a folder, or another user's.
    fn list(&self) -> Result<(Vec<Entry>, Vec<String>), SpoolError> {
        let user = Uid::effective().as_raw();
        let (mut entries, mut strange) = (Vec::new(), Vec::new());
        let mut read = || -> io::Result<()> {
            for entry in fs::read_dir(&self.dir)? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let (kind, start) = match name.rsplit_once('.') {
                    None => (Kind::Waiting, name),
                    Some((start, ASIDE)) => (Kind::Aside, start),
                    Some((start, file::UNFINISHED)) => (Kind::Unfinished, start),
                    Some(_) => continue,
                };
                let Some(item) = Item::parse(start) else {
                    continue;
                };
                // Of the link, where it is one. It may be gone meanwhile.
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let is_ours = metadata.uid() == user || user == 0 && metadata.uid() == self.owner;
                if metadata.is_file() && is_ours {
                    entries.push(Entry {
                        kind,
                        item,
                        bytes: metadata.len(),
                        modified: metadata.modified()?,
                    });
                } else {
                    strange.push(name.to_owned());
                }
            }
            Ok(())
        };
        read().map_err(self.error("read"))?;
        entries.sort_unstable_by_key(|entry| entry.item);
        strange.sort_unstable();
        Ok((entries, strange))
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
    /// The bytes of the last of these.
    pub lost: Vec<Vec<u8>>,
    /// Those that were [set aside](MOST_TRIES) just now.
    pub set_aside: Vec<Item>,
    /// A line on what looks like an item and is left alone.
    pub strange: Option<String>,
}

impl Turn<'_> {
    /// Where the spool is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.spool.dir
    }

    /// What waits now, within the bounds.
    pub fn waiting(&self, now: SystemTime) -> Result<Waiting, SpoolError> {
        let Spool { dir, bounds, .. } = self.spool;
        let (mut entries, strange) = self.spool.list()?;
        let mut waiting = Waiting {
            strange: strange
                .first()
                .map(|name| self.left_alone(name, strange.len())),
            ..Waiting::default()
        };
        // Those that wait before what was set aside; from the newest on, until no room is left.
        entries.sort_by_key(|entry| (entry.kind != Kind::Waiting, std::cmp::Reverse(entry.item)));
        let mut left = bounds.bytes;
        for entry in entries {
            let is_old = self.age(&entry, now) > bounds.age;
            let has_room = entry.bytes <= left;
            match entry.kind {
                Kind::Waiting if entry.item.tries() >= MOST_TRIES => {
                    self.set_aside(entry.item)?;
                    waiting.set_aside.push(entry.item);
                }
                Kind::Waiting if is_old || !has_room => {
                    if waiting.lost.len() < SHOWN {
                        waiting.lost.extend(self.read(&entry.item));
                    }
                    held::remove(entry.path(dir))?;
                    waiting.dropped += 1;
                    if !is_old {
                        // Whatever is older goes with it: there are no gaps.
                        left = 0;
                    }
                }
                Kind::Waiting => {
                    left -= entry.bytes;
                    waiting.items.push(entry.item);
                }
                // What was given up must not displace what waits, nor grow for ever.
                Kind::Aside if !is_old && has_room => left -= entry.bytes,
                // Somebody may be writing it.
                Kind::Unfinished if !is_old => {}
                Kind::Aside | Kind::Unfinished => held::remove(entry.path(dir))?,
            }
        }
        waiting.items.reverse();
        waiting.lost.reverse();
        waiting.set_aside.reverse();
        Ok(waiting)
    }

    fn left_alone(&self, name: &str, count: usize) -> String {
        let others = match count {
            1 => String::new(),
            more => format!(", nor are {} others there", more - 1),
        };
        format!(
            "{} is no file of this user's{others}: left alone",
            self.spool.dir.join(name).display()
        )
    }

    /// By its name; where that is from before there was this program, the clock was wrong, and the
    /// file's own time is asked, or where that is no better, counted from now on.
    fn age(&self, entry: &Entry, now: SystemTime) -> Duration {
        if !item::is_wrong(entry.item.put(), now) {
            return entry.item.age(now);
        }
        if item::is_wrong(entry.modified, now) {
            // Where that fails it is as old the next time.
            drop(file::touch(&entry.path(&self.spool.dir), now));
            return Duration::ZERO;
        }
        now.duration_since(entry.modified).unwrap_or_default()
    }

    /// [`Spool::put`].
    pub fn put(&self, bytes: &[u8], now: SystemTime) -> Result<Item, SpoolError> {
        self.spool.put(bytes, now)
    }

    /// The file of an item.
    #[must_use]
    pub fn path(&self, item: &Item) -> PathBuf {
        self.spool.dir.join(item.name())
    }

    /// The bytes of an item.
    pub fn read(&self, item: &Item) -> Result<Vec<u8>, SpoolError> {
        let path = self.path(item);
        file::read(&path).map_err(|error| SpoolError::new("read", path, error))
    }

    /// The bytes of one that was set aside.
    pub fn read_aside(&self, item: &Item) -> Result<Vec<u8>, SpoolError> {
        let path = self.path(item).with_added_extension(ASIDE);
        file::read(&path).map_err(|error| SpoolError::new("read", path, error))
    }

    /// Items that will be delivered together.
    #[must_use]
    pub fn hold(&self, items: Vec<Item>) -> Held {
        Held::new(self.spool.dir.clone(), items)
    }

    /// Keeps it for an admin to look at, and delivers it no more.
    pub fn set_aside(&self, item: Item) -> Result<(), SpoolError> {
        let path = self.path(&item);
        let aside = path.with_added_extension(ASIDE);
        match fs::rename(&path, aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SpoolError::new("write to", path, error))
            }
            _ => Ok(()),
        }
    }

    /// Forgets it: it is delivered, or will never be.
    pub fn done(&self, item: Item) -> Result<(), SpoolError> {
        held::remove(self.path(&item))
    }
}

#[cfg(test)]
mod tests;
