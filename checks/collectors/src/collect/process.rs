//! `metrics-process`: how many processes there are, by state, and what chosen ones use.
//!
//! Sources `PROC/PID/stat` of each process, and of chosen ones `cmdline` and how many files are in `fd`,
//! which takes root for those of others. Any Linux since 2.6. One open and one read for each process: a
//! millisecond for some hundred of them.

use std::fmt::Write;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use regex_lite::Regex;
use rustix::fs::{RawDir, SeekFrom, seek};

use crate::collect::said::Said;
use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{Lines, sanitise};
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::kernel_file::{has_vanished, read_below};
use crate::source::process::{Stat, Units};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-process",
    about: "How many processes there are, by state, and what chosen ones use",
    scheme_suffix: "process",
    builtin: None,
    options: &[
        OptionSpec {
            name: NAMES,
            short: Some('n'),
            kind: Kind::Text,
            value_name: "NAME[,NAME]",
            help: "What those of this name use, all together; at most 15 characters of it count",
        },
        OptionSpec {
            name: PATTERN,
            short: Some('p'),
            kind: Kind::Text,
            value_name: "REGEX",
            help: "What those use whose command line has a match, all together",
        },
    ],
    build,
};

const NAMES: &str = "process-name";
const PATTERN: &str = "pattern";
/// What of a name the kernel keeps, in bytes.
const KEPT: usize = 15;

/// How much of a folder is listed at once, in bytes.
const LISTING: usize = 32 * 1024;

/// How many are in each state, by the names of the community's plugin, and what `stat` says.
const STATES: [(&[u8], &str); 8] = [
    (b"running", "R"),
    (b"sleeping", "S"),
    // Sic.
    (b"ininterruptible_sleep", "D"),
    (b"stopped", "T"),
    (b"stopped_by_debugger", "t"),
    (b"dead", "Xx"),
    (b"zombie", "Z"),
    (b"idle", "I"),
];

/// What was chosen to be added up.
enum Choice {
    Name(Vec<u8>),
    Pattern(Regex),
}

/// What chosen processes use, all together.
#[derive(Clone, Copy, Default)]
struct Sum {
    processes: u64,
    threads: u64,
    cpu_ticks: u64,
    resident_pages: u64,
    virtual_bytes: u64,
    /// `None` where those of one may not be counted.
    files: Option<u64>,
}

impl Sum {
    const NONE: Self = Self {
        processes: 0,
        threads: 0,
        cpu_ticks: 0,
        resident_pages: 0,
        virtual_bytes: 0,
        files: Some(0),
    };

    fn add(&mut self, stat: &Stat<'_>, files: Option<u64>) {
        for (sum, value) in [
            (&mut self.processes, 1),
            (&mut self.threads, stat.threads),
            (&mut self.cpu_ticks, stat.cpu_ticks),
            (&mut self.resident_pages, stat.resident_pages),
            (&mut self.virtual_bytes, stat.virtual_bytes),
        ] {
            *sum = sum.saturating_add(value);
        }
        self.files = self
            .files
            .zip(files)
            .map(|(sum, more)| sum.saturating_add(more));
    }
}

struct Chosen {
    choice: Choice,
    /// What its paths begin with, and a dot.
    node: Vec<u8>,
    sum: Sum,
}

struct Process {
    prefix: Vec<u8>,
    root: PathBuf,
    /// That of processes, open.
    folder: Option<OwnedFd>,
    /// Room for what is listed of it, and of the files of a process.
    listings: [Vec<u8>; 2],
    chosen: Vec<Chosen>,
    said: Said,
    /// Of one process: the file that is read, its text, and its command line.
    file: String,
    text: Vec<u8>,
    command: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let prefix = setup.scheme.prefix();
    let node = |name: &str| [&prefix, sanitise(name).replace('.', "_").as_bytes(), b"."].concat();
    let mut chosen = Vec::new();
    for name in setup
        .given
        .text(NAMES)
        .into_iter()
        .flat_map(|names| names.split(','))
    {
        let kept = name.as_bytes();
        let kept = kept.get(..KEPT).unwrap_or(kept).to_vec();
        chosen.push((Choice::Name(kept), node(name)));
    }
    if let Some(pattern) = setup.given.text(PATTERN) {
        let regex = Regex::new(pattern).map_err(|error| OptionError::BadValue {
            name: PATTERN,
            value: pattern.to_owned(),
            why: error.to_string(),
        })?;
        chosen.push((Choice::Pattern(regex), node("matching")));
    }
    let chosen = chosen.into_iter().map(|(choice, node)| Chosen {
        choice,
        node,
        sum: Sum::NONE,
    });
    Ok(Box::new(Process {
        chosen: chosen.collect(),
        prefix,
        root: setup.roots.proc.clone(),
        folder: None,
        listings: [(); 2].map(|()| Vec::with_capacity(LISTING)),
        said: Said::default(),
        file: String::new(),
        text: Vec::new(),
        command: Vec::new(),
    }))
}

const FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// How many entries a folder has; `None` where it may not be looked into.
fn entries(below: BorrowedFd<'_>, folder: &str, listing: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let folder = match openat(below, folder, FLAGS, Mode::empty()).map_err(io::Error::from) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entries = RawDir::new(folder, listing.spare_capacity_mut());
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        count += u64::from(name != b"." && name != b"..");
    }
    Ok(Some(count))
}

/// What a file or folder of a process says, unless it has ended meanwhile.
fn unless_ended<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    /// What procfs answers of a process that has ended while its file was open.
    const ESRCH: i32 = 3;
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if has_vanished(&error) || error.raw_os_error() == Some(ESRCH) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Those of all processes.
#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    states: [u64; STATES.len()],
    /// Why the first of those could not be read that are in no state.
    unseen: Option<CollectError>,
}

impl Process {
    /// Reads all of them.
    fn count(&mut self, folder: BorrowedFd<'_>) -> Result<Counts, CollectError> {
        let Self {
            root,
            chosen,
            listings: [listing, of_files],
            file,
            text,
            command,
            ..
        } = self;
        let mut counts = Counts::default();
        let of_root = |error: rustix::io::Errno| CollectError::read(root, error.into());
        seek(folder, SeekFrom::Start(0)).map_err(of_root)?;
        let mut entries_of_root = RawDir::new(folder, listing.spare_capacity_mut());
        while let Some(entry) = entries_of_root.next() {
            let entry = entry.map_err(of_root)?;
            let name = entry.file_name().to_bytes();
            let Some(pid) = str::from_utf8(name).ok().filter(|name| is_number(name)) else {
                continue;
            };
            name_file(file, pid, "stat");
            let failed = |file: &str, error| CollectError::read(&root.join(file), error);
            let text = match unless_ended(read_below(folder, file, text)) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                // It is there, and says nothing of the others.
                Err(error) => {
                    counts.processes += 1;
                    counts.unseen.get_or_insert_with(|| failed(file, error));
                    continue;
                }
            };
            let stat = Stat::parse(text)
                .map_err(|malformed| CollectError::malformed(&root.join(&*file), malformed))?;
            counts.processes += 1;
            counts.threads = counts.threads.saturating_add(stat.threads);
            let states = counts.states.iter_mut().zip(STATES);
            for (count, (_, states)) in states {
                *count += u64::from(states.contains(stat.state));
            }
            let (mut line, mut files) = (None, None);
            for one in chosen.iter_mut() {
                let is_meant = match &one.choice {
                    Choice::Name(name) => name == stat.name,
                    // Its own command line has the pattern, too, and is not meant.
                    Choice::Pattern(_) if pid.parse() == Ok(std::process::id()) => false,
                    Choice::Pattern(regex) => {
                        if line.is_none() {
                            name_file(file, pid, "cmdline");
                            let read = unless_ended(read_below(folder, file, command));
                            let read = read.map_err(|error| failed(file, error))?;
                            line = Some(read.map_or(0, <[u8]>::len));
                        }
                        let line = command.get_mut(..line.unwrap_or(0));
                        let line = spaced(line.unwrap_or_default());
                        !line.is_empty() && regex.is_match(&String::from_utf8_lossy(line))
                    }
                };
                if !is_meant {
                    continue;
                }
                if files.is_none() {
                    name_file(file, pid, "fd");
                    let counted = unless_ended(entries(folder, file, of_files));
                    // One that has ended has none.
                    let counted = counted.map_err(|error| failed(file, error))?;
                    files = Some(counted.unwrap_or(Some(0)));
                }
                one.sum.add(&stat, files.flatten());
            }
        }
        Ok(counts)
    }
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn name_file(file: &mut String, pid: &str, name: &str) {
    file.clear();
    if write!(file, "{pid}/{name}").is_err() {
        // Memory takes all that is written to it.
    }
}

/// Arguments with blanks between, as ps shows them.
fn spaced(line: &mut [u8]) -> &[u8] {
    line.iter_mut()
        .filter(|byte| **byte == 0)
        .for_each(|byte| *byte = b' ');
    line.trim_ascii_end()
}

impl Collector for Process {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let failed = |root: &Path, error| CollectError::read(root, error);
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => open(&self.root, FLAGS, Mode::empty())
                .map_err(|error| failed(&self.root, error.into()))?,
        };
        let units = Units::of_this_kernel().map_err(|error| failed(&self.root, error))?;
        for one in &mut self.chosen {
            one.sum = Sum::NONE;
        }
        let counts = self.count(folder.as_fd())?;
        // Only one that was good is kept.
        self.folder = Some(folder);
        if counts.processes == 0 {
            return Ok(Presence::Absent(format!(
                "no process below {}",
                self.root.display()
            )));
        }
        let mut lines = Lines::new(out, now);
        lines.number(&[&self.prefix, b"process_count"], counts.processes);
        lines.number(&[&self.prefix, b"thread_count"], counts.threads);
        for (count, (name, _)) in counts.states.iter().zip(STATES) {
            lines.number(&[&self.prefix, name], *count);
        }
        let mut unseen = Vec::from_iter(counts.unseen);
        for Chosen { node, sum, .. } in &self.chosen {
            let mut number = |name: &[u8], value: u64| lines.number(&[node, name], value);
            number(b"total_processes", sum.processes);
            number(b"threads", sum.threads);
            number(b"cpu.ticks", sum.cpu_ticks);
            let bytes = sum.resident_pages.saturating_mul(units.page);
            number(b"memory.rss", bytes);
            number(b"memory.vms", sum.virtual_bytes);
            match sum.files {
                Some(files) => number(b"fds", files),
                None => unseen.push(CollectError::Forbidden {
                    path: self.root.join("PID/fd"),
                    metric: String::from_utf8_lossy(&[node, &b"fds"[..]].concat()).into_owned(),
                }),
            }
        }
        self.said.news(unseen, problems);
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, _now: u64) -> bool {
        true
    }

    fn explain(&self) -> Vec<String> {
        let root = self.root.display();
        vec![format!("all from {root}/PID, that of each process")]
    }
}
