//! The signals that the agent answers.

use nix::libc::SIGTRAP;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
pub(crate) enum Asked {
    Stop(&'static str),
    Reload,
    /// Open the log anew, and go on if paused.
    Reopen,
    Pause,
    Debug,
}

/// The signals that we answer.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user1: Signal,
    user2: Signal,
    trap: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            trap: signal(SignalKind::from_raw(SIGTRAP))?,
        })
    }

    /// Waits for one to stop; there is nothing to reload in a single cycle.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            if let Asked::Stop(name) = self.next().await {
                return name;
            }
        }
    }

    /// Waits for the next one. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("TERM"),
            _ = self.interrupt.recv() => Asked::Stop("INT"),
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.user1.recv() => Asked::Pause,
            _ = self.user2.recv() => Asked::Reopen,
            _ = self.trap.recv() => Asked::Debug,
        }
    }
}
