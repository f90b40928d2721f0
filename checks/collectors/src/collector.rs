//! What a collector is, what it answers, and what can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use crate::source::docker::DockerError;
use crate::source::infiniband::umad::UmadError;
use crate::source::kernel_file::FileError;
use crate::source::space::SpaceError;
use crate::source::text::Malformed;
use crate::state::StateError;

/// The folders below which the kernel's files are read. Fixtures and containers give their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Where procfs is mounted.
    pub proc: PathBuf,
    /// Where sysfs is mounted.
    pub sys: PathBuf,
    /// Where the device files are.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            dev: PathBuf::from("/dev"),
        }
    }
}

/// Reads one subject of this host and writes it as Graphite lines.
///
/// A collector keeps its buffers and open files from one call to the next: what is steady does
/// not allocate. Dropping it closes them.
pub trait Collector: Send {
    /// Appends finished lines `PATH VALUE EPOCH\n` to `out`.
    ///
    /// `now` is the time to stamp them with, in seconds since the epoch. `problems` gets what
    /// could not be read while the rest could. On an error `out` is as it was.
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError>;

    /// Whether the next [`collect`](Self::collect) may wait for something outside of this host's
    /// kernel, or takes milliseconds: then whoever has other work to do runs it on a thread of its
    /// own. Asked before each collection.
    fn may_wait(&mut self, _now: u64) -> bool {
        false
    }

    /// What the last collection was taken from, a line each, for an admin who wonders.
    fn explain(&self) -> Vec<String>;
}

/// Whether this host has what a collector reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It has, and the lines are written.
    Here,
    /// It has not, which is no error. The text says in one line what was looked for and where.
    Absent(String),
}

/// Something could not be read, or did not say what the kernel says. Each displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The system refused to read a file or folder.
    #[error("cannot read {}: {source}{}", path.display(), advice(source))]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not be.
        source: io::Error,
    },
    /// A file was read, but is cut off or in no known form.
    #[error("{}: {source}; nothing is taken from it, as a guess would be a wrong number", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Malformed,
    },
    /// This user may not read what a metric is made of.
    #[error("cannot read all of {}: run as root; {metric} is left out", path.display())]
    Forbidden {
        /// The files.
        path: PathBuf,
        /// The metric.
        metric: String,
    },
    /// A file system does not tell how full it is.
    #[error("cannot ask {} how full it is: {source}", point.display())]
    Space {
        /// Where it is mounted.
        point: PathBuf,
        /// Why not.
        source: SpaceError,
    },
    /// The numbers contradict each other, so that one derived from them is left out.
    #[error("{}: {what}; {metric} is left out", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What cannot be, e.g. "`SwapFree` exceeds `SwapTotal`".
        what: &'static str,
        /// The metric that would have been derived.
        metric: &'static str,
    },
    /// The kernel does not tell which interface leads where.
    #[error(
        "cannot find out what is behind the veth interfaces: {what}: {source}; \
         they keep their device names"
    )]
    Namespaces {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Docker does not tell the names of its containers.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Two sources would be written under the same Graphite paths.
    #[error(
        "{} has {count} devices, whose ports would share their paths; \
         use --device-in-path auto or always, or leave some out with --link-layer",
        path.display()
    )]
    PathsCollide {
        /// The folder that lists the devices.
        path: PathBuf,
        /// How many of them are to be shown.
        count: usize,
    },
    /// A port's counters could not be asked for.
    #[error("cannot read the counters of {port} through umad: {source}")]
    Fabric {
        /// E.g. `mlx4_0 port 1`.
        port: String,
        /// Why not.
        source: UmadError,
    },
    /// Nobody can be asked for a port's counters now.
    #[error("cannot read all counters of {port} through umad: {why}")]
    Unreachable {
        /// E.g. `mlx4_0 port 1`.
        port: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is not known who is at the other end of a cable.
    #[error("cannot find the other end of the cable in {port}: {source}")]
    Peer {
        /// E.g. `mlx4_0 port 1`.
        port: String,
        /// Why not.
        source: UmadError,
    },
    /// A counter stopped, or soon will.
    #[error(
        "{counter} of {port} is at or near the end of its {bits} bits, where it stops; {}",
        if *resets { "it is to be reset" } else { "it has to be reset to count on" }
    )]
    Saturated {
        /// E.g. `mlx4_0 port 1`.
        port: String,
        /// IBTA's name.
        counter: String,
        /// How wide it is.
        bits: u8,
        /// Whether it is set to 0 now.
        resets: bool,
    },
    /// What was counted so far cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl CollectError {
    /// Whether it is a word for people: nothing is missing from what was measured.
    #[must_use]
    pub fn is_advice(&self) -> bool {
        matches!(self, Self::Saturated { .. })
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn from_file(path: &Path, error: FileError) -> Self {
        match error {
            FileError::Io(error) => Self::read(path, error),
            FileError::Malformed(malformed) => Self::malformed(path, malformed),
        }
    }

    pub(crate) fn malformed(path: &Path, source: Malformed) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            source,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; is the right root given, and is it mounted?",
        io::ErrorKind::PermissionDenied => "; run as a user who may read it",
        _ => "",
    }
}
