//! Items whose delivery is under way.

use crate::{Item, SpoolError, file};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Items that are delivered together, by whoever has the turn.
#[derive(Debug, Default)]
pub struct Held {
    dir: PathBuf,
    items: Vec<Item>,
    /// How many of them, from the first on, are begun.
    begun: usize,
}

impl Held {
    pub(crate) fn new(dir: PathBuf, items: Vec<Item>) -> Self {
        Self {
            dir,
            items,
            begun: 0,
        }
    }

    /// Notes, unless it is noted, that their delivery begins: from now on nobody knows whether
    /// they are delivered.
    pub fn begin(&mut self) -> Result<(), SpoolError> {
        while let Some(item) = self.items.get(self.begun).copied() {
            if self.rename(self.begun, item, item.begun())? {
                self.begun += 1;
            }
        }
        Ok(())
    }

    /// Notes that they are not delivered for certain, so that what was begun does not count.
    pub fn failed(&mut self) -> Result<(), SpoolError> {
        while let Some(last) = self.begun.checked_sub(1) {
            if let Some(item) = self.items.get(last).copied() {
                self.rename(last, item, item.not_begun())?;
            }
            self.begun = last;
        }
        Ok(())
    }

    /// Writes the bytes of each anew; `bytes` has them in the order of the items.
    pub fn rewrite(&mut self, bytes: &[Vec<u8>]) -> Result<(), SpoolError> {
        for (item, bytes) in self.items.iter().zip(bytes) {
            let path = self.dir.join(item.name());
            file::replace(&path, bytes)
                .map_err(|source| SpoolError::new("write to", path, source))?;
        }
        Ok(())
    }

    /// Forgets them: they are delivered, or will never be.
    pub fn done(self) -> Result<(), SpoolError> {
        for item in self.items {
            remove(self.dir.join(item.name()))?;
        }
        Ok(())
    }

    /// One that is gone, as an admin took it away, is still delivered, but no longer kept: false.
    fn rename(&mut self, place: usize, from: Item, to: Item) -> Result<bool, SpoolError> {
        let path = self.dir.join(from.name());
        match fs::rename(&path, self.dir.join(to.name())) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.items.remove(place);
                return Ok(false);
            }
            Err(source) => return Err(SpoolError::new("write to", path, source)),
        }
        if let Some(item) = self.items.get_mut(place) {
            *item = to;
        }
        Ok(true)
    }
}

/// Takes a file away that may be gone.
pub(crate) fn remove(path: PathBuf) -> Result<(), SpoolError> {
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SpoolError::new("write to", path, source))
        }
        _ => Ok(()),
    }
}
