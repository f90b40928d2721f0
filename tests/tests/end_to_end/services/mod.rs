//! The checks and metrics of services against the real ones.

mod slurm;

use std::process::Command;
use venus_tests::program;

/// What a command of `venus-checks` prints, and how it ends. `command` is it, with whatever leads
/// it to where the service is.
fn outcome(command: &mut Command) -> (String, i32) {
    let output = program::run(command);
    let said = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &said;
    (text, output.status.code().unwrap())
}
