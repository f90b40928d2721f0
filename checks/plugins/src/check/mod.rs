//! The checks: a table of what is declared about each, and what each is given to work with.
//!
//! A check is one file below `check/` with a `pub static CHECK`, and one line in the table here.
//! It answers with an [`Outcome`], or with a [`Failure`] where it could not find out, which is
//! UNKNOWN. It prints nothing itself. [`runner`] holds its deadline, prints, and ends.

mod arguments;
mod child;
mod cpu;
mod disk_usage;
mod edac;
mod entropy;
mod file_descriptors;
mod fstab_mounts;
mod hugepages;
mod infiniband;
mod interface;
mod kernel_log;
mod limits;
mod load;
mod mdraid;
mod memory;
mod mounts;
mod process;
#[cfg(feature = "verbs")]
mod rdma;
pub mod runner;
mod state_dir;
mod systemd_unit;
mod temperature;
mod uptime;

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches};
use venus_collectors::Roots;
use venus_collectors::source::text;

use crate::status::Outcome;

pub use arguments::command;

/// A check's declaration: all that the command line, the tests and the docs know of it.
#[derive(Debug)]
pub struct Check {
    /// Its command: `check-load`.
    pub name: &'static str,
    /// What its line begins with: `CheckLoad`.
    pub title: &'static str,
    /// What it looks at, in one line.
    pub about: &'static str,
    /// Arguments of an example that help shows after the name; may be empty.
    pub example: &'static str,
    /// Its own arguments, beside those that all have.
    pub arguments: fn() -> Vec<Arg>,
    /// What it would look at, a line each, for `--dryrun`.
    pub looks_at: fn(&ArgMatches, &Context) -> Vec<String>,
    /// Looks.
    pub run: fn(&ArgMatches, &Context) -> Result<Outcome, Failure>,
}

static ALL: &[&Check] = &[
    &load::CHECK,
    &cpu::CHECK,
    &memory::PERCENT,
    &memory::FREE,
    &memory::RAM,
    &memory::SWAP,
    &disk_usage::CHECK,
    &fstab_mounts::CHECK,
    &mounts::CHECK,
    &process::CHECK,
    &systemd_unit::CHECK,
    &uptime::CHECK,
    &file_descriptors::CHECK,
    &interface::CHECK,
    &kernel_log::CHECK,
    &mdraid::CHECK,
    &edac::CHECK,
    &temperature::CHECK,
    &hugepages::CHECK,
    &entropy::CHECK,
    &infiniband::CHECK,
    #[cfg(feature = "verbs")]
    &rdma::CHECK,
];

/// Every check, in the order in which they are listed.
#[must_use]
pub fn all() -> &'static [&'static Check] {
    ALL
}

/// The check of exactly this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Check> {
    ALL.iter().find(|check| check.name == name).copied()
}

/// What a check is given, beside its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// The host name as the kernel has it, dots kept.
    pub host: String,
    /// The time in seconds since the epoch.
    pub now: u64,
    /// Below what to read the kernel's files.
    pub roots: Roots,
    /// Where a check may keep what it remembers, see [`venus_collectors::state`].
    pub state_dir: PathBuf,
    /// How long it has, and since when.
    time: Duration,
    begun: Instant,
    step: Arc<Mutex<String>>,
}

impl Context {
    /// For a check that begins now and has this long.
    #[must_use]
    pub fn new(host: String, now: u64, roots: Roots, state_dir: PathBuf, time: Duration) -> Self {
        Self {
            host,
            now,
            roots,
            state_dir,
            time,
            begun: Instant::now(),
            step: Arc::default(),
        }
    }

    /// Says what is done next, in words that continue "no answer within 10 s while …". If that
    /// hangs, this is how an admin knows what does.
    pub fn step(&self, what: impl Into<String>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }

    /// Reads a whole file, which is also the step that it is. An error names it.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        self.step(format!("reading {}", path.display()));
        std::fs::read(path).map_err(|error| Failure::read(path, &error))
    }

    /// The one decimal number of a file.
    pub fn number(&self, path: &Path) -> Result<u64, Failure> {
        let text = self.read(path)?;
        text::only_decimal(&text).map_err(|error| Failure::malformed(path, error))
    }

    /// How much time is left, for what can be given a time limit of its own.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.time.saturating_sub(self.begun.elapsed())
    }
}

/// Why a check could not find out: any error, as its one line.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// With this line: what was tried, on what, and what to do.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The system refused to read this.
    pub(crate) fn read(path: &Path, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "; is the right path given, and is it mounted?",
            io::ErrorKind::PermissionDenied => "; run as a user who may read it",
            _ => "",
        };
        Self(format!("cannot read {}: {error}{advice}", path.display()))
    }

    /// This was read, and is not what it should be.
    pub(crate) fn malformed(path: &Path, why: impl Display) -> Self {
        Self(format!("cannot understand {}: {why}", path.display()))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
