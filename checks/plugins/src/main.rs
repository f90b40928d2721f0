//! The multi-call binary: `venus-checks COMMAND …`, or a link to it that is called like a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    venus_checks::main(std::env::args_os())
}
