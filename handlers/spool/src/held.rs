//! Items whose delivery is under way.

use crate::{Item, SpoolError, file};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Items that are delivered together, by whoever has the turn. One that is gone, as an admin took
/// it away, is delivered with the others all the same.
#[derive(Debug, Default)]
pub struct Held {
    dir: PathBuf,
    items: Vec<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    item: Item,
    is_begun: bool,
}

impl Held {
    pub(crate) fn new(dir: PathBuf, items: Vec<Item>) -> Self {
        let state = |item| State {
            item,
            is_begun: false,
        };
        Self {
            dir,
            items: items.into_iter().map(state).collect(),
        }
    }

    /// Notes, unless it is noted, that their delivery begins: from now on nobody knows whether
    /// they are delivered.
    pub fn begin(&mut self) -> Result<(), SpoolError> {
        self.set(true, Item::begun)
    }

    /// Notes that they are not delivered for certain, so that what was begun does not count.
    pub fn failed(&mut self) -> Result<(), SpoolError> {
        self.set(false, Item::not_begun)
    }

    fn set(&mut self, is_begun: bool, change: fn(Item) -> Item) -> Result<(), SpoolError> {
        for state in &mut self.items {
            if state.is_begun == is_begun {
                continue;
            }
            let item = change(state.item);
            let path = self.dir.join(state.item.name());
            match fs::rename(&path, self.dir.join(item.name())) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(SpoolError::new("write to", path, source));
                }
                _ => *state = State { item, is_begun },
            }
        }
        Ok(())
    }

    /// Writes the bytes of each anew that is still there; `bytes` has them in the order of the
    /// items.
    pub fn rewrite(&mut self, bytes: &[Vec<u8>]) -> Result<(), SpoolError> {
        for (state, bytes) in self.items.iter().zip(bytes) {
            let path = self.dir.join(state.item.name());
            if path.exists() {
                file::replace(&path, bytes)
                    .map_err(|source| SpoolError::new("write to", path, source))?;
            }
        }
        Ok(())
    }

    /// Forgets them: they are delivered, or will never be.
    pub fn done(self) -> Result<(), SpoolError> {
        for state in self.items {
            remove(self.dir.join(state.item.name()))?;
        }
        Ok(())
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
