//! Whether Samza's jobs and containers report, and how they are.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::kafka;
use crate::service::samza::{self, Container, Job, Reports};
use crate::status::{
    Findings, Limit, Limits, Outcome, Perfdata, Status, Unit, counted, hundredths,
};

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

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let topic = matches
        .get_one::<String>("topic")
        .cloned()
        .unwrap_or_default();
    let servers = kafka::servers(matches);
    let servers = servers
        .iter()
        .map(|server| format!("topic {topic} of the cluster of {server}"));
    servers.collect()
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
    match samza::reports(matches, wanted.window, context) {
        Ok(reports) => Ok(judge(&reports, &wanted, context.now)),
        Err(error) => error.answer(),
    }
}

fn judge(reports: &Reports, wanted: &Wanted, now: u64) -> Outcome {
    let mut findings = Findings::default();
    let (topic, which) = (&wanted.topic, wanted.which());
    for problem in &reports.problems {
        findings.add(problem.status(), problem.to_string());
    }
    let mut strange = Vec::new();
    if let Some((count, why)) = &reports.strange {
        let messages = counted(reports.messages, "message");
        strange.push(format!(
            "{count} of {messages} of topic {topic} are no reports: {why}"
        ));
    }
    if reports.jobs.is_empty() && reports.problems.is_empty() {
        let (status, what) = match strange.pop() {
            _ if !reports.has_topic => (
                Status::Critical,
                format!("there is no topic {topic}, so no {which} reports"),
            ),
            Some(strange)
                if reports
                    .strange
                    .as_ref()
                    .is_some_and(|(count, _)| *count == reports.messages) =>
            {
                (Status::Unknown, strange)
            }
            _ => (
                Status::Critical,
                format!(
                    "no {which} has reported to topic {topic} within {} s, in {}",
                    wanted.window,
                    counted(reports.messages, "message")
                ),
            ),
        };
        return Outcome::new(status, what);
    }
    let (mut right, mut perfdata) = (Vec::new(), Vec::new());
    for (job, containers) in &reports.jobs {
        let seen = Seen::of(job, containers.iter(), now);
        seen.judge(wanted, &mut findings);
        right.push(seen.words());
        perfdata.extend(seen.perfdata(wanted));
    }
    let mut outcome = findings.outcome(match right.as_slice() {
        [one] => one.clone(),
        _ => format!(
            "{}, {} in all",
            counted(right.len(), "job"),
            counted(
                reports.jobs.values().map(BTreeMap::len).sum::<usize>(),
                "container"
            )
        ),
    });
    outcome.perfdata = perfdata;
    outcome.details.extend(strange);
    outcome
}

/// A job's containers.
struct Seen<'a> {
    name: String,
    containers: Vec<One<'a>>,
}

/// A container.
struct One<'a> {
    name: &'a str,
    host: &'a str,
    /// How long ago it reported, in seconds; 0 where its clock is ahead.
    age: u64,
    container: &'a Container,
}

impl<'a> Seen<'a> {
    fn of(
        (name, id): &Job,
        containers: impl Iterator<Item = (&'a String, &'a Container)>,
        now: u64,
    ) -> Self {
        let containers = containers.map(|(name, container)| One {
            name,
            host: &container.host,
            age: now.saturating_sub(u64::try_from(container.time / 1000).unwrap_or_default()),
            container,
        });
        Self {
            name: format!("{name} {id}"),
            containers: containers.collect(),
        }
    }

    fn judge(&self, wanted: &Wanted, findings: &mut Findings) {
        let job = &self.name;
        let there = self.containers.len();
        if (there as u64) < wanted.containers {
            let (there, expected) = (counted(there, "container"), wanted.containers);
            let what = format!("job {job}: {there} reported, expected {expected}");
            findings.add(Status::Critical, what);
        }
        for name in &wanted.names {
            if !self.containers.iter().any(|one| one.name == name) {
                findings.add(
                    Status::Critical,
                    format!("job {job}: {name} has not reported"),
                );
            }
        }
        for One {
            name,
            host,
            age,
            container,
        } in &self.containers
        {
            let mut add = |limits: &Limits, status, what: String| {
                let crossed = limits::crossed(limits, status);
                findings.add(
                    status,
                    format!("job {job}: {name} on {host} {what}{crossed}"),
                );
            };
            let status = wanted.age.judge(*age);
            add(&wanted.age, status, format!("last reported {age} s ago"));
            if let Some(time) = container.seconds("process") {
                let milliseconds = hundredths(time * 1e3);
                let status = wanted.process.judge(milliseconds);
                let what = format!("takes {milliseconds} ms for a message");
                add(&wanted.process, status, what);
            }
            if let Some(errors) = container.errors() {
                let status = wanted.errors.judge(errors);
                add(
                    &wanted.errors,
                    status,
                    format!("has had {}", counted(errors, "error")),
                );
            }
        }
        if let Some(lag) = self.lag() {
            let status = wanted.lag.judge(lag);
            let crossed = limits::crossed(&wanted.lag, status);
            let messages = counted(lag, "message");
            findings.add(status, format!("job {job} has {messages} to read{crossed}"));
        }
    }

    /// Of all containers that tell.
    fn lag(&self) -> Option<u64> {
        let all = self
            .containers
            .iter()
            .filter_map(|one| one.container.behind());
        all.reduce(u64::saturating_add)
    }

    /// The slowest container's time for a message, in seconds.
    fn process(&self) -> Option<f64> {
        let all = self
            .containers
            .iter()
            .filter_map(|one| one.container.seconds("process"));
        all.reduce(f64::max)
    }

    fn age(&self) -> u64 {
        let all = self.containers.iter().map(|one| one.age);
        all.max().unwrap_or_default()
    }

    fn words(&self) -> String {
        let containers = counted(self.containers.len(), "container");
        let mut words = format!(
            "job {}: {containers}, last reported at most {} s ago",
            self.name,
            self.age()
        );
        if let Some(time) = self.process() {
            words.push_str(&format!(", {} ms for a message", hundredths(time * 1e3)));
        }
        if let Some(lag) = self.lag() {
            words.push_str(&format!(", {} to read", counted(lag, "message")));
        }
        words
    }

    fn perfdata(&self, wanted: &Wanted) -> Vec<Perfdata> {
        let label = |what: &str| format!("{} {what}", self.name);
        let mut figures = vec![
            Perfdata::new(label("containers"), self.containers.len(), Unit::None).min(0),
            Perfdata::new(label("age"), self.age(), Unit::Seconds)
                .thresholds(wanted.age.thresholds())
                .min(0),
        ];
        // The threshold is in milliseconds, the figure in seconds, so it goes without.
        let process = self.process();
        figures.extend(
            process.map(|time| Perfdata::new(label("process"), time, Unit::Seconds).min(0)),
        );
        figures.extend(self.lag().map(|lag| {
            let figure = Perfdata::new(label("lag"), lag, Unit::None);
            figure.thresholds(wanted.lag.thresholds()).min(0)
        }));
        let errors = self
            .containers
            .iter()
            .filter_map(|one| one.container.errors());
        figures.extend(errors.reduce(u64::max).map(|errors| {
            let figure = Perfdata::new(label("errors"), errors, Unit::None);
            figure.thresholds(wanted.errors.thresholds()).min(0)
        }));
        figures
    }
}
