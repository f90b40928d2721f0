//! In the background, as old init scripts want it.

use nix::unistd::daemon;
use std::fs::{self, File};
use std::io::{self, Write};
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
    file: File,
}

impl PidFile {
    /// Opens it over what a killed agent may have left: while there is somebody
    /// to hear that it cannot be.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::create(path)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes this process's id, which in the background is another.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already, or not ours to remove: the next start writes over it.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}
