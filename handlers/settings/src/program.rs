//! What the programs of handlers have in common: how they are called, what they read, and how they
//! complain.

use crate::Sources;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// The longest event that is read, in bytes.
pub const EVENT_LIMIT: u64 = 10 * 1024 * 1024;

/// Nothing could be read from standard input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It broke off.
    #[error("cannot read the event from standard input: {0}")]
    Broken(#[source] io::Error),
    /// More than a check can sensibly print.
    #[error("the event on standard input is longer than {} MB", EVENT_LIMIT / 1024 / 1024)]
    TooLong,
}

/// The event that stands there, whole. What is not UTF-8 is replaced: a check that prints Latin-1
/// is still a check that failed.
pub fn read_input(input: impl Read) -> Result<String, InputError> {
    let mut bytes = Vec::new();
    input
        .take(EVENT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(InputError::Broken)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > EVENT_LIMIT {
        return Err(InputError::TooLong);
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Adds the arguments that say where settings are.
#[must_use]
pub fn with_arguments(command: Command, key: &str) -> Command {
    command
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
                .help(format!("Use the settings key NAME [default: {key}]")),
        )
}

/// Where these arguments say that settings are.
#[must_use]
pub fn sources(matches: &ArgMatches) -> Sources {
    let dirs = matches.get_many::<PathBuf>("config_dir");
    Sources {
        file: matches.get_one::<PathBuf>("config").cloned(),
        dirs: dirs.into_iter().flatten().cloned().collect(),
    }
}

/// The settings key that they name.
#[must_use]
pub fn key<'m>(matches: &'m ArgMatches, default: &'m str) -> &'m str {
    matches
        .get_one::<String>("json")
        .map_or(default, String::as_str)
}

/// Help and version as clap words them, a mistake as one line.
#[must_use]
pub fn explain(program: &str, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        };
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let reason = first.strip_prefix("error: ").unwrap_or(first);
    complain(program, &format_args!("{reason} (see {program} --help)"));
    ExitCode::from(2)
}

/// A line on standard error; where nobody reads it, the exit code has to do.
pub fn complain(program: &str, line: &dyn Display) {
    writeln!(io::stderr(), "{program}: {line}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        assert_eq!(read_input(&b"a\xe9b"[..]).unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn what_is_endless_is_refused_and_not_read_to_its_end() {
        let error = read_input(io::repeat(b' ')).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the event on standard input is longer than 10 MB"
        );
        let just = io::repeat(b' ').take(EVENT_LIMIT);
        assert_eq!(read_input(just).unwrap().len(), 10 << 20);
    }
}
