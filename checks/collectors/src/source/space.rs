//! How full a file system is, by statvfs(3), which may hang where another machine or process is to
//! answer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::statvfs;

use crate::source::mounts::Mount;

/// What a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size in bytes; 0 where it has none, such as procfs.
    pub total: u64,
    /// Bytes not used.
    pub free: u64,
    /// Bytes not used that everybody may use; the rest is reserved to root.
    pub available: u64,
    /// Inodes, used and not; 0 where it makes them as they are needed.
    pub inodes: u64,
    /// Inodes not used.
    pub inodes_free: u64,
}

impl Space {
    /// Bytes used.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.total.saturating_sub(self.free)
    }
}

/// Asks the kernel.
fn read(path: &Path) -> Result<Space, Errno> {
    let stat = statvfs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    Ok(Space {
        total: bytes(stat.blocks()),
        free: bytes(stat.blocks_free()),
        available: bytes(stat.blocks_available()),
        inodes: stat.files(),
        inodes_free: stat.files_free(),
    })
}

/// Why a file system did not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// The kernel refused: EACCES, or ESTALE where the file server knows it no more.
    #[error("{}", .0.desc())]
    Refused(Errno),
    /// No answer in time.
    #[error("no answer within {:.1} s", .0.as_secs_f64())]
    Hangs(Duration),
}

/// Asks file systems. One that may hang is asked on a thread of its own, and as long as that is
/// not back it is not asked again.
#[derive(Debug, Default)]
pub struct Asker(HashMap<PathBuf, Receiver<Result<Space, Errno>>>);

impl Asker {
    /// How full it is, if it says so in this time.
    pub fn ask(&mut self, mount: &Mount, time: Duration) -> Result<Space, SpaceError> {
        if !mount.may_hang() {
            return read(&mount.point).map_err(SpaceError::Refused);
        }
        let (answer, time) = match self.0.remove(&mount.point) {
            // It has had its time.
            Some(pending) => (pending, Duration::ZERO),
            None => (Self::begin(mount.point.clone())?, time),
        };
        match answer.recv_timeout(time) {
            Ok(done) => done.map_err(SpaceError::Refused),
            Err(RecvTimeoutError::Timeout) => {
                self.0.insert(mount.point.clone(), answer);
                Err(SpaceError::Hangs(time))
            }
            // A thread ends with an answer, unless it panics, which it has no reason to.
            Err(RecvTimeoutError::Disconnected) => Err(SpaceError::Refused(Errno::EIO)),
        }
    }

    fn begin(path: PathBuf) -> Result<Receiver<Result<Space, Errno>>, SpaceError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::Builder::new()
            .spawn(move || {
                if sender.send(read(&path)).is_err() {
                    // Nobody waits any more.
                }
            })
            .map_err(|error| {
                let code = error.raw_os_error();
                SpaceError::Refused(code.map_or(Errno::EAGAIN, Errno::from_raw))
            })?;
        Ok(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &Path, kind: &str) -> Mount {
        Mount {
            device: "x".to_owned(),
            point: point.to_owned(),
            kind: kind.to_owned(),
            options: "rw".to_owned(),
        }
    }

    #[test]
    fn it_is_told_by_either_way() {
        let folder = tempfile::tempdir().unwrap();
        let mut asker = Asker::default();
        for kind in ["ext4", "nfs4"] {
            let time = Duration::from_secs(10);
            let space = asker.ask(&mount(folder.path(), kind), time).unwrap();
            assert!(space.total > 0 && space.free <= space.total, "{space:?}");
            assert!(space.used() > 0 && space.inodes_free <= space.inodes);
            let error = asker.ask(&mount(&folder.path().join("x"), kind), time);
            assert_eq!(error, Err(SpaceError::Refused(Errno::ENOENT)));
        }
        let none = asker.ask(&mount(Path::new("/proc"), "proc"), Duration::ZERO);
        assert_eq!(none.unwrap().total, 0);
    }
}
