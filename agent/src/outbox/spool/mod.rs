//! Results on disk: a folder of files to which records are appended.
//!
//! A file is begun when the last one is [full](FULL), and removed when all of it is
//! delivered. The order of the files and of the records in them is that in which they are sent.
//! All of it blocks: the [keeper](super::keeper) calls it away from the agent's thread.

mod part;

use self::part::{Part, Record};
use super::Class;
use super::record::{self, DELIVERED, Found, Head};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use venus_event::{Attributes, CheckResult};

/// A file that has more gets no more records.
const FULL: usize = 1 << 20;
/// The file whose lock says that somebody uses the folder.
const LOCK: &str = "lock";
const SUFFIX: &str = "results";
/// What is added to the name of a file that had something in it that is no record.
const DAMAGED: &str = "damaged";
/// How many of those are kept.
const MOST_DAMAGED: usize = 3;
/// A time before this, in 2001, is that of a clock that was not set.
const CLOCK_SET: u64 = 1_000_000_000;
/// At the bound this part of it is made free at once, so that it is not done for each record.
const ROOM: u64 = 16;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest that a result waits.
    pub age: Duration,
    /// The size of all files together.
    pub bytes: u64,
}

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error("another agent uses {}", dir.display())]
    Locked { dir: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// A result that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) head: Head,
    pub(super) result: CheckResult,
    /// Whether it stays in memory as well, so that it is not to be given out.
    pub(super) is_in_memory: bool,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    _lock: Flock<File>,
    bounds: Bounds,
    files: VecDeque<Part>,
    /// How many records of each check wait, and the number of the newest.
    checks: HashMap<u64, Known>,
    next: u64,
}

#[derive(Debug, Default)]
struct Known {
    waiting: usize,
    newest: u64,
}

/// Whether a result goes; knows what else waits of its check.
type Rule<'a> = &'a dyn Fn(&Record, &HashMap<u64, Known>) -> bool;

/// What was found to be wrong with a folder, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// What was set aside.
    pub(super) path: PathBuf,
    /// How many bytes of it are no record.
    pub(super) bytes: usize,
}

/// Whether an agent works with this folder now.
pub(crate) fn is_kept_by_an_agent(dir: &Path) -> io::Result<bool> {
    let file = match File::open(dir.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(false),
        Err((_, Errno::EWOULDBLOCK)) => Ok(true),
        Err((_, errno)) => Err(errno.into()),
    }
}

impl Spool {
    /// Opens the folder, and makes it if it is not there, for this user only. Damage is set aside.
    pub(super) fn open(dir: &Path, bounds: Bounds) -> Result<(Self, Vec<Damage>), SpoolError> {
        let fails = |path: &Path| {
            let path = path.to_owned();
            move |source| SpoolError::Io { path, source }
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(dir).map_err(fails(dir))?;
        let path = dir.join(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(fails(&path))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            if errno == Errno::EWOULDBLOCK {
                let dir = dir.to_owned();
                return SpoolError::Locked { dir };
            }
            fails(&path)(errno.into())
        })?;
        let mut spool = Self {
            dir: dir.to_owned(),
            _lock: lock,
            bounds,
            files: VecDeque::new(),
            checks: HashMap::new(),
            next: 0,
        };
        let damage = spool.load().map_err(fails(dir))?;
        Ok((spool, damage))
    }

    fn load(&mut self) -> io::Result<Vec<Damage>> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                let order = stem.and_then(|stem| stem.parse::<u64>().ok());
                parts.extend(order.map(|order| Part::new(order, path)));
            }
        }
        parts.sort_unstable_by_key(|part| part.order);
        let mut damage = Vec::new();
        for mut part in parts {
            let bytes = fs::read(&part.path)?;
            let (found, damaged) = record::scan(&bytes);
            part.length = bytes.len() as u64;
            part.records = found.into_iter().map(|found| self.record(found)).collect();
            part.count();
            if damaged > 0 {
                let aside = part.path.with_added_extension(DAMAGED);
                fs::write(&aside, &bytes)?;
                part.rewrite(|_| true)?;
                damage.push(Damage {
                    path: aside,
                    bytes: damaged,
                });
            }
            if part.waiting == 0 {
                fs::remove_file(&part.path)?;
                continue;
            }
            for record in part.waiting() {
                let known = self.checks.entry(record.found.head.check).or_default();
                known.waiting += 1;
                known.newest = record.number;
            }
            self.files.push_back(part);
        }
        self.forget_damage()?;
        Ok(damage)
    }

    /// Keeps the newest of what was set aside.
    fn forget_damage(&self) -> io::Result<()> {
        let mut aside = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if Path::new(&entry.file_name())
                .extension()
                .is_some_and(|suffix| suffix == DAMAGED)
            {
                aside.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        aside.sort_unstable();
        let many = aside.len().saturating_sub(MOST_DAMAGED);
        for (_, path) in aside.drain(..many) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    fn record(&mut self, found: Found) -> Record {
        self.next += 1;
        Record {
            number: self.next,
            found,
            is_out: false,
        }
    }

    /// Other bounds, from now on.
    pub(super) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// How many results wait that are not given out.
    pub(super) fn loadable(&self) -> usize {
        let waiting = self.files.iter().flat_map(Part::waiting);
        waiting.filter(|record| !record.is_out).count()
    }

    /// How many results wait.
    pub(super) fn len(&self) -> usize {
        self.files.iter().map(|part| part.waiting).sum()
    }

    /// The size of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.length).sum()
    }

    /// When the oldest result that waits was made.
    pub(super) fn oldest(&self) -> Option<u64> {
        let first = self.files.iter().find_map(|part| part.waiting().next());
        first.map(|record| record.found.head.made)
    }

    /// How many results of each check wait.
    pub(super) fn checks(&self) -> impl Iterator<Item = (u64, usize)> {
        let checks = self.checks.iter();
        checks.map(|(check, known)| (*check, known.waiting))
    }

    /// Writes results behind all others, and returns their numbers when they are on the disk: all
    /// of them, or none where that fails.
    pub(super) fn write(&mut self, results: &[Waiting]) -> io::Result<Vec<u64>> {
        if results.is_empty() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        let mut records = Vec::with_capacity(results.len());
        for one in results {
            let offset = bytes.len();
            let result = serde_json::to_vec(&one.result)?;
            let length = record::encode(one.head, &result, &mut bytes);
            let mut record = self.record(Found {
                head: one.head,
                offset,
                length,
                is_delivered: false,
            });
            record.is_out = one.is_in_memory;
            records.push(record);
        }
        let is_full = |part: &Part| part.length >= FULL as u64;
        if self.files.back().is_none_or(is_full) {
            let order = self.files.back().map_or(0, |part| part.order + 1);
            let path = self.dir.join(format!("{order:020}.{SUFFIX}"));
            let part = Part::new(order, path);
            part.append(&bytes).inspect_err(|_| {
                // What was begun is of no use.
                drop(fs::remove_file(&part.path));
            })?;
            File::open(&self.dir)?.sync_all()?;
            self.files.push_back(part);
        } else if let Some(part) = self.files.back() {
            part.append(&bytes)?;
        }
        let numbers = records.iter().map(|record| record.number).collect();
        for record in &records {
            let known = self.checks.entry(record.found.head.check).or_default();
            known.waiting += 1;
            known.newest = record.number;
        }
        if let Some(part) = self.files.back_mut() {
            part.take(records, bytes.len());
        }
        Ok(numbers)
    }

    /// The oldest results that are not given out, at most `most`, and no more than `bytes` of
    /// them unless one alone has more. What is damaged by now is dropped.
    pub(super) fn next(&mut self, most: usize, bytes: usize) -> io::Result<Given> {
        let mut given = Given::default();
        let mut left = bytes;
        for part in &mut self.files {
            let mut file = None;
            for record in &mut part.records {
                if record.is_out || record.found.is_delivered {
                    continue;
                }
                let Found { head, length, .. } = record.found;
                let count = given.results.len();
                if count == most || (length > left && count > 0) {
                    return Ok(given);
                }
                let file = match &mut file {
                    Some(file) => file,
                    none => none.insert(File::open(&part.path)?),
                };
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, record.found.offset as u64)?;
                left = left.saturating_sub(length);
                if let Some(result) = read(&bytes) {
                    record.is_out = true;
                    given.results.push((record.number, head, result));
                } else {
                    record.found.is_delivered = true;
                    part.waiting -= 1;
                    less(&mut self.checks, head.check);
                    given.dropped.push(head);
                }
            }
        }
        Ok(given)
    }

    /// These were delivered.
    pub(super) fn done(&mut self, numbers: &[u64]) -> io::Result<()> {
        let mut marked = Ok(());
        for part in &mut self.files {
            let mut file = None;
            let out = part.records.iter_mut().filter(|record| record.is_out);
            for record in out.filter(|record| numbers.contains(&record.number)) {
                record.is_out = false;
                record.found.is_delivered = true;
                part.waiting -= 1;
                less(&mut self.checks, record.found.head.check);
                let mut mark = || {
                    let file = match &mut file {
                        Some(file) => file,
                        none => none.insert(OpenOptions::new().write(true).open(&part.path)?),
                    };
                    let state = record.found.offset as u64 + record::STATE;
                    file.write_all_at(&[DELIVERED], state)
                };
                marked = marked.and(mark());
            }
        }
        marked.and(self.remove_empty())
    }

    fn remove_empty(&mut self) -> io::Result<()> {
        let mut removed = Ok(());
        self.files.retain(|part| {
            let is_empty = part.waiting == 0;
            if is_empty {
                removed = fs::remove_file(&part.path);
            }
            !is_empty
        });
        removed
    }

    /// Drops what is too old at `now` (seconds since the epoch), and what is too much: first the oldest metrics, then the oldest results that were OK, then others, and of each
    /// check the newest last.
    pub(super) fn make_room(&mut self, now: u64) -> io::Result<Vec<Head>> {
        let mut dropped = Vec::new();
        let born = now.saturating_sub(self.bounds.age.as_secs());
        // What was made before the clock was set is not known to be old.
        let is_old = |one: &Record| (CLOCK_SET..born).contains(&one.found.head.made);
        let mut place = 0;
        while let Some(part) = self.files.get(place) {
            let before = self.files.len();
            if part.waiting().any(is_old) {
                self.thin(place, &mut dropped, |one, _| is_old(one))?;
            }
            place += usize::from(self.files.len() == before);
        }
        if self.bytes() <= self.bounds.bytes {
            return Ok(dropped);
        }
        let enough = self.bounds.bytes - self.bounds.bytes / ROOM;
        let is_newest = |one: &Record, checks: &HashMap<u64, Known>| {
            let known = checks.get(&one.found.head.check);
            known.is_some_and(|known| known.newest == one.number)
        };
        let of = |one: &Record, class| one.found.head.class == class;
        let rules: [Rule<'_>; 5] = [
            &|one, checks| of(one, Class::Metric) && !is_newest(one, checks),
            &|one, checks| of(one, Class::Ok) && !is_newest(one, checks),
            &|one, checks| !is_newest(one, checks),
            &|one, _| of(one, Class::Metric),
            &|_, _| true,
        ];
        for rule in rules {
            let mut place = 0;
            while self.bytes() > enough && place < self.files.len() {
                let before = self.files.len();
                self.thin(place, &mut dropped, rule)?;
                if self.files.len() == before {
                    place += 1;
                }
            }
        }
        Ok(dropped)
    }

    /// Takes out of a file what `goes` says, and what is delivered; not what is given out.
    fn thin(
        &mut self,
        place: usize,
        dropped: &mut Vec<Head>,
        goes: impl Fn(&Record, &HashMap<u64, Known>) -> bool,
    ) -> io::Result<()> {
        let (checks, Some(part)) = (&mut self.checks, self.files.get_mut(place)) else {
            return Ok(());
        };
        let mut gone = Vec::new();
        for record in part.waiting().filter(|record| !record.is_out) {
            if goes(record, checks) {
                gone.push(*record);
            }
        }
        if gone.is_empty() && part.waiting == part.records.len() {
            return Ok(());
        }
        let numbers: Vec<u64> = gone.iter().map(|record| record.number).collect();
        part.rewrite(|record| numbers.binary_search(&record.number).is_err())?;
        for record in &gone {
            less(checks, record.found.head.check);
            dropped.push(record.found.head);
        }
        self.remove_empty()
    }
}

/// One less of a check waits.
fn less(checks: &mut HashMap<u64, Known>, check: u64) {
    if let Some(known) = checks.get_mut(&check) {
        known.waiting = known.waiting.saturating_sub(1);
        if known.waiting == 0 {
            checks.remove(&check);
        }
    }
}

/// What was given out.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Each with its number.
    pub(super) results: Vec<(u64, Head, CheckResult)>,
    /// What could not be read any more.
    pub(super) dropped: Vec<Head>,
}

/// The result of a record, if it still is one.
fn read(record: &[u8]) -> Option<CheckResult> {
    let (found, _) = record::scan(record);
    found.first()?;
    let stored: Stored = serde_json::from_slice(record::result(record)).ok()?;
    Some(stored.into())
}

/// A result as it was written.
#[derive(Deserialize)]
struct Stored {
    client: String,
    check: Attributes,
    #[serde(default)]
    signature: Option<String>,
}

impl From<Stored> for CheckResult {
    fn from(stored: Stored) -> Self {
        Self {
            client: stored.client,
            check: stored.check,
            signature: stored.signature,
        }
    }
}

#[cfg(test)]
mod tests;
