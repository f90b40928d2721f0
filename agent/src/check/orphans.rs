//! Processes that a check or handler has left behind.
//!
//! Their parent is gone, so that they would go to process 1, which in a
//! container is often a program that never reaps. The agent takes them
//! (`PR_SET_CHILD_SUBREAPER`, prctl(2)) and reaps them when they end. They are
//! not killed: a check may well have started a daemon.

use super::command::Groups;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How long whoever waits for a child of his own may take to do so.
const OTHERS_FIRST: Duration = Duration::from_millis(100);

/// Reaps orphans for ever; the children in `known` are left to those who wait
/// for them.
pub(crate) async fn reap_orphans(known: &[&Groups]) -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    set_child_subreaper(true)?;
    loop {
        if ended.recv().await.is_none() {
            return Ok(());
        }
        while !reap(known) {
            sleep(OTHERS_FIRST).await;
        }
    }
}

/// Reaps what has ended; not done when a child of others stands before it.
fn reap(known: &[&Groups]) -> bool {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) =
            waitid(Id::All, look)
        else {
            return true;
        };
        if known.iter().any(|groups| groups.contains(pid)) {
            return false;
        }
        // It has ended, so that this does not wait.
        if waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            return true;
        }
    }
}
