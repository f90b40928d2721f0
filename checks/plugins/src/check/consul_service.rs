//! `check-consul-service`: whether enough instances of a service pass their checks in Consul.

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::consul::{self, Instance, State};
use crate::service::http;
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-consul-service",
    title: "CheckConsulService",
    about: "Whether enough instances of a service pass their checks in Consul",
    example: "--service web --tag v1 --instances 2",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn if this few instances pass, or fewer [default: none]",
        "Critical if this few, or fewer [default: none]",
    );
    let mut all = consul::arguments();
    all.extend([
        Arg::new("service")
            .long("service")
            .short('s')
            .value_name("NAME")
            .default_value("consul")
            .help("The service; consul is that of its own servers"),
        Arg::new("tag")
            .long("tag")
            .alias("tags")
            .short('t')
            .value_name("TAG")
            .action(ArgAction::Append)
            .value_delimiter(',')
            .help("Only instances with this tag; with all of them if it is repeated"),
        Arg::new("dc")
            .long("dc")
            .value_name("NAME")
            .help("Of which datacenter [default: the agent's]"),
        Arg::new("instances")
            .long("instances")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .default_value("1")
            .help("How many instances have to pass"),
        warning,
        critical,
    ]);
    all
}

fn path(matches: &ArgMatches) -> String {
    let datacenter = matches.get_one::<String>("dc").map(String::as_str);
    consul::instances_path(name(matches), datacenter)
}

fn name(matches: &ArgMatches) -> &str {
    matches.get_one("service").map_or("", String::as_str)
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    vec![format!("{}{}", http::url(matches), path(matches))]
}

/// What is asked of the instances.
struct Wanted<'a> {
    name: &'a str,
    tags: Vec<&'a str>,
    least: u64,
    limits: Limits,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let tags = matches.get_many::<String>("tag").unwrap_or_default();
    let wanted = Wanted {
        name: name(matches),
        tags: tags.map(String::as_str).collect(),
        least: matches.get_one("instances").copied().unwrap_or(1),
        limits: limits::given(matches, Limits::at_most, [None, None])?,
    };
    let http = consul::agent(matches, context)?;
    match consul::instances(&http, &path(matches), context) {
        Ok(instances) => Ok(judge(&instances, &wanted)),
        Err(error) => error.answer(),
    }
}

fn judge(instances: &[Instance], wanted: &Wanted<'_>) -> Outcome {
    let has = |one: &&Instance, tag: &str| one.service.tags.iter().any(|own| own == tag);
    let ours = instances
        .iter()
        .filter(|one| wanted.tags.iter().all(|tag| has(one, tag)));
    let ours: Vec<(&Instance, State)> = ours.map(|one| (one, one.state())).collect();
    let count = |state| ours.iter().filter(|(_, is)| *is == state).count();
    let passing = count(State::Passing);
    let tagged = if wanted.tags.is_empty() {
        String::new()
    } else {
        format!(" with {}", wanted.tags.join(", "))
    };
    let name = wanted.name;

    let mut findings = Findings::default();
    let least = wanted.least;
    let are_few = u64::try_from(passing).unwrap_or(u64::MAX) < least;
    let status = if are_few {
        Status::Critical
    } else {
        wanted.limits.judge(passing)
    };
    let pass = if passing == 1 { "passes" } else { "pass" };
    let what = if ours.is_empty() {
        format!("no instance of {name}{tagged} is registered")
    } else {
        let all = counted(ours.len(), "instance");
        format!("{passing} of {all} of {name}{tagged} {pass}")
    };
    let expected = if are_few {
        format!(", expected {least}")
    } else {
        limits::reached(&wanted.limits, status)
    };
    findings.add(status, format!("{what}{expected}"));
    // There may be enough others, so that none of these is critical by itself.
    for (instance, state) in &ours {
        if *state != State::Passing {
            let found: Vec<&str> = instance
                .failing()
                .map(|check| check.name.as_str())
                .collect();
            let what = format!(
                "{} on {} is {}: {}",
                instance.service.id,
                instance.node.node,
                state.name(),
                found.join(", ")
            );
            findings.add(Status::Warning, what);
        }
    }
    let mut outcome = findings.outcome(what);
    let figure = Perfdata::new("passing", passing, Unit::None);
    outcome.perfdata = vec![figure.thresholds(wanted.limits.thresholds()).min(0)];
    for state in [State::Warning, State::Unknown, State::Critical] {
        let figure = Perfdata::new(state.name(), count(state), Unit::None);
        outcome.perfdata.push(figure.min(0));
    }
    outcome
}
