//! `handler-slack`: reads its arguments and calls [`handler_slack::handle`].

use clap::{Arg, ArgAction, Command, value_parser};
use handler_slack::handle;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use venus_settings::Sources;

const AFTER_HELP: &str = r##"Exit codes:
  0  the message was sent
  1  it was not delivered
  2  arguments, settings or the event are wrong

Example, with {"slack": {"webhook_url": "https://hooks.slack.com/services/...", "channel": "#sensu"}} in try/slack.json:
  echo '{"client": {"name": "docker1", "address": "10.0.2.15", "subscriptions": ["physical"]}, "check": {"name": "keepalive", "status": 1, "output": "a test"}}' | handler-slack -d try"##;

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return explain(&error),
    };
    let dirs = matches.get_many::<PathBuf>("config_dir");
    let sources = Sources {
        file: matches.get_one::<PathBuf>("config").cloned(),
        dirs: dirs.into_iter().flatten().cloned().collect(),
    };
    let key = matches
        .get_one::<String>("json")
        .map_or("slack", String::as_str);
    let sent = handle(
        &sources,
        key,
        io::stdin().lock(),
        &mut |warning| complain(&warning),
        &mut pause,
    );
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn command() -> Command {
    Command::new("handler-slack")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Sends the Sensu event on standard input to Slack, by an incoming webhook.")
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
                .help("Use the settings key NAME [default: slack]"),
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
    complain(&format_args!("{reason} (see handler-slack --help)"));
    ExitCode::from(2)
}

/// A line on standard error; where nobody reads it, the exit code has to do.
fn complain(line: &dyn Display) {
    writeln!(io::stderr(), "handler-slack: {line}").unwrap_or_default();
}

#[allow(
    clippy::disallowed_methods,
    reason = "a pause between two tries is a time, there is no event to wait for"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
