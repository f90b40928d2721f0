//! `venus-top`: reads its arguments and calls [`venus_top::run`].

use std::env;
use std::process::ExitCode;
use venus_settings::program;
use venus_top::cli::{Arguments, NAME};
use venus_top::run;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return program::explain(NAME, &error),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            program::complain(NAME, &why);
            ExitCode::from(2)
        }
    }
}
