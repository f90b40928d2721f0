//! What a command is given to work with, and how it says that it could not.

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use venus_collectors::Roots;
use venus_collectors::source::text;

/// What a check, or the metrics of a service, is given beside its arguments.
#[derive(Debug, Clone)]
pub struct Context {
    /// The host name as the kernel has it, dots kept.
    pub host: String,
    /// The time in seconds since the epoch.
    pub now: u64,
    /// Below what to read the kernel's files.
    pub roots: Roots,
    /// Where to keep what it remembers, see [`venus_collectors::state`].
    pub state_dir: PathBuf,
    /// How long it has, and since when.
    time: Duration,
    begun: Instant,
    is_share: bool,
    step: Arc<Mutex<String>>,
}

impl Context {
    /// For one that begins now and has this long.
    #[must_use]
    pub fn new(host: String, now: u64, roots: Roots, state_dir: PathBuf, time: Duration) -> Self {
        Self {
            host,
            now,
            roots,
            state_dir,
            time,
            begun: Instant::now(),
            is_share: false,
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

    /// The same, with a share of the time that is left: for one of so many that are still to be
    /// asked, so that one that hangs leaves time for the others.
    #[must_use]
    pub(crate) fn share(&self, of: u32) -> Self {
        Self {
            time: self.time_left() / of.max(1),
            begun: Instant::now(),
            is_share: true,
            ..self.clone()
        }
    }

    /// When a share of the time is over. That of the whole is held by the check's deadline, whose answer says
    /// what was being done.
    #[must_use]
    pub(crate) fn end_of_share(&self) -> Option<Instant> {
        self.is_share.then(|| self.begun + self.time)
    }

    /// How long it has in all.
    #[must_use]
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// What [`step`](Self::step) said last, as the end of a sentence; empty if it said nothing.
    pub(crate) fn while_doing(&self) -> String {
        let step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if step.is_empty() {
            String::new()
        } else {
            format!(" while {step}")
        }
    }

    /// How much time is left, for what can be given a time limit of its own.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.time.saturating_sub(self.begun.elapsed())
    }
}

/// Why something could not be found out: any error, as its one line.
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
