//! Units of systemd, by `systemctl show`, whose output is made for programs.

use std::process::Command;

use clap::{Arg, ArgAction, ArgMatches};

use crate::child;
use crate::context::{Context, Failure};

/// A unit as systemd has it.
#[derive(Debug)]
pub(crate) struct Unit {
    /// As it was asked for, or else as it calls itself.
    pub(crate) name: String,
    /// `loaded`, `not-found` and others.
    pub(crate) load: String,
    /// `active`, `failed` and others.
    pub(crate) active: String,
    /// What that is with this kind of unit: `running`, `exited`.
    pub(crate) sub: String,
    /// How often systemd restarted it. Since systemd 235, and of services only.
    pub(crate) restarts: Option<u64>,
}

/// The options that say which units, and whom to ask; `help` is of the first.
pub(crate) fn arguments(help: &'static str) -> [Arg; 2] {
    [
        Arg::new("unit")
            .long("unit")
            .short('u')
            .value_name("UNIT")
            .action(ArgAction::Append)
            .help(help),
        Arg::new("binary")
            .long("binary")
            .value_name("PROGRAM")
            .default_value("systemctl")
            .help("The program to ask"),
    ]
}

/// The units that were asked for.
pub(crate) fn names(matches: &ArgMatches) -> Vec<&str> {
    let names = matches.get_many::<String>("unit").unwrap_or_default();
    names.map(String::as_str).collect()
}

/// The units that were asked for, in their order; without any, those that have failed.
pub(crate) fn units(matches: &ArgMatches, context: &Context) -> Result<Vec<Unit>, Failure> {
    let names = names(matches);
    let program = matches
        .get_one::<String>("binary")
        .map_or("systemctl", String::as_str);
    let mut command = Command::new(program);
    command.args([
        "show",
        "--property=Id,LoadState,ActiveState,SubState,NRestarts",
    ]);
    if names.is_empty() {
        command.args(["--state=failed", "*"]);
    } else {
        command.arg("--").args(&names);
    }
    let printed = child::output(&mut command, context)?;
    let text = String::from_utf8_lossy(&printed);
    let shown: Vec<&str> = text
        .split("\n\n")
        .filter(|one| !one.trim().is_empty())
        .collect();
    if !names.is_empty() && shown.len() != names.len() {
        let what = format!(
            "{program} told of {} units, not of {}",
            shown.len(),
            names.len()
        );
        return Err(Failure::new(what));
    }
    let units = shown.into_iter().enumerate().map(|(place, properties)| {
        let get = |name: &str| {
            let mut lines = properties.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let name = names.get(place).copied().or(get("Id")).unwrap_or_default();
        let (Some(load), Some(active)) = (get("LoadState"), get("ActiveState")) else {
            return Err(Failure::new(format!(
                "{program} did not tell how {name} is"
            )));
        };
        Ok(Unit {
            name: name.to_owned(),
            load: load.to_owned(),
            active: active.to_owned(),
            sub: get("SubState").unwrap_or_default().to_owned(),
            restarts: get("NRestarts").and_then(|count| count.parse().ok()),
        })
    });
    units.collect()
}
