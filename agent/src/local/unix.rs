//! A Unix socket: the kernel says who is at its other end.

use super::Inbox;
use super::peers::Peers;
use crate::settings::client::UnixSocket;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde_json::json;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// How long somebody may take to say that he listens at the socket.
const ANSWER: Duration = Duration::from_secs(1);

/// The socket, whose file goes with it.
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
    peers: Peers,
    inbox: Rc<Inbox>,
    /// Held as long as the file is ours; the kernel lets go of it with the process.
    _lock: Flock<File>,
}

impl Door {
    /// Opens it. What a dead agent has left is replaced, never what somebody listens at.
    pub(super) async fn open(
        socket: &UnixSocket,
        peers: Peers,
        inbox: Rc<Inbox>,
    ) -> io::Result<Self> {
        let path = socket.path.clone();
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            DirBuilder::new().mode(0o755).create(folder)?;
        }
        let lock = lock(&path)?;
        remove_left_over(&path).await?;
        let listener = UnixListener::bind(&path)?;
        let door = Self {
            listener,
            path,
            peers,
            inbox,
            _lock: lock,
        };
        fs::set_permissions(&door.path, Permissions::from_mode(socket.mode()))?;
        Ok(door)
    }

    /// The next connection of somebody who may. Who may not costs nobody's place.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            if self.peers.include(peer) {
                return Ok(stream);
            }
            let data = json!({
                "uid": peer.uid(),
                "gid": peer.gid(),
                "pid": peer.pid(),
                "settings": "client.unix_socket",
            });
            let message = "somebody who may not hand in results was sent away";
            self.inbox.warn(message, data);
            // He need not hear it.
            stream.try_write(b"forbidden").unwrap_or_default();
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Gone already, or not ours to remove: the next one to open it does.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}

/// Of two agents that start at once one has it, so that neither removes the other's socket.
fn lock(path: &Path) -> io::Result<Flock<File>> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(name)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| taken())
}

async fn remove_left_over(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let what = "there is something that is no socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, what));
    }
    match timeout(ANSWER, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) | Err(_) => Err(taken()),
    }
}

fn taken() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "another process listens there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn only_a_socket_that_nobody_listens_at_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        remove_left_over(&path).await.unwrap();
        let live = UnixListener::bind(&path).unwrap();
        let error = remove_left_over(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
        drop(live);
        remove_left_over(&path).await.unwrap();
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        let error = remove_left_over(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let held = lock(&path).unwrap();
        assert_eq!(lock(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(held);
        lock(&path).unwrap();
    }
}
