//! An answer in time, whatever hangs.
//!
//! The work is done on a thread of its own, which nobody can stop from outside: a read of a dead
//! file server waits in the kernel. When the time is up the answer is given without it, and the
//! end of the process takes the thread away.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::context::{Context, Failure};

/// What the work finds within this time; `None` if it did not.
pub(crate) fn within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        if sender.send(work()).is_err() {
            // The time was up.
        }
    })?;
    Ok(receiver.recv_timeout(time).ok())
}

/// What the work finds, or that there was no time to find it.
pub(crate) fn hold<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Context) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let of_thread = context.clone();
    thread::Builder::new()
        .spawn(move || {
            if sender.send(work(&of_thread)).is_err() {
                // The time was up, and the answer has been given.
            }
        })
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
    match receiver.recv_timeout(context.time_left()) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(Failure::new(format!(
            "no answer within {} s{}; see what hangs there, or give more with --timeout",
            context.time().as_secs_f64(),
            context.while_doing()
        ))),
        Err(RecvTimeoutError::Disconnected) => Err(Failure::new(format!(
            "it broke off{}, which is a fault of its own: please report it",
            context.while_doing()
        ))),
    }
}
