//! The command line.

use clap::{Arg, ArgAction, Command};
use venus_settings::program;

/// The program's name.
pub const NAME: &str = "handler-graphite";
/// The settings key, unless another is named.
pub const KEY: &str = "graphite";

const AFTER_HELP: &str = r#"Exit codes:
  0  the lines were sent, or wait for the process that is sending now
  1  they were not delivered, and wait for the next event
  2  arguments, settings or the event are wrong

Example, with {"graphite": {"host": "127.0.0.1", "spool_dir": "try/spool"}} in try/graphite.json:
  echo '{"client": {"name": "venus001"}, "check": {"name": "load", "type": "metric", "output": "venus001.load_avg.one 0.39 1795477200"}}' | handler-graphite -d try"#;

/// As `clap` knows it.
#[must_use]
pub fn command() -> Command {
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
