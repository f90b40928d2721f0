//! The arguments that the commands which ask Kafka share: where it is, and names by expressions.

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;

use crate::service::server::Server;

/// `--server`, which may be given for several.
#[must_use]
pub fn argument() -> Arg {
    Arg::new("server")
        .long("server")
        .visible_alias("bootstrap-server")
        .short('b')
        .value_name("HOST:PORT")
        .action(ArgAction::Append)
        .default_value("127.0.0.1:9092")
        .value_parser(|text: &str| text.parse::<Server>())
        .help("Where a broker listens, which names the others; repeat it for those to ask if it is away")
}

/// What `--server` says.
#[must_use]
pub fn servers(matches: &ArgMatches) -> Vec<Server> {
    let given = matches.get_many::<Server>("server");
    given.into_iter().flatten().cloned().collect()
}

/// An argument that takes an expression for whole names.
#[must_use]
pub fn names(name: &'static str, short: char, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .short(short)
        .value_name("REGEX")
        .action(ArgAction::Append)
        .value_parser(whole)
        .help(help)
}

/// The name of an argument's value, and the expression that it is.
pub type Named = (String, Regex);

fn whole(text: &str) -> Result<Named, regex_lite::Error> {
    Ok((text.to_owned(), Regex::new(&format!("^(?:{text})$"))?))
}

/// What an argument of [`names`] says.
#[must_use]
pub fn given<'a>(matches: &'a ArgMatches, name: &str) -> Vec<&'a Named> {
    let given = matches.get_many::<Named>(name);
    given.into_iter().flatten().collect()
}

/// Whether one of them is meant; each is if none is given.
#[must_use]
pub fn is_meant(given: &[&Named], name: &str) -> bool {
    given.is_empty() || given.iter().any(|(_, regex)| regex.is_match(name))
}

/// Whether this is a topic of Kafka's own.
#[must_use]
pub fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
}
