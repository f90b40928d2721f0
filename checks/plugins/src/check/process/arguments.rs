//! What `check-process` is given.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use regex_lite::Regex;

use crate::context::{Context, Failure};
use crate::status::{Outcome, Status};

/// The arguments of the community's plugin.
pub(super) fn arguments() -> Vec<Arg> {
    let value = |name: &'static str, short: char, value: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name).short(short);
        argument.value_name(value).help(help)
    };
    let whole = |name, short, word, help| value(name, short, word, help).value_parser(whole);
    let regex = |name, short, help| {
        value(name, short, "PATTERN", help).value_parser(|text: &str| Regex::new(text))
    };
    let list = |name, short, word, help| value(name, short, word, help).value_delimiter(',');
    let flag = |name: &'static str, short: char, help: &'static str| {
        let argument = Arg::new(name).long(name).short(short);
        argument.action(ArgAction::SetTrue).help(help)
    };
    let metrics = Metric::ALL.map(Metric::name);
    vec![
        whole("warn-over", 'w', "N", "WARNING if there are more"),
        whole("critical-over", 'c', "N", "CRITICAL if there are more"),
        whole(
            "warn-under",
            'W',
            "N",
            "WARNING if there are fewer [default: 1]",
        ),
        whole(
            "critical-under",
            'C',
            "N",
            "CRITICAL if there are fewer [default: 1]",
        ),
        value(
            "metric",
            't',
            "METRIC",
            "Judge the sum of this, not how many there are",
        )
        .value_parser(PossibleValuesParser::new(metrics)),
        flag("match-self", 'm', "Count this check itself, too"),
        flag("match-parent", 'M', "Count what started this check, too"),
        regex("pattern", 'p', "Those whose command has a match"),
        regex(
            "exclude-pattern",
            'x',
            "Not those whose command has a match",
        ),
        value(
            "file-pid",
            'f',
            "FILE",
            "The one whose number is in this file",
        )
        .value_parser(value_parser!(PathBuf)),
        flag(
            "file-pid-crit",
            'F',
            "CRITICAL, not UNKNOWN, if that file is not there",
        ),
        whole(
            "virtual-memory-size",
            'z',
            "KIB",
            "Those with more virtual memory",
        ),
        whole(
            "resident-set-size",
            'r',
            "KIB",
            "Those with more memory in use",
        ),
        value(
            "cpu-utilization",
            'P',
            "PERCENT",
            "Those that used more processor time",
        )
        .value_parser(percent),
        whole("thread-count", 'T', "N", "Those with more threads"),
        list("state", 's', "STATE[,STATE]", "Those in this state, e.g. Z"),
        list("user", 'u', "USER[,USER]", "Those of this user"),
        whole("esec-over", 'e', "SECONDS", "Those that are older"),
        whole("esec-under", 'E', "SECONDS", "Those that are younger"),
        whole(
            "cpu-over",
            'i',
            "SECONDS",
            "Those that used more processor time",
        ),
        whole(
            "cpu-under",
            'I',
            "SECONDS",
            "Those that used less processor time",
        ),
        Arg::new("encoding")
            .long("encoding")
            .value_name("ENCODING")
            .help("Taken and not needed: commands may have any bytes"),
    ]
}

fn whole(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "use a whole number".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "use a number".to_owned())
}

/// What of each process can be added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Vsz,
    Rss,
    Cpu,
    Threads,
    /// Which no process has: always 0, as with the community's plugin.
    Count,
}

impl Metric {
    const ALL: [Self; 5] = [Self::Vsz, Self::Rss, Self::Cpu, Self::Threads, Self::Count];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vsz => "vsz",
            Self::Rss => "rss",
            Self::Cpu => "cpu",
            Self::Threads => "thcount",
            Self::Count => "count",
        }
    }
}

/// The thresholds, and what else decides about the answer.
pub(super) struct Given<'a> {
    pub(super) warn_over: Option<i64>,
    pub(super) critical_over: Option<i64>,
    pub(super) warn_under: Option<i64>,
    pub(super) critical_under: Option<i64>,
    pub(super) metric: Option<Metric>,
    matches: &'a ArgMatches,
}

impl<'a> Given<'a> {
    /// Refuses thresholds of which the critical one would come before the warning.
    pub(super) fn of(matches: &'a ArgMatches) -> Result<Self, Failure> {
        let [warn_over, critical_over, warn_under, critical_under] =
            ["warn-over", "critical-over", "warn-under", "critical-under"]
                .map(|name| matches.get_one::<i64>(name).copied());
        let upside_down = |what: &str, warning: i64, critical: i64| {
            Failure::new(format!(
                "--warn-{what} {warning} and --critical-{what} {critical} are upside down: \
                 critical must not come before the warning"
            ))
        };
        match (warn_over, critical_over) {
            (Some(warning), Some(critical)) if critical < warning => {
                return Err(upside_down("over", warning, critical));
            }
            _ => {}
        }
        match (warn_under, critical_under) {
            (Some(warning), Some(critical)) if critical > warning => {
                return Err(upside_down("under", warning, critical));
            }
            _ => {}
        }
        let metric = matches.get_one::<String>("metric");
        Ok(Self {
            warn_over,
            critical_over,
            warn_under: warn_under.or(Some(1)),
            critical_under: critical_under.or(Some(1)),
            metric: metric.and_then(|name| Metric::ALL.into_iter().find(|one| one.name() == name)),
            matches,
        })
    }

    /// The number in the file of `-f` if there is one, or else the answer if it is not there.
    pub(super) fn pid_file(
        &self,
        context: &Context,
    ) -> Result<Result<Option<u32>, Outcome>, Failure> {
        let Some(path) = self.matches.get_one::<PathBuf>("file-pid") else {
            return Ok(Ok(None));
        };
        context.step(format!("reading {}", path.display()));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let status = if self.matches.get_flag("file-pid-crit") {
                    Status::Critical
                } else {
                    Status::Unknown
                };
                let what = format!("Could not read pid file {}", path.display());
                return Ok(Err(Outcome::new(status, what)));
            }
            Err(error) => return Err(Failure::read(path, &error)),
        };
        match text.trim().parse() {
            Ok(pid) => Ok(Ok(Some(pid))),
            Err(_) => Err(Failure::malformed(
                path,
                "it is not the number of a process",
            )),
        }
    }
}
