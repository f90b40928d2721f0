//! An attempt to connect that can be given up.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, mem};

/// Ends the socket of an attempt when it is dropped before it has succeeded.
///
/// The client library holds a half-open connection itself, with a thread, and
/// waits for the broker's greeting for ever: only the end of the socket ends it.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    /// There is no socket yet.
    #[default]
    Started,
    Open(TcpStream),
    GivenUp,
    Succeeded,
}

/// Where the library's thread reports the attempt's socket.
#[derive(Debug, Clone)]
pub(super) struct Report {
    state: Arc<Mutex<State>>,
}

impl Attempt {
    pub(super) fn report(&self) -> Report {
        Report {
            state: Arc::clone(&self.state),
        }
    }

    /// The connection is there, and its owner closes it.
    pub(super) fn succeed(self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Succeeded;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Succeeded)
            && let State::Open(socket) = mem::replace(&mut *state, State::GivenUp)
        {
            // What the peer has closed already is ended as well.
            socket.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }
}

impl Report {
    /// Takes note of the socket; an error where the attempt was given up.
    pub(super) fn socket(&self, socket: &impl AsFd) -> io::Result<()> {
        let copy: OwnedFd = socket.as_fd().try_clone_to_owned()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::GivenUp) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        *state = State::Open(TcpStream::from(copy));
        Ok(())
    }
}
