//! The command line.

use clap::{Arg, ArgAction, Command};
use venus_settings::program;

/// The program's name.
pub const NAME: &str = "handler-slack";
/// The settings key, unless another is named.
pub const KEY: &str = "slack";

const AFTER_HELP: &str = r##"Exit codes:
  0  the message was sent
  1  it was not delivered
  2  arguments, settings or the event are wrong

Example, with {"slack": {"webhook_url": "https://hooks.slack.com/services/...", "channel": "#sensu"}} in try/slack.json:
  echo '{"client": {"name": "docker1", "address": "10.0.2.15", "subscriptions": ["physical"]}, "check": {"name": "keepalive", "status": 1, "output": "a test"}}' | handler-slack -d try"##;

/// As `clap` knows it.
#[must_use]
pub fn command() -> Command {
    let command = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Sends the Sensu event on standard input to Slack, by an incoming webhook or as a bot.",
        )
        .after_help(AFTER_HELP);
    program::with_arguments(command, KEY)
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Print what would be sent, and send nothing"),
        )
        .arg(
            Arg::new("test")
                .long("test")
                .action(ArgAction::SetTrue)
                .conflicts_with("dry-run")
                .help("Send a message that says that it is a test; reads no event"),
        )
}
