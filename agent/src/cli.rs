//! The command line: sensu-client's, and `--once`.

use crate::log::Level;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::PathBuf;
use venus_settings::Sources;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// Which settings files to read.
    pub sources: Sources,
    /// `-l`: where to log.
    pub log_file: Option<PathBuf>,
    /// `-L` or `-v`: how much to log.
    pub level: Level,
    /// What to do.
    pub mode: Mode,
    /// `-b`: go into the background.
    pub background: bool,
    /// `-p`: where to write the process id.
    pub pid_file: Option<PathBuf>,
    /// `-e`: a directory of Ruby extensions, which are not run.
    pub extension_dir: Option<PathBuf>,
}

/// What the agent is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Run until it is stopped.
    Run,
    /// One cycle, then exit.
    Once,
    /// Examine this node and exit.
    Doctor {
        /// Whether to print JSON.
        json: bool,
    },
    /// Ask the agent that runs here how it is, and exit.
    Status,
    /// Check the settings and exit.
    ValidateConfig,
    /// Print the settings and exit.
    PrintConfig {
        /// Whether secrets are shown.
        secrets: bool,
    },
}

impl Arguments {
    /// Reads the command line; the error is help, version, or what is wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let whole = command().try_get_matches_from(arguments)?;
        // What is common to both is found with either.
        let subcommand = whole.subcommand();
        let matches = subcommand.map_or(&whole, |(_, matches)| matches);
        // In the background the working directory is another.
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let path = |name: &str| whole.get_one::<PathBuf>(name).map(absolute);
        Ok(Self {
            sources: Sources {
                file: matches.get_one("config").map(absolute),
                dirs: matches
                    .get_many::<PathBuf>("config_dir")
                    .into_iter()
                    .flatten()
                    .map(absolute)
                    .collect(),
            },
            log_file: path("log"),
            level: level(&whole),
            mode: match subcommand {
                Some(("doctor", doctor)) => Mode::Doctor {
                    json: doctor.get_flag("json"),
                },
                Some(_) => Mode::Status,
                None => mode(&whole),
            },
            background: whole.get_flag("background"),
            pid_file: path("pid_file"),
            extension_dir: path("extension_dir"),
        })
    }
}

fn mode(matches: &ArgMatches) -> Mode {
    if matches.get_flag("print_config") {
        Mode::PrintConfig {
            secrets: matches.get_flag("secrets"),
        }
    } else if matches.get_flag("validate_config") {
        Mode::ValidateConfig
    } else if matches.get_flag("once") {
        Mode::Once
    } else {
        Mode::Run
    }
}

fn level(matches: &ArgMatches) -> Level {
    let named = matches.get_one::<String>("log_level");
    let named = named.and_then(|name| Level::NAMES.iter().find(|(known, _)| known == name));
    match named {
        Some((_, level)) => *level,
        None if matches.get_flag("verbose") => Level::Debug,
        None => Level::Info,
    }
}

/// What is wrong with the command line, in one line.
#[must_use]
pub fn complaint(error: &clap::Error) -> String {
    let text = error.render().to_string();
    // The first paragraph says what is wrong, the rest shows the usage.
    let wrong = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = wrong.split_whitespace().collect();
    let wrong = words.join(" ");
    let wrong = wrong.strip_prefix("error: ").unwrap_or(&wrong);
    format!("venus-agent: {wrong}; see venus-agent --help")
}

/// The command line as `clap` knows it.
#[must_use]
pub fn command() -> Command {
    let path = |name: &'static str, short: char, value: &'static str, help: &'static str| {
        Arg::new(name)
            .short(short)
            .long(name)
            .value_name(value)
            .value_parser(clap::value_parser!(PathBuf))
            .help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("venus-agent")
        .version(concat!(env!("CARGO_PKG_VERSION"), " (for sensu-client 1.9.0)"))
        .about(
            "A drop-in for sensu-client: keepalives, checks and metrics of this node.\n\
             Without a broker in its settings it prints this node's metrics.",
        )
        .disable_version_flag(true)
        .arg(path("config", 'c', "FILE", "Settings file [default: /etc/sensu/config.json, if it exists]").global(true))
        .arg(
            path(
                "config_dir",
                'd',
                "DIR[,DIR]",
                "Directories of *.json settings, read recursively \
                 [default: /etc/sensu/conf.d, if it exists]",
            )
            .value_delimiter(',')
            .action(ArgAction::Append)
            .global(true),
        )
        .arg(path("extension_dir", 'e', "DIR", "Accepted for sensu-client's sake: Ruby extensions are not run"))
        .arg(path("log", 'l', "FILE", "Log to a file, which HUP and USR2 open anew"))
        .arg(
            Arg::new("log_level")
                .short('L')
                .long("log_level")
                .value_name("LEVEL")
                .value_parser(PossibleValuesParser::new(Level::NAMES.map(|(name, _)| name)))
                .help("How much to log [default: info]"),
        )
        .arg(flag("verbose", "Log at level debug").short('v'))
        .arg(flag("print_config", "Print the merged settings as JSON, secrets redacted, and exit").short('P'))
        .arg(flag("secrets", "With --print_config: show secrets as they are"))
        .arg(flag("validate_config", "Check the settings, say what is wrong, and exit (0 or 2)"))
        .arg(flag("background", "Go into the background").short('b'))
        .arg(path("pid_file", 'p', "FILE", "Write the process id to a file, which goes when the agent stops"))
        .arg(flag("once", "One cycle of every check of this node, then exit with the worst status (0 to 3)"))
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version and exit"),
        )
        .subcommand(
            Command::new("doctor")
                .about("Look at everything that the agent needs, and say what is wrong (exit status 0 or 2)")
                .arg(flag("json", "Print the findings as JSON")),
        )
        .subcommand(
            Command::new("status")
                .about("Ask the agent that runs on this node how it and its checks are (exit status 0 or 2)"),
        )
        .after_help(
            "Examples:\n  venus-agent --once\n  venus-agent doctor\n  venus-agent status\n\n\
             Exit status: 0 stopped as asked, 2 bad arguments or settings; with --once the worst status.",
        )
}
