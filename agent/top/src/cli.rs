//! The command line.

use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use venus_settings::{Sources, program};

/// The program's name.
pub const NAME: &str = "venus-top";

/// What was asked for on the command line.
#[derive(Debug)]
pub struct Arguments {
    /// The settings of the agent.
    pub sources: Sources,
    /// How often to ask it.
    pub interval: Duration,
}

impl Arguments {
    /// Reads the command line; the error is help, version, or what is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(arguments)?;
        let seconds = matches.get_one::<u64>("interval").copied().unwrap_or(2);
        Ok(Self {
            sources: program::sources(&matches),
            interval: Duration::from_secs(seconds),
        })
    }
}

/// As `clap` knows it.
#[must_use]
pub fn command() -> Command {
    let path = |name: &'static str, short: char| {
        Arg::new(name)
            .short(short)
            .long(name)
            .value_parser(clap::value_parser!(PathBuf))
    };
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("This node in a terminal, as its venus-agent sees it: the last hour, and each check, the worst first.")
        .arg(path("config", 'c').value_name("FILE").help(
            "The agent's settings file [default: /etc/sensu/config.json, if it exists]",
        ))
        .arg(
            path("config_dir", 'd')
                .value_name("DIR[,DIR]")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("Its directories of settings [default: /etc/sensu/conf.d, if it exists]"),
        )
        .arg(
            Arg::new("interval")
                .short('i')
                .long("interval")
                .value_name("SECONDS")
                .value_parser(clap::value_parser!(u64).range(1..=3600))
                .help("How often to ask the agent, 1 to 3600 [default: 2]"),
        )
        .after_help(
            "Keys: arrows, j, k, page up, page down, Home and End scroll; q, Esc or Ctrl-C ends.\n\
             NO_COLOR=1 in the environment shows it without colours.\n\n\
             Exit status: 0 ended as asked, 2 bad arguments or settings, no terminal, no agent at the start.",
        )
}
