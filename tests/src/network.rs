//! A network namespace of a test's own.

use crate::part;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

/// Runs the rest of a test on a thread in a network namespace of its own, with
/// nothing but a loopback interface; so are all that it starts. `None` where
/// this user may not make one.
pub fn in_its_own<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let ip = part::find("iproute2", &["/sbin/ip", "/usr/sbin/ip"])?;
    let rest = thread::spawn(move || {
        match unshare(CloneFlags::CLONE_NEWNET) {
            Err(Errno::EPERM) => {
                return part::missing("the permission to make a network namespace");
            }
            made => made.unwrap(),
        }
        let up = Command::new(ip).args(["link", "set", "lo", "up"]).status();
        assert!(up.unwrap().success());
        Some(test())
    });
    rest.join().unwrap_or_else(|panic| resume_unwind(panic))
}
