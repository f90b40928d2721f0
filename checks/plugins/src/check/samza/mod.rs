//! Whether Samza's jobs and containers report, and how they are.
//!
//! Those that have reported are kept in a state file, so that one that died is missed.

mod remembered;
mod seen;

use std::collections::BTreeMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use venus_collectors::state::StateFile;

use crate::check::remember::{self, with_trouble};
use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::kafka;
use crate::service::samza::{self, Job, Reports};
use crate::status::{Findings, Limit, Limits, Outcome, Status, counted};
use remembered::{Last, Remembered};
use seen::Seen;

/// See `docs/checks/check-samza.md`.
pub(super) static CHECK: Check = Check {
    name: "check-samza",
    title: "CheckSamza",
    about: "Samza: jobs and containers, by what they report to Kafka",
    example: "--server 127.0.0.1:9092 --job my-job --containers 2 -w 180 -c 300",
    arguments,
    looks_at,
    run,
};

/// The arguments of thresholds that are not set if they are not given.
const LAG: [&str; 2] = ["lag-warning", "lag-critical"];
const PROCESS: [&str; 2] = ["process-warning", "process-critical"];
const ERRORS: [&str; 2] = ["errors-warning", "errors-critical"];

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn if a container last reported this many seconds ago [default: 180]",
        "Critical if it did this many seconds ago [default: 300]",
    );
    let limit = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(|text: &str| text.parse::<Limit>())
            .help(help)
    };
    let [lag, process, errors] = [LAG, PROCESS, ERRORS];
    let more = vec![
        Arg::new("containers")
            .long("containers")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .help("How many containers each job has to have"),
        Arg::new("container")
            .long("container")
            .value_name("NAME")
            .action(ArgAction::Append)
            .help("One that each job has to have; repeat it for more"),
        Arg::new("forget")
            .long("forget")
            .value_name("SECONDS")
            .value_parser(value_parser!(u64))
            .default_value("86400")
            .conflicts_with_all(["containers", "container"])
            .help(
                "Alert for so long that a container has not reported any more; 0: \
                 as soon as it is in no message that is read, it is as if it never was",
            ),
        warning,
        critical,
        limit(
            lag[0],
            "Warn if a job has this many messages of Kafka's to read",
        ),
        limit(lag[1], "Critical if it has this many"),
        limit(
            process[0],
            "Warn if a container takes this many milliseconds for a message",
        ),
        limit(process[1], "Critical if it takes this many"),
        limit(
            errors[0],
            "Warn from this many errors of a container since it began",
        ),
        limit(errors[1], "Critical from this many"),
    ];
    samza::arguments().into_iter().chain(more).collect()
}

/// Where containers are remembered, unless those to be there are given, or none are to be.
fn state_file(matches: &ArgMatches, context: &Context) -> Option<StateFile> {
    let are_given = ["containers", "container"].map(|name| matches.contains_id(name));
    if are_given.contains(&true) || forget(matches) == 0 {
        return None;
    }
    let told = remember::told(matches, &arguments());
    Some(remember::file(CHECK.name, &told, context))
}

/// After how many seconds a container is forgotten.
fn forget(matches: &ArgMatches) -> u64 {
    matches.get_one("forget").copied().unwrap_or_default()
}

fn looks_at(matches: &ArgMatches, context: &Context) -> Vec<String> {
    let topic = matches
        .get_one::<String>("topic")
        .cloned()
        .unwrap_or_default();
    let servers = kafka::servers(matches);
    let servers = servers
        .iter()
        .map(|server| format!("topic {topic} of the cluster of {server}"));
    let file = state_file(matches, context);
    let file = file.map(|file| file.path().display().to_string());
    servers.chain(file).collect()
}

/// What is wanted.
struct Wanted {
    topic: String,
    job: Option<String>,
    job_id: Option<String>,
    /// How far back to read, in seconds.
    window: u32,
    containers: u64,
    names: Vec<String>,
    age: Limits,
    lag: Limits,
    process: Limits,
    errors: Limits,
}

impl Wanted {
    fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let wanted = Self::of_all(matches)?;
        let (forget, window) = (forget(matches), wanted.window);
        let is_given = matches.value_source("forget") == Some(ValueSource::CommandLine);
        if is_given && forget > 0 && forget <= window.into() {
            return Err(Failure::new(format!(
                "--forget {forget} is not longer than the window of {window} s, \
                 in which all that report are seen"
            )));
        }
        Ok(wanted)
    }

    fn of_all(matches: &ArgMatches) -> Result<Self, Failure> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let none = |names| limits::named(matches, names, Limits::at_least, [None, None]);
        let age = limits::given(matches, Limits::at_least, [Some(180.0), Some(300.0)])?;
        Ok(Self {
            window: window(matches.get_one("window").copied(), &age)?,
            topic: text("topic").unwrap_or_default(),
            job: text("job"),
            job_id: text("job-id"),
            containers: matches.get_one("containers").copied().unwrap_or_default(),
            names: matches
                .get_many("container")
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
            age,
            lag: none(LAG)?,
            process: none(PROCESS)?,
            errors: none(ERRORS)?,
        })
    }

    /// In words: which job.
    fn which(&self) -> String {
        let mut words = "job".to_owned();
        if let Some(name) = &self.job {
            words.push_str(&format!(" {name}"));
        }
        if let Some(id) = &self.job_id {
            words.push_str(&format!(" with id {id}"));
        }
        words
    }
}

/// How far back to read: further than what is critical, as what is not read is not known to be silent.
fn window(given: Option<u32>, age: &Limits) -> Result<u32, Failure> {
    let critical = match age.critical() {
        Some(Limit::Number(seconds)) => seconds,
        Some(Limit::Range(_)) | None => 0.0,
    };
    match given {
        Some(window) if f64::from(window) <= critical => Err(Failure::new(format!(
            "--window {window} is not longer than {critical}, which is critical; \
             what is silent for longer than the window is not seen"
        ))),
        Some(window) => Ok(window),
        None => {
            let least = (3.0 * critical).clamp(f64::from(samza::WINDOW), f64::from(u32::MAX));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is between 900 and the largest"
            )]
            Ok(least as u32)
        }
    }
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let wanted = Wanted::of(matches)?;
    let reports = match samza::reports(matches, wanted.window, context) {
        Ok(reports) => reports,
        Err(error) => return error.answer(),
    };
    let file = state_file(matches, context);
    let remembered = file.map_or(Remembered::default(), |file| {
        Remembered::of(&file, &reports, forget(matches), context)
    });
    let outcome = judge(&reports, &remembered, &wanted, context.now);
    Ok(with_trouble(outcome, remembered.trouble))
}

fn judge(reports: &Reports, remembered: &Remembered, wanted: &Wanted, now: u64) -> Outcome {
    let mut findings = Findings::default();
    let (topic, which) = (&wanted.topic, wanted.which());
    for problem in &reports.problems {
        findings.add(problem.status(), problem.to_string());
    }
    let messages = counted(reports.messages, "message");
    let mut strange = reports.strange.as_ref().map(|(count, why)| {
        format!("{count} of {messages} of topic {topic} are no reports: {why}")
    });
    if reports.jobs.is_empty() && reports.problems.is_empty() {
        let all_strange =
            matches!(&reports.strange, Some((count, _)) if *count == reports.messages);
        let within = wanted.window;
        let (status, what) = match strange.take() {
            Some(strange) if all_strange => (Status::Unknown, strange),
            _ if !reports.has_topic => (
                Status::Critical,
                format!("there is no topic {topic}, so no {which} reports"),
            ),
            _ => (
                Status::Critical,
                format!(
                    "no {which} has reported to topic {topic} within {within} s, in {messages}"
                ),
            ),
        };
        findings.add(status, what);
    }
    // Where something could not be read, what is missing may be in there.
    let missing = match reports.problems.as_slice() {
        [] => Status::Critical,
        [_, ..] => Status::Unknown,
    };
    let (mut right, mut perfdata) = (Vec::new(), Vec::new());
    let mut jobs: BTreeMap<&Job, Vec<&Last>> = BTreeMap::new();
    jobs.extend(reports.jobs.keys().map(|job| (job, Vec::new())));
    for last in &remembered.vanished {
        jobs.entry(&last.job).or_default().push(last);
    }
    for (job, vanished) in &jobs {
        let seen = Seen::of(job, reports.jobs.get(*job), vanished, now);
        seen.judge(wanted, missing, &mut findings);
        right.push(seen.words());
        perfdata.extend(seen.perfdata(wanted));
    }
    let mut all_right = match right.as_slice() {
        [one] => one.clone(),
        _ => format!(
            "{}, {} in all",
            counted(right.len(), "job"),
            counted(
                reports.jobs.values().map(BTreeMap::len).sum::<usize>(),
                "container"
            )
        ),
    };
    if remembered.is_first {
        all_right.push_str(", first run, containers that vanish are missed from here on");
    }
    let mut outcome = findings.outcome(all_right);
    outcome.perfdata = perfdata;
    outcome.details.extend(strange);
    outcome
}
