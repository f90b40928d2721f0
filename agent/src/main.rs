//! `venus-agent`: reads the command line and runs the agent.

use std::process::ExitCode;
use venus_agent::cli::{self, Arguments};

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", cli::complaint(&error));
            return ExitCode::from(2);
        }
        Err(help_or_version) => {
            // What cannot be printed has no reader.
            drop(help_or_version.print());
            return ExitCode::SUCCESS;
        }
    };
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    venus_agent::run(&arguments, &environment)
}
