//! A child that ends with the agent, however that ends: the kernel kills it (`PR_SET_PDEATHSIG`,
//! prctl(2)).
//!
//! That holds for the child and not for what it starts, nor for a set-user-ID program. The unit
//! file's control group has them all.

#![allow(
    unsafe_code,
    reason = "only the child itself can ask for this, between fork and exec"
)]

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getpid, getppid};
use tokio::process::Command;

/// Has the child of this command killed when the thread that starts it is gone, which is the
/// agent's only one of its kind.
pub(super) fn end_with_agent(command: &mut Command) {
    let agent = getpid();
    let ask = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // Who died before that sends nothing any more.
        if getppid() == agent {
            Ok(())
        } else {
            Err(Errno::ESRCH.into())
        }
    };
    // SAFETY: `ask` makes two system calls, prctl(2) and getppid(2), which are safe after a fork;
    // it takes no lock, and allocates nothing, an error of the system being a number.
    unsafe { command.pre_exec(ask) };
}
