//! `-w` and `-c` where a number alone alerts when it is reached.

use clap::{Arg, ArgMatches};

use crate::context::Failure;
use crate::status::{Limit, Limits, LimitsError, Number, Outcome, Perfdata, Status, Unit, percent};

/// The two arguments, with what each is for.
pub(super) fn arguments(warning: &'static str, critical: &'static str) -> [Arg; 2] {
    [
        argument("warning", 'w', "warn", warning),
        argument("critical", 'c', "crit", critical),
    ]
}

/// One argument of that kind. The community's plugins call `--warning` `--warn`, if it has a name.
pub(super) fn argument(
    name: &'static str,
    short: char,
    alias: &'static str,
    help: &'static str,
) -> Arg {
    Arg::new(name)
        .long(name)
        .alias(alias)
        .short(short)
        .value_name("N")
        .value_parser(|text: &str| text.parse::<Limit>())
        .help(help)
}

/// Builds the thresholds of one value: [`Limits::at_least`] or [`Limits::at_most`].
pub(super) type Build = fn(Option<Limit>, Option<Limit>) -> Result<Limits, LimitsError>;

/// The thresholds given by `-w` and `-c`, or else these.
pub(super) fn given(
    matches: &ArgMatches,
    build: Build,
    [low, high]: [Option<f64>; 2],
) -> Result<Limits, Failure> {
    named(matches, ["warning", "critical"], build, [low, high])
}

/// The thresholds given by the arguments of these names, or else these. A default that
/// contradicts the one that is given is left out.
pub(super) fn named(
    matches: &ArgMatches,
    names: [&str; 2],
    build: Build,
    [low, high]: [Option<f64>; 2],
) -> Result<Limits, Failure> {
    let [warning, critical] = values(matches, names);
    let with_defaults = build(
        warning.or(low.map(Limit::Number)),
        critical.or(high.map(Limit::Number)),
    );
    match with_defaults {
        Err(_) if warning.is_none() || critical.is_none() => Ok(build(warning, critical)?),
        done => Ok(done?),
    }
}

/// What was given by `-w` and `-c`.
pub(super) fn both<T: Copy + Send + Sync + 'static>(matches: &ArgMatches) -> [Option<T>; 2] {
    values(matches, ["warning", "critical"])
}

fn values<T: Copy + Send + Sync + 'static>(
    matches: &ArgMatches,
    names: [&str; 2],
) -> [Option<T>; 2] {
    names.map(|name| matches.get_one(name).copied())
}

/// What a value means, and the threshold that says so: `10 ms`. A range goes without the unit.
pub(super) fn judged(limits: &Limits, value: impl Into<Number>, unit: &str) -> (Status, String) {
    let status = limits.judge(value);
    (status, limit(limits, status, unit).unwrap_or_default())
}

/// The threshold that a value of this status has reached, to end what is said of it: `, threshold 10`.
pub(super) fn reached(limits: &Limits, status: Status) -> String {
    reached_in(limits, status, "")
}

/// The same with its unit: `, threshold 10%`. A range goes without it.
pub(super) fn reached_in(limits: &Limits, status: Status, unit: &str) -> String {
    let limit = limit(limits, status, unit);
    limit.map_or(String::new(), |limit| format!(", threshold {limit}"))
}

fn limit(limits: &Limits, status: Status, unit: &str) -> Option<String> {
    let limit = match status {
        Status::Critical => limits.critical(),
        Status::Warning => limits.warning(),
        Status::Ok | Status::Unknown => None,
    };
    limit.map(|limit| match limit {
        Limit::Number(number) => format!("{number}{unit}"),
        Limit::Range(range) => range.to_string(),
    })
}

/// Judges how much is used of what there is, in percent: `used of all THINGS used (PERCENT%)`.
pub(super) fn share(limits: &Limits, used: u64, all: u64, things: &str) -> Outcome {
    let percent = percent(used, all);
    let figure = Perfdata::new("used", percent, Unit::Percent);
    let figure = figure.thresholds(limits.thresholds()).min(0).max(100);
    let status = limits.judge(percent);
    let reached = reached_in(limits, status, "%");
    let what = format!("{used} of {all} {things} used ({percent}%){reached}");
    Outcome {
        perfdata: vec![figure],
        ..Outcome::new(status, what)
    }
}

/// Refuses percentages that nothing can have, given by `-w` or `-c`.
pub(super) fn refuse_above_100(matches: &ArgMatches) -> Result<(), Failure> {
    let above = |name: &&str| match matches.get_one(name) {
        Some(Limit::Number(number)) => *number > 100.0,
        Some(Limit::Range(_)) | None => false,
    };
    match ["warning", "critical"].iter().find(|name| above(name)) {
        Some(name) => Err(Failure::new(format!(
            "invalid percentage for --{name}: use at most 100, or MB with --megabytes"
        ))),
        None => Ok(()),
    }
}
