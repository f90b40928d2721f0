//! `PROC/PID/stat` and `PROC/PID/cmdline` of every process.
//!
//! See `proc_pid_stat(5)`. Not by the crate procfs, which panics on a stat that is cut off.

use std::fs::{self, ReadDir};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{SysconfVar, sysconf};

use crate::collector::CollectError;
use crate::source::kernel_file::has_vanished;
use crate::source::text::{Malformed, decimal, fields, only_line};

/// What the kernel says of a process in its `stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Its name, at most 15 bytes.
    pub name: &'a [u8],
    /// `R` runs, `S` sleeps, `D` waits uninterruptibly, `Z` is a zombie, and others.
    pub state: char,
    /// Ticks of processor time, its own and the kernel's for it.
    pub cpu_ticks: u64,
    /// How many threads it has.
    pub threads: u64,
    /// When it began, in ticks since boot.
    pub start_ticks: u64,
    /// Virtual memory in bytes.
    pub virtual_bytes: u64,
    /// Memory in use, in pages.
    pub resident_pages: u64,
}

impl<'a> Stat<'a> {
    /// The name may have blanks and parentheses, so what follows begins after the last of these.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        Self::find(only_line(text)?).ok_or(Malformed::Line {
            line: 1,
            what: "is not a process with its 24 fields and more",
        })
    }

    fn find(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let name = line.get(open + 1..close)?;
        let mut columns = fields(line.get(close + 1..)?);
        let state = columns.next()?.first().copied().map(char::from)?;
        // Numbered from 4 on; rss may be followed by more.
        let mut number = |skip: usize| columns.nth(skip).and_then(decimal);
        let (user, system) = (number(10)?, number(0)?);
        Some(Self {
            name,
            state,
            cpu_ticks: user.saturating_add(system),
            threads: number(4)?,
            start_ticks: number(1)?,
            virtual_bytes: number(0)?,
            resident_pages: number(0)?,
        })
    }
}

/// How long ago this host was booted, in seconds, from `PROC/uptime`.
pub fn uptime(text: &[u8]) -> Result<f64, Malformed> {
    let first = fields(only_line(text)?).next();
    first
        .and_then(|field| str::from_utf8(field).ok()?.parse().ok())
        .filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
        .ok_or(Malformed::Line {
            line: 1,
            what: "does not begin with seconds",
        })
}

/// What the kernel counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// Ticks in a second.
    pub ticks: u64,
    /// Bytes in a page.
    pub page: u64,
}

impl Units {
    /// Those of this kernel.
    pub fn of_this_kernel() -> io::Result<Self> {
        let ask = |what| {
            let known = sysconf(what)?.and_then(|number| u64::try_from(number).ok());
            known
                .filter(|number| *number > 0)
                .ok_or_else(|| io::Error::other("sysconf does not know"))
        };
        Ok(Self {
            ticks: ask(SysconfVar::CLK_TCK)?,
            page: ask(SysconfVar::PAGE_SIZE)?,
        })
    }
}

/// A process that was found.
#[derive(Debug)]
pub struct Found {
    /// Its number.
    pub pid: u32,
    folder: PathBuf,
}

impl Found {
    /// Its `stat` as text for [`Stat::parse`], in a buffer that is reused. `None` if it has ended
    /// meanwhile.
    pub fn stat<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>, CollectError> {
        self.read("stat", buffer)
    }

    /// The user whose it is, by its effective number.
    pub fn uid(&self) -> Result<Option<u32>, CollectError> {
        let metadata = fs::metadata(&self.folder).map(|metadata| metadata.uid());
        unless_vanished(&self.folder, metadata)
    }

    /// How it was called, as ps shows it: its arguments with blanks between; its name in brackets
    /// where there are none, as with the kernel's own.
    pub fn command(
        &self,
        stat: &Stat<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<String>, CollectError> {
        let Some(arguments) = self.read("cmdline", buffer)? else {
            return Ok(None);
        };
        let arguments = String::from_utf8_lossy(arguments);
        let arguments = arguments.trim_end_matches('\0');
        if !arguments.is_empty() {
            return Ok(Some(arguments.replace('\0', " ")));
        }
        let name = String::from_utf8_lossy(stat.name);
        let after = if stat.state == 'Z' { " <defunct>" } else { "" };
        Ok(Some(format!("[{name}]{after}")))
    }

    fn read<'b>(
        &self,
        file: &str,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<&'b [u8]>, CollectError> {
        let path = self.folder.join(file);
        buffer.clear();
        let read = fs::File::open(&path).and_then(|mut file| file.read_to_end(buffer));
        let done = unless_vanished(&path, read)?;
        Ok(done.map(|_| buffer.as_slice()))
    }

    /// The file with this name, for errors.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

fn unless_vanished<T>(path: &Path, done: io::Result<T>) -> Result<Option<T>, CollectError> {
    /// What procfs answers of a process that has ended while its file was open.
    const ESRCH: i32 = 3;
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if has_vanished(&error) || error.raw_os_error() == Some(ESRCH) => Ok(None),
        Err(error) => Err(CollectError::read(path, error)),
    }
}

/// All processes, in no order.
#[derive(Debug)]
pub struct Processes {
    root: PathBuf,
    entries: ReadDir,
}

impl Processes {
    /// Those of the procfs that is mounted here.
    pub fn of(root: &Path) -> Result<Self, CollectError> {
        let entries = fs::read_dir(root).map_err(|error| CollectError::read(root, error))?;
        Ok(Self {
            root: root.to_owned(),
            entries,
        })
    }
}

impl Iterator for Processes {
    type Item = Result<Found, CollectError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.entries.next()? {
                Ok(entry) => {
                    let name = entry.file_name();
                    if let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) {
                        let folder = entry.path();
                        return Some(Ok(Found { pid, folder }));
                    }
                }
                Err(error) => return Some(Err(CollectError::read(&self.root, error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT: &[u8] = b"42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 70 30 5 6 20 0 3 0 1234 \
        4096000 250 18446744073709551615 1 1 0 0 0\n";

    #[test]
    fn a_name_may_have_anything_in_it() {
        let stat = Stat::parse(STAT).unwrap();
        assert_eq!(
            stat,
            Stat {
                name: b"a) b (c",
                state: 'S',
                cpu_ticks: 100,
                threads: 3,
                start_ticks: 1234,
                virtual_bytes: 4_096_000,
                resident_pages: 250,
            }
        );
        let short = b"1 (x) R 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!(
            Stat::parse(short).unwrap_err().to_string(),
            "line 1 is not a process with its 24 fields and more"
        );
    }

    #[test]
    fn uptime_is_in_seconds() {
        assert!((uptime(b"350735.47 234388.90\n").unwrap() - 350_735.47).abs() < 1e-6);
        for bad in [&b"350735.47"[..], b"\n", b"x 1\n", b"-1 1\n", b"nan 1\n"] {
            assert!(uptime(bad).is_err());
        }
    }

    #[test]
    fn this_process_is_found() {
        let mut buffer = Vec::new();
        let ours = |found: &Found| found.pid == std::process::id();
        let all = Processes::of(Path::new("/proc")).unwrap();
        let found = all.map(Result::unwrap).find(ours).unwrap();
        let text = found.stat(&mut buffer).unwrap().unwrap().to_vec();
        let stat = Stat::parse(&text).unwrap();
        assert!(stat.threads > 0 && stat.resident_pages > 0);
        let command = found.command(&stat, &mut buffer).unwrap().unwrap();
        assert!(command.contains("venus_collectors"), "{command}");
        let units = Units::of_this_kernel().unwrap();
        assert!(units.page >= 4096 && units.ticks >= 100);
        assert!(found.uid().unwrap().is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..STAT.len()) {
            prop_assert!(Stat::parse(&STAT[..at]).is_err());
            for done in [Stat::parse(&bytes).err(), uptime(&bytes).err()].into_iter().flatten() {
                prop_assert!(!done.to_string().is_empty());
            }
        }
    }
}
