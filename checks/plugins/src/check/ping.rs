//! Whether a host answers to ICMP echo, how often, and how fast.

use std::str::FromStr;

use clap::{Arg, ArgMatches};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ping::{self, Pings};
use crate::status::{
    Findings, Limit, Limits, LimitsError, Outcome, Perfdata, Status, Unit, hundredths,
};

/// See `docs/checks/check-ping.md`.
pub(super) static CHECK: Check = Check {
    name: "check-ping",
    title: "CheckPING",
    about: "Whether a host answers to ICMP echo (ping), and how fast",
    example: "--host 127.0.0.1 -w 100,20% -c 500,60%",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let limit = |name: &'static str, short, alias, default, help| {
        Arg::new(name)
            .long(name)
            .alias(alias)
            .short(short)
            .value_name("MS,LOSS%")
            .value_parser(|text: &str| text.parse::<Given>())
            .default_value(default)
            .help(help)
    };
    let ratio = |name: &'static str, short, help| {
        Arg::new(name)
            .long(name)
            .short(short)
            .value_name("RATIO")
            .value_parser(ratio)
            .help(help)
    };
    let own = [
        limit(
            "warning",
            'w',
            "warn",
            "100,20%",
            "Round trip on average, and how many are lost, that are worth a warning",
        ),
        limit(
            "critical",
            'c',
            "crit",
            "500,60%",
            "Those that are critical",
        ),
        ratio(
            "warn-ratio",
            'W',
            "Warn if this share of them is answered, or less, whatever -w has for that",
        ),
        ratio(
            "critical-ratio",
            'C',
            "Critical if this share of them is answered, or less, whatever -c has for that",
        ),
    ];
    ping::arguments().into_iter().chain(own).collect()
}

/// `100,20%`, `100` or `20%`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Given {
    /// In milliseconds.
    average: Option<f64>,
    /// In percent.
    loss: Option<f64>,
}

impl FromStr for Given {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use MILLISECONDS,LOSS% as in 100,20%, or one of the two";
        let number = |text: &str| {
            let number = text.parse().ok();
            number.filter(|number: &f64| number.is_finite() && *number >= 0.0)
        };
        let mut given = Self {
            average: None,
            loss: None,
        };
        for part in text.split(',') {
            let (place, text) = match part.strip_suffix('%') {
                Some(percent) => (&mut given.loss, percent),
                None => (&mut given.average, part),
            };
            let number = number(text).ok_or(FORM)?;
            if place.replace(number).is_some() {
                return Err(FORM);
            }
        }
        if given.loss.is_some_and(|loss| loss > 100.0) {
            return Err("more than 100% cannot be lost");
        }
        Ok(given)
    }
}

fn ratio(text: &str) -> Result<f64, &'static str> {
    let ratio = text.parse().ok();
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or("use a share from 0 to 1, as in 0.5")
}

/// The thresholds of the average and of the loss.
fn limits(matches: &ArgMatches) -> Result<[Limits; 2], LimitsError> {
    let given = limits::both::<Given>(matches);
    let ratios = ["warn-ratio", "critical-ratio"].map(|name| matches.get_one::<f64>(name));
    let [average_warning, average_critical] = given.map(|given| given?.average);
    let [of_warning, of_critical] = given.map(|given| given?.loss);
    let [warning, critical] =
        ratios.map(|ratio| ratio.map(|ratio| hundredths(100.0 * (1.0 - ratio))));
    let [warning, critical] = [warning.or(of_warning), critical.or(of_critical)];
    // A default that contradicts what is given is left out.
    let is_default =
        |name| matches.value_source(name) == Some(clap::parser::ValueSource::DefaultValue);
    let pair = |warning: Option<Limit>, critical: Option<Limit>, defaults: [bool; 2]| {
        let both = Limits::at_least(warning, critical);
        match defaults {
            [true, _] if both.is_err() => Limits::at_least(None, critical),
            [_, true] if both.is_err() => Limits::at_least(warning, None),
            _ => both,
        }
    };
    let [no_warning, no_critical] = ["warning", "critical"].map(is_default);
    let averages = [average_warning, average_critical];
    let [average_warning, average_critical] = averages.map(|limit| limit.map(Limit::Number));
    let losses = [warning, critical];
    let [warning, critical] = losses.map(|limit| limit.map(Limit::Number));
    let [as_w, as_c] = ratios.map(|ratio| ratio.is_none());
    Ok([
        pair(average_warning, average_critical, [no_warning, no_critical])?,
        pair(warning, critical, [no_warning && as_w, no_critical && as_c])?,
    ])
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    vec![format!("{}, by ICMP echo", ping::host(matches))]
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits(matches)?;
    let host = ping::host(matches);
    let pings = ping::ping(matches, context)?;
    Ok(judge(host, &pings, &limits))
}

fn judge(host: &str, pings: &Pings, [average, loss]: &[Limits; 2]) -> Outcome {
    let mut findings = Findings::default();
    let (answered, sent) = (pings.times.len(), pings.sent);
    let percent = hundredths(pings.loss());
    let unsuccessful =
        format!("ICMP ping unsuccessful for host: {host} (successful: {answered}/{sent})");
    let why = pings
        .why
        .as_ref()
        .map_or(String::new(), |why| format!(": {why}"));
    let mut perfdata = Vec::new();
    let mut right = String::new();
    if let Some(time) = pings.average() {
        let status = loss.judge(percent);
        let reached = limits::reached(loss, status);
        findings.add(
            status,
            format!("{unsuccessful}, {percent}% lost{reached}{why}"),
        );
        // To the microsecond.
        let time = (time * 1000.0).round() / 1000.0;
        let slow = average.judge(time);
        let reached = limits::reached(average, slow);
        findings.add(
            slow,
            format!("{host} answers after {time} ms on average{reached}"),
        );
        right = format!(
            "ICMP ping successful for host: {host} ({answered}/{sent}), {time} ms on average"
        );
        let figure = Perfdata::new("rta", time / 1000.0, Unit::Seconds);
        perfdata.push(figure.thresholds(in_seconds(average).thresholds()).min(0));
    } else {
        findings.add(Status::Critical, format!("{unsuccessful}{why}"));
    }
    let figure = Perfdata::new("loss", percent, Unit::Percent);
    perfdata.push(figure.thresholds(loss.thresholds()).min(0).max(100));
    let mut outcome = findings.outcome(right);
    outcome.perfdata = perfdata;
    outcome
}

/// Figures are in seconds, and thresholds of the average were given in milliseconds.
fn in_seconds(limits: &Limits) -> Limits {
    let scaled = |limit: Option<Limit>| match limit? {
        Limit::Number(number) => Some(Limit::Number(number / 1000.0)),
        range @ Limit::Range(_) => Some(range),
    };
    Limits::at_least(scaled(limits.warning()), scaled(limits.critical())).unwrap_or(*limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::command;
    use std::time::Duration;

    fn judged(sent: u16, times: &[f64], args: &[&str]) -> (Status, String) {
        let args = [&["check-ping", "--host", "venus001"], args].concat();
        let matches = command(&CHECK).get_matches_from(args);
        let pings = Pings {
            sent,
            times: times.to_vec(),
            why: None,
            took: Duration::ZERO,
        };
        let outcome = judge("venus001", &pings, &limits(&matches).unwrap());
        (outcome.status, outcome.what)
    }

    #[test]
    fn loss_and_time_are_judged() {
        for (sent, times, args, status, what) in [
            (
                2,
                &[1.0, 2.0005][..],
                &[][..],
                Status::Ok,
                "ICMP ping successful for host: venus001 (2/2), 1.5 ms on average",
            ),
            (
                5,
                &[1.0; 4],
                &[],
                Status::Warning,
                "ICMP ping unsuccessful for host: venus001 (successful: 4/5), 20% lost, threshold 20",
            ),
            (
                5,
                &[1.0; 2],
                &[],
                Status::Critical,
                "ICMP ping unsuccessful for host: venus001 (successful: 2/5), 60% lost, threshold 60",
            ),
            (
                2,
                &[100.0, 100.0],
                &[],
                Status::Warning,
                "venus001 answers after 100 ms on average, threshold 100",
            ),
            (
                4,
                &[600.0; 2],
                &[],
                Status::Critical,
                "venus001 answers after 600 ms on average, threshold 500; \
                 ICMP ping unsuccessful for host: venus001 (successful: 2/4), 50% lost, threshold 20",
            ),
            (
                3,
                &[],
                &["-w", "100", "-c", "500"],
                Status::Critical,
                "ICMP ping unsuccessful for host: venus001 (successful: 0/3)",
            ),
            // As the community's: when this share is answered, or less.
            (
                4,
                &[1.0; 2],
                &["-W", "0.5", "-C", "0.2"],
                Status::Warning,
                "ICMP ping unsuccessful for host: venus001 (successful: 2/4), 50% lost, threshold 50",
            ),
            (
                4,
                &[1.0; 3],
                &["-W", "0.5", "-C", "0.2"],
                Status::Ok,
                "ICMP ping successful for host: venus001 (3/4), 1 ms on average",
            ),
            // The default for critical does not fit, and is left out.
            (
                4,
                &[1.0; 1],
                &["-w", "90%"],
                Status::Ok,
                "ICMP ping successful for host: venus001 (1/4), 1 ms on average",
            ),
        ] {
            assert_eq!(
                judged(sent, times, args),
                (status, what.to_owned()),
                "{args:?}"
            );
        }
    }

    #[test]
    fn figures_are_in_seconds() {
        let matches = command(&CHECK).get_matches_from(["check-ping"]);
        let pings = Pings {
            sent: 4,
            times: vec![1.0, 2.0, 3.0],
            why: Some("No route | 'x'=1".to_owned()),
            took: Duration::ZERO,
        };
        let outcome = judge("v\nw", &pings, &limits(&matches).unwrap());
        assert_eq!(
            outcome.text("CheckPING", true),
            "CheckPING WARNING: ICMP ping unsuccessful for host: v w (successful: 3/4), 25% lost, \
             threshold 20: No route / 'x'=1 | 'rta'=0.002s;0.1;0.5;0 'loss'=25%;20;60;0;100\n"
        );
    }

    #[test]
    fn thresholds_that_make_no_sense_are_refused() {
        for bad in [
            "",
            "x",
            "100,20",
            "20%,30%",
            "101%",
            "-1",
            "100,20%,5",
            "nan",
            "inf%",
        ] {
            assert!(bad.parse::<Given>().is_err(), "{bad:?}");
        }
        for args in [
            ["-w", "200", "-c", "100"],
            ["-w", "60%", "-c", "20%"],
            ["-W", "0.2", "-C", "0.5"],
        ] {
            let args = [&["check-ping"], &args[..]].concat();
            let matches = command(&CHECK).get_matches_from(args);
            assert!(limits(&matches).is_err());
        }
    }
}
