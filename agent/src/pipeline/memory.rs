//! What is remembered of checks, in a file, so that a restart neither repeats nor forgets.

use super::Checks;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Names of checks and of what they are about are nobody else's business.
const MODE: u32 = 0o600;

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
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(MODE);
        let mut file = options.open(&unfinished)?;
        // One that was left behind may have had another.
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(&serde_json::to_vec(checks)?)?;
        fs::rename(unfinished, &self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
