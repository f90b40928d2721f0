//! `handler-graphite`: reads its arguments and calls [`handler_graphite::handle`].

use clap::{Arg, ArgAction, ArgMatches, Command};
use handler_graphite::delivery::Clock;
use handler_graphite::{HandlerError, handle, prepare};
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use venus_settings::program;

const NAME: &str = "handler-graphite";
/// The settings key, unless another is named.
const KEY: &str = "graphite";

const AFTER_HELP: &str = r#"Exit codes:
  0  the lines were sent, or wait for the process that is sending now
  1  they were not delivered, and wait for the next event
  2  arguments, settings or the event are wrong

Example, with {"graphite": {"host": "127.0.0.1", "spool_dir": "try/spool"}} in try/graphite.json:
  echo '{"client": {"name": "venus001"}, "check": {"name": "load", "type": "metric", "output": "venus001.load_avg.one 0.39 1795477200"}}' | handler-graphite -d try"#;

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

fn command() -> Command {
    let command = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Sends the metrics of the Sensu event on standard input to Carbon, Graphite's receiver.")
        .after_help(AFTER_HELP);
    program::with_arguments(command, KEY).arg(
        Arg::new("dry_run")
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Print the lines, and send and keep nothing"),
    )
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
