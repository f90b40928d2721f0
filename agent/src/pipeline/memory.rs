//! What is remembered of checks, in a file, so that a restart neither repeats nor forgets.

use super::Checks;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file for the checks of one client.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
}

impl Memory {
    /// In this folder.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join("events.json"),
        }
    }

    /// What was remembered; nothing where there was nothing, or what cannot be understood.
    pub(super) fn read(&self) -> io::Result<Checks> {
        match fs::read(&self.path) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Checks::default()),
            Err(error) => Err(error),
        }
    }

    /// Remembers this, whole or not at all.
    pub(super) fn write(&self, checks: &Checks) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)?;
        }
        let unfinished = self.path.with_added_extension("new");
        fs::write(&unfinished, serde_json::to_vec(checks)?)?;
        fs::rename(unfinished, &self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
