//! The checks and metrics of services against the real ones.

mod clock;
mod dns;
mod docker;
mod hang;
mod http;
mod kafka;
mod ping;
mod port;
mod rabbitmq;
mod redis;
mod samza;
mod slurm;
mod swarm;
mod tls_expiry;
mod zookeeper;

use std::process::Command;
use venus_tests::program::{self, wait_until};

/// What a command of `venus-checks` prints, and how it ends. `command` is it, with whatever leads
/// it to where the service is.
fn outcome(command: &mut Command) -> (String, i32) {
    let output = program::run(command);
    let said = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &said;
    (text, output.status.code().unwrap())
}

/// The same of a command that needs no such thing.
fn check(args: &[&str]) -> (String, i32) {
    outcome(Command::new(program::path("venus-checks")).args(args))
}

/// Fails unless a check prints this line and nothing else, and ends so.
fn says(args: &[&str], line: &str, status: i32) {
    assert_eq!(check(args), (format!("{line}\n"), status), "{args:?}");
}

/// Waits until a check prints a line that begins so: services take a while to notice what happened
/// to them.
fn comes_to_say(args: &[&str], start: &str) {
    wait_until(|| check(args).0.starts_with(start));
}
