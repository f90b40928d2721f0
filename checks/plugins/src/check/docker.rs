//! Whether a Docker Engine answers, as it should be, with room for its containers.

use clap::{Arg, ArgAction, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::docker::{self, Info, Space};
use crate::service::http::{self, Http};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted, hundredths};

/// See `docs/checks/check-docker.md`.
pub(super) static CHECK: Check = Check {
    name: "check-docker",
    title: "CheckDocker",
    about: "Docker Engine: whether it answers, its version, storage driver and room",
    example: "--min-version 1.13 -w 80 -c 90",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Percent of the storage driver's own room used, where it has one [default: 80]",
        "The same, critical [default: 90]",
    );
    let min_version = Arg::new("min-version")
        .long("min-version")
        .value_name("VERSION")
        .value_parser(|text: &str| Numbers::of(text).ok_or("use numbers, as in 20.10"))
        .help("Warn if it is older");
    let driver = Arg::new("storage-driver")
        .long("storage-driver")
        .value_name("DRIVER")
        .help("Critical if it stores by another one");
    let warnings = Arg::new("warnings")
        .long("warnings")
        .action(ArgAction::SetTrue)
        .help("Warn of what it finds wrong with its host or settings itself");
    let [url, user, password, ca] = http::arguments(docker::SOCKET);
    vec![
        url,
        user,
        password,
        ca,
        min_version,
        driver,
        warnings,
        warning,
        critical,
    ]
}

/// The numbers of a version, and what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Numbers {
    numbers: Vec<u64>,
    text: String,
}

impl Numbers {
    /// Of `20.10.24+dfsg1`, `17.09.0-ce`, `v1.13` and `swarm/1.2.9`.
    fn of(text: &str) -> Option<Self> {
        let version = text.rsplit_once('/').map_or(text, |(_, version)| version);
        let version = version.strip_prefix('v').unwrap_or(version);
        let end = version.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (version, _) = version.split_at_checked(end.unwrap_or(version.len()))?;
        let parts = version.trim_end_matches('.').split('.');
        let numbers: Option<Vec<u64>> = parts.map(|part| part.parse().ok()).collect();
        Some(Self {
            numbers: numbers?,
            text: text.to_owned(),
        })
    }
}

/// What is expected of it.
struct Expected<'a> {
    min_version: Option<&'a Numbers>,
    storage_driver: Option<&'a str>,
    warnings: bool,
    room: Limits,
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    ["/_ping", "/version", "/info"]
        .map(|path| format!("{}{path}", http::url(matches)))
        .into()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let expected = Expected {
        min_version: matches.get_one("min-version"),
        storage_driver: matches
            .get_one::<String>("storage-driver")
            .map(String::as_str),
        warnings: matches.get_flag("warnings"),
        room: limits::given(matches, Limits::at_least, [Some(80.0), Some(90.0)])?,
    };
    let http = Http::of(matches, context)?;
    match ask(&http, context) {
        Ok((version, info)) => Ok(judge(&version, &info, &expected)),
        Err(error) => error.answer(),
    }
}

fn ask(http: &Http, context: &Context) -> Result<(String, Info), ServiceError> {
    docker::ping(http, context)?;
    let version = docker::version(http, context)?;
    Ok((version, docker::info(http, context)?))
}

fn judge(version: &str, info: &Info, expected: &Expected<'_>) -> Outcome {
    let mut findings = Findings::default();
    let mut right = vec![format!("Docker {version}")];
    if let Some(wanted) = expected.min_version {
        match Numbers::of(version) {
            Some(has) if has.numbers < wanted.numbers => findings.add(
                Status::Warning,
                format!("Docker {version} is older than {}", wanted.text),
            ),
            Some(_) => {}
            None => findings.add(
                Status::Unknown,
                format!(
                    "its version \"{version}\" cannot be compared with {}",
                    wanted.text
                ),
            ),
        }
    }
    let driver = info.driver.as_str();
    if let Some(wanted) = expected.storage_driver
        && wanted != driver
    {
        let has = if driver.is_empty() { "none" } else { driver };
        let what = format!("the storage driver is {has}, expected {wanted}");
        findings.add(Status::Critical, what);
    }
    if !driver.is_empty() {
        right.push(format!("storage by {driver}"));
    }
    let mut perfdata = Vec::new();
    for Space { of, used, total } in info.spaces() {
        let percent = hundredths(100.0 * used / total);
        let what = format!("{percent}% of {driver}'s {of} space used");
        let status = expected.room.judge(percent);
        let reached = limits::reached(&expected.room, status);
        findings.add(status, format!("{what}{reached}"));
        right.push(what);
        let figure = Perfdata::new(format!("{of} space used"), percent, Unit::Percent);
        let figure = figure.thresholds(expected.room.thresholds());
        perfdata.push(figure.min(0).max(100));
    }
    let warnings = info.warnings().count();
    if expected.warnings {
        for warning in info.warnings() {
            findings.add(Status::Warning, format!("it says: {warning}"));
        }
    } else if warnings > 0 {
        right.push(counted(warnings, "warning") + " of its own, below");
    }
    let containers = [
        ("running", info.containers_running),
        ("paused", info.containers_paused),
        ("stopped", info.containers_stopped),
    ];
    let told: Vec<String> = containers
        .iter()
        .filter_map(|(name, count)| count.map(|count| format!("{count} {name}")))
        .collect();
    right.push(if told.is_empty() {
        counted(info.containers, "container")
    } else {
        format!("containers: {}", told.join(", "))
    });
    for (name, count) in containers {
        if let Some(count) = count {
            perfdata.push(Perfdata::new(name, count, Unit::None).min(0));
        }
    }
    let mut outcome = findings.outcome(right.join(", "));
    outcome.perfdata = perfdata;
    if !expected.warnings {
        outcome.details.extend(info.warnings().map(str::to_owned));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let older = |one: &str, other: &str| {
            Numbers::of(one).unwrap().numbers < Numbers::of(other).unwrap().numbers
        };
        for (old, new) in [
            ("1.9.1", "1.13"),
            ("1.13.1", "17.03.0-ce"),
            ("19.03.15", "20.10.24+dfsg1"),
            ("swarm/1.2.8", "1.2.9"),
            ("20.10", "v20.10.1"),
        ] {
            assert!(older(old, new) && !older(new, old), "{old} {new}");
        }
        for same in ["20.10.24", "20.10.24+dfsg1", "20.10.24-rc1"] {
            assert!(!older(same, "20.10.24") && !older("20.10.24", same));
        }
        for none in ["", "dev", "x.1", "1..2", "99999999999999999999", "swarm/"] {
            assert_eq!(Numbers::of(none), None, "{none}");
        }
    }
}
