//! `check-systemd-unit`: whether units of systemd are active, and not restarted over and over.
//!
//! Asks `systemctl show`, whose output is made for programs.

use std::process::Command;

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::child;
use crate::context::{Context, Failure};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-systemd-unit",
    title: "CheckSystemdUnit",
    about: "Whether units of systemd are active",
    example: "--unit ssh.service",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Restarts that are worth a warning [default: none]",
        "Restarts that are critical [default: none]",
    );
    vec![
        Arg::new("unit")
            .long("unit")
            .short('u')
            .value_name("UNIT")
            .action(ArgAction::Append)
            .help("Expect this one to be active; may be repeated [default: none may have failed]"),
        Arg::new("binary")
            .long("binary")
            .value_name("PROGRAM")
            .default_value("systemctl")
            .help("The program to ask"),
        warning,
        critical,
    ]
}

fn units(matches: &ArgMatches) -> Vec<&str> {
    let units = matches.get_many::<String>("unit").unwrap_or_default();
    units.map(String::as_str).collect()
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    match &units(matches)[..] {
        [] => vec!["all units that have failed, by systemctl".to_owned()],
        units => units
            .iter()
            .map(|unit| format!("{unit}, by systemctl"))
            .collect(),
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let units = units(matches);
    let program = matches
        .get_one::<String>("binary")
        .map_or("systemctl", String::as_str);
    let mut command = Command::new(program);
    command.args([
        "show",
        "--property=Id,LoadState,ActiveState,SubState,NRestarts",
    ]);
    if units.is_empty() {
        command.args(["--state=failed", "*"]);
    } else {
        command.arg("--").args(&units);
    }
    let printed = child::output(&mut command, context)?;
    let text = String::from_utf8_lossy(&printed);
    let shown: Vec<&str> = text
        .split("\n\n")
        .filter(|one| !one.trim().is_empty())
        .collect();
    if !units.is_empty() && shown.len() != units.len() {
        let what = format!(
            "{program} told of {} units, not of {}",
            shown.len(),
            units.len()
        );
        return Err(Failure::new(what));
    }
    let (mut findings, mut right, mut perfdata) = (Findings::default(), Vec::new(), Vec::new());
    for (place, properties) in shown.into_iter().enumerate() {
        let get = |name: &str| {
            let mut lines = properties.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        };
        let name = units.get(place).copied().or(get("Id")).unwrap_or_default();
        let (Some(load), Some(active)) = (get("LoadState"), get("ActiveState")) else {
            return Err(Failure::new(format!(
                "{program} did not tell how {name} is"
            )));
        };
        let sub = get("SubState").unwrap_or_default();
        match (load, active) {
            ("not-found", _) => findings.add(Status::Critical, format!("{name} is not there")),
            (_, "active") => right.push(format!("{name} is active ({sub})")),
            // On its way up or down: nobody needs to get up for that yet.
            (_, "activating" | "deactivating" | "reloading" | "refreshing") => {
                findings.add(Status::Warning, format!("{name} is {active} ({sub})"));
            }
            (_, _) => findings.add(Status::Critical, format!("{name} is {active} ({sub})")),
        }
        // Since systemd 235, and of services only.
        if let Some(restarts) = get("NRestarts").and_then(|count| count.parse::<u64>().ok()) {
            let status = limits.judge(restarts);
            let reached = limits::reached(&limits, status);
            findings.add(
                status,
                format!("{name} was restarted {restarts} times{reached}"),
            );
            let figure = Perfdata::new(format!("{name} restarts"), restarts, Unit::Counter);
            perfdata.push(figure.thresholds(limits.thresholds()));
        }
    }
    let all_right = if right.is_empty() {
        "no unit has failed".to_owned()
    } else {
        right.join("; ")
    };
    let mut outcome = findings.outcome(all_right);
    outcome.perfdata = perfdata;
    Ok(outcome)
}
