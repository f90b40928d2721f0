//! What is remembered from one run to the next, in a file of its own below a state folder.
//!
//! A file is replaced as a whole by a rename, so that whoever reads it side by side finds either
//! the old or the new content. It is not synced to the disk: after a power cut the content may be
//! gone, which is the same as a first run.
//!
//! Whoever reads, counts on and writes takes a [`Lock`] for that time, or another that does so side
//! by side would count the same again, or write over what was kept. It is advisory, on a file of its
//! own beside the state, as the state's own is another after each write; and ends with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where state lies unless another folder is given.
pub const DEFAULT_FOLDER: &str = "/var/cache/venus";

/// What a state file may have at most, in bytes: one that is larger is none of ours.
const LARGEST: u64 = 16 << 20;

/// One file of state, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    path: PathBuf,
}

/// The right to read a state and write it anew, which nobody else has until this is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "its end is what unlocks it")] File);

/// State could not be read, written or locked. Each displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refused.
    #[error("cannot {what} the state file {}: {source}{}", path.display(), advice(source, path))]
    Io {
        /// "read", "write" or "lock".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is there, and is not what was written.
    #[error("the state file {} is damaged ({why}) and is begun anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn advice(error: &io::Error, path: &Path) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    format!(
        "; give {} and what is in it to this user, or another folder with --state-dir",
        folder.display()
    )
}

impl StateFile {
    /// The file of this name in the folder, which is made by the first write.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written last, or the default if nothing ever was. What is damaged is begun anew,
    /// and told beside it. What cannot be read is an error, as it is there, and whoever wrote over
    /// it would lose it.
    pub fn read<T: DeserializeOwned + Default>(
        &self,
    ) -> Result<(T, Option<StateError>), StateError> {
        match self.parse() {
            Ok(state) => Ok((state.unwrap_or_default(), None)),
            Err(damaged @ StateError::Damaged { .. }) => Ok((T::default(), Some(damaged))),
            Err(error) => Err(error),
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<Option<T>, StateError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
        };
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(self.damaged("it is no file, or too large".to_owned()));
        }
        let text = fs::read(&self.path).map_err(|error| self.io("read", error))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| self.damaged(error.to_string()))
    }

    /// Waits until nobody else has the lock, for however long that takes.
    pub fn lock(&self) -> Result<Lock, StateError> {
        let lock = || {
            let file = self.lock_file()?;
            file.lock()?;
            Ok(Lock(file))
        };
        lock().map_err(|error| self.io("lock", error))
    }

    /// The same without waiting: `None` if somebody else has it.
    pub fn try_lock(&self) -> Result<Option<Lock>, StateError> {
        let lock = || {
            let file = self.lock_file()?;
            match file.try_lock() {
                Ok(()) => Ok(Some(Lock(file))),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        lock().map_err(|error| self.io("lock", error))
    }

    fn lock_file(&self) -> io::Result<File> {
        let folder = self.folder();
        fs::create_dir_all(folder)?;
        let mut options = OpenOptions::new();
        // Nobody else is to hold up a check.
        options.create(true).append(true).mode(0o600);
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let file = options.open(path)?;
        give(&file, &fs::metadata(folder)?)?;
        Ok(file)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Replaces what was written last. Only this user can read it, or whoever had it before; what
    /// root writes first belongs to whoever has the folder, so that an admin's look at a check does
    /// not lock out the user that runs it.
    pub fn write<T: Serialize>(&self, state: &T) -> Result<(), StateError> {
        let text =
            serde_json::to_vec(state).map_err(|error| self.io("write", io::Error::other(error)))?;
        self.replace(&text).map_err(|error| self.io("write", error))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(folder)?;
        // Without the name that it would have had, which is another each time.
        let mut file = tempfile::NamedTempFile::new_in(folder)
            .map_err(|error| io::Error::from(error.kind()))?;
        file.write_all(text)?;
        let owner = match fs::metadata(&self.path) {
            Ok(old) => {
                file.as_file().set_permissions(old.permissions())?;
                old
            }
            Err(_) => fs::metadata(folder)?,
        };
        give(file.as_file(), &owner)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    fn io(&self, what: &'static str, source: io::Error) -> StateError {
        StateError::Io {
            what,
            path: self.path.clone(),
            source,
        }
    }

    fn damaged(&self, why: String) -> StateError {
        StateError::Damaged {
            path: self.path.clone(),
            why,
        }
    }
}

/// Root may give it to another; anybody else has it already.
fn give(file: &File, to: &fs::Metadata) -> io::Result<()> {
    match fchown(file, Some(to.uid()), Some(to.gid())) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    type State = BTreeMap<String, u64>;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(&folder.path().join("new"), "counters.json");
        let read = || {
            let (state, damaged) = file.read::<State>().unwrap();
            assert!(damaged.is_none());
            state
        };
        assert_eq!(read(), State::new());
        for value in [u64::MAX, 0] {
            let state = State::from([("a".to_owned(), value)]);
            file.write(&state).unwrap();
            assert_eq!(read(), state);
        }
        let left: Vec<_> = fs::read_dir(folder.path().join("new")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing temporary stays: {left:?}");
    }

    #[test]
    fn what_is_damaged_is_said_and_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path(), "counters.json");
        for text in ["", "{\"a\":", "[]", "{\"a\":-1}"] {
            fs::write(file.path(), text).unwrap();
            let (state, damaged) = file.read::<State>().unwrap();
            assert_eq!(state, State::new());
            let error = damaged.unwrap().to_string();
            assert!(error.contains("counters.json is damaged ("), "{error}");
        }
        file.write(&State::new()).unwrap();
        assert!(file.read::<State>().unwrap().1.is_none());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_a_first_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path(), "loop.json");
        // Root can read everything but a link to itself.
        std::os::unix::fs::symlink(file.path(), file.path()).unwrap();
        let error = file.read::<State>().unwrap_err().to_string();
        assert!(error.starts_with("cannot read the state file "), "{error}");
    }

    #[test]
    fn who_has_a_file_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path(), "counters.json");
        file.write(&State::new()).unwrap();
        let mode = |file: &StateFile| fs::metadata(file.path()).unwrap().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        // Root alone can tell, as nobody else can give a file away.
        let is_root = std::os::unix::fs::chown(file.path(), Some(65_534), Some(65_534)).is_ok();
        file.write(&State::new()).unwrap();
        assert_eq!(mode(&file), 0o640);
        if is_root {
            assert_eq!(fs::metadata(file.path()).unwrap().uid(), 65_534);
            // What root writes first is of whoever has the folder.
            std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
            let other = StateFile::new(folder.path(), "other.json");
            drop(other.lock().unwrap());
            other.write(&State::new()).unwrap();
            for name in ["other.json", "other.json.lock"] {
                let of = fs::metadata(folder.path().join(name)).unwrap();
                assert_eq!((of.uid(), of.mode() & 0o777), (65_534, 0o600), "{name}");
            }
        }
    }

    #[test]
    fn one_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = ["a.json", "b.json"]
            .map(|name| StateFile::new(folder.path(), name))
            .into();
        let lock = file.lock().unwrap();
        assert!(file.try_lock().unwrap().is_none());
        assert!(other.try_lock().unwrap().is_some());
        // It outlives the file.
        file.write(&State::new()).unwrap();
        file.write(&State::new()).unwrap();
        assert!(file.try_lock().unwrap().is_none());
        drop(lock);
        assert!(file.try_lock().unwrap().is_some());
    }

    #[test]
    fn who_may_not_is_told_what_to_do() {
        let error = StateError::Io {
            what: "read",
            path: PathBuf::from("/var/cache/venus/x.json"),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        assert_eq!(
            error.to_string(),
            "cannot read the state file /var/cache/venus/x.json: permission denied; give \
             /var/cache/venus and what is in it to this user, or another folder with --state-dir"
        );
    }

    #[test]
    fn the_same_failure_is_said_in_the_same_words() {
        let file = StateFile::new(Path::new("/proc/self"), "x.json");
        let say = || file.write(&State::new()).unwrap_err().to_string();
        assert_eq!(say(), say());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let file = StateFile::new(&folder.path().join("file/below"), "x.json");
        let error = file.write(&State::new()).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write the state file ")
                && error.contains("file/below/x.json"),
            "{error}"
        );
    }
}
