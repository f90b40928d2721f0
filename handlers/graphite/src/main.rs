//! `handler-graphite`: reads its arguments and calls [`handler_graphite::handle`].

use clap::ArgMatches;
use handler_graphite::cli::{KEY, NAME, command};
use handler_graphite::delivery::Clock;
use handler_graphite::{HandlerError, handle, prepare};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use venus_settings::program;

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return program::explain(NAME, &error),
    };
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(matches: &ArgMatches) -> Result<(), HandlerError> {
    let sources = program::sources(matches);
    let key = program::key(matches, KEY);
    let input = io::stdin().lock();
    let warn = &mut |warning: &str| complain(&warning);
    if matches.get_flag("dry_run") {
        let (_, lines) = prepare(&sources, key, input, now(), warn)?;
        // Whoever closes the pipe has seen enough.
        io::stdout()
            .write_all(lines.text().as_bytes())
            .unwrap_or_default();
        return Ok(());
    }
    let mut clock = Clock {
        now: &now,
        wait: &mut pause,
    };
    handle(&sources, key, input, &mut clock, warn)
}

fn complain(line: &dyn Display) {
    program::complain(NAME, line);
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place of this program that reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a pause between two tries is a time, there is no event to wait for"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
