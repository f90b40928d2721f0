//! In the background, as old init scripts want it.

use nix::unistd::daemon;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Goes into the background: a session of its own, `/` as working directory,
/// `/dev/null` as standard streams. To be called before there are threads.
pub(crate) fn detach() -> io::Result<()> {
    Ok(daemon(false, false)?)
}

/// A file with the process id, removed when the agent stops.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes this process's id, over what a killed agent may have left.
    pub(crate) fn write(path: &Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already, or not ours to remove: the next start writes over it.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}
