//! What a command needs of the world around it, passed in so that tests can give their own.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, SystemTimeError, UNIX_EPOCH};

use nix::errno::Errno;

use crate::status::Status;

/// Host name, clock, own path, the one variable of the environment that counts, and streams.
pub struct World<'a> {
    /// The host name as the kernel has it, dots kept.
    pub host: String,
    /// The time in seconds since the epoch.
    pub now: u64,
    /// Where the running binary lies, links resolved.
    pub program: io::Result<PathBuf>,
    /// `XDG_RUNTIME_DIR`: a folder of this user's own.
    pub runtime_dir: Option<PathBuf>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// The world cannot be seen.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The kernel does not tell the host name.
    #[error("cannot get the host name: {0}")]
    Host(#[source] Errno),
    /// The time cannot be written as seconds since the epoch.
    #[error("the clock is before 1970, set it: {0}")]
    Clock(#[source] SystemTimeError),
}

impl<'a> World<'a> {
    /// That of this process.
    pub fn real(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Result<Self, WorldError> {
        let host = nix::unistd::gethostname().map_err(WorldError::Host)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the clock"
        )]
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(WorldError::Clock)?;
        Ok(Self {
            host: host.to_string_lossy().into_owned(),
            now: now.as_secs(),
            program: std::env::current_exe(),
            runtime_dir: std::env::var_os("XDG_RUNTIME_DIR")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            out,
            err,
        })
    }
}

/// Writes what a command answers. Whoever reads it may stop early, which is no failure.
pub fn print(world: &mut World<'_>, command: &str, text: &[u8]) -> Status {
    match world.out.write_all(text).and_then(|()| world.out.flush()) {
        Ok(()) => Status::Ok,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Ok,
        Err(error) => {
            complain(
                world.err,
                command,
                &format!("cannot write to standard output: {error}"),
            );
            Status::Unknown
        }
    }
}

/// Writes one line about what went wrong. What comes from outside in it begins no other.
pub fn complain(err: &mut dyn Write, command: &str, what: &dyn Display) {
    let what = what.to_string().replace(char::is_control, " ");
    if writeln!(err, "{command}: {what}").is_err() {
        // Nobody is left who could be told.
    }
}
