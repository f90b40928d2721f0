//! `handler-graphite`: reads its arguments and calls [`handler_graphite::handle`].

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use handler_graphite::delivery::Clock;
use handler_graphite::{HandlerError, handle, prepare};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use venus_settings::Sources;

const AFTER_HELP: &str = r#"Exit codes:
  0  the lines were sent, or wait for the process that is sending now
  1  they were not delivered, and wait for the next event
  2  arguments, settings or the event are wrong

Example, with {"graphite": {"host": "127.0.0.1", "spool_dir": "try/spool"}} in try/graphite.json:
  echo '{"client": {"name": "venus001"}, "check": {"name": "load", "type": "metric", "output": "venus001.load_avg.one 0.39 1795477200"}}' | handler-graphite -d try"#;

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return explain(&error),
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
    let dirs = matches.get_many::<PathBuf>("config_dir");
    let sources = Sources {
        file: matches.get_one::<PathBuf>("config").cloned(),
        dirs: dirs.into_iter().flatten().cloned().collect(),
    };
    let key = matches
        .get_one::<String>("json")
        .map_or("graphite", String::as_str);
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
    Command::new("handler-graphite")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Sends the metrics of the Sensu event on standard input to Carbon, Graphite's receiver.")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("config")
                .short('c')
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Read the settings of FILE, not of /etc/sensu/config.json"),
        )
        .arg(
            Arg::new("config_dir")
                .short('d')
                .long("config_dir")
                .value_name("DIR[,DIR]")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .value_parser(value_parser!(PathBuf))
                .help("Then those of *.json below DIR, not below /etc/sensu/conf.d"),
        )
        .arg(
            Arg::new("json")
                .short('j')
                .long("json")
                .value_name("NAME")
                .help("Use the settings key NAME [default: graphite]"),
        )
        .arg(
            Arg::new("dry_run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Print the lines, and send and keep nothing"),
        )
}

/// Help and version as clap words them, a mistake as one line.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        };
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let reason = first.strip_prefix("error: ").unwrap_or(first);
    complain(&format_args!("{reason} (see handler-graphite --help)"));
    ExitCode::from(2)
}

/// A line on standard error; where nobody reads it, the exit code has to do.
fn complain(line: &dyn Display) {
    writeln!(io::stderr(), "handler-graphite: {line}").unwrap_or_default();
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
