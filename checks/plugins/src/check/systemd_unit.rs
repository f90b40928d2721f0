//! `check-systemd-unit`: whether units of systemd are active, and not restarted over and over.

use clap::{Arg, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::systemd;
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
    let units = systemd::arguments(
        "Expect this one to be active; may be repeated [default: none may have failed]",
    );
    units.into_iter().chain([warning, critical]).collect()
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    match &systemd::names(matches)[..] {
        [] => vec!["all units that have failed, by systemctl".to_owned()],
        units => units
            .iter()
            .map(|unit| format!("{unit}, by systemctl"))
            .collect(),
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [None, None])?;
    let (mut findings, mut right, mut perfdata) = (Findings::default(), Vec::new(), Vec::new());
    for unit in systemd::units(matches, context)? {
        let systemd::Unit {
            name,
            load,
            active,
            sub,
            restarts,
        } = unit;
        match (load.as_str(), active.as_str()) {
            ("not-found", _) => findings.add(Status::Critical, format!("{name} is not there")),
            (_, "active") => right.push(format!("{name} is active ({sub})")),
            // On its way up or down: nobody needs to get up for that yet.
            (_, "activating" | "deactivating" | "reloading" | "refreshing") => {
                findings.add(Status::Warning, format!("{name} is {active} ({sub})"));
            }
            (_, _) => findings.add(Status::Critical, format!("{name} is {active} ({sub})")),
        }
        if let Some(restarts) = restarts {
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
