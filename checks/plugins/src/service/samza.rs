//! What Samza's containers report of themselves: the `MetricsSnapshot` messages in JSON that its
//! `MetricsSnapshotReporter` sends to a topic of Kafka, every minute if not told otherwise.
//!
//! A container sends one for itself, and one for each of its tasks; `source` says for whom.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, value_parser};
use serde::Deserialize;
use serde_json::Value;

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::kafka::{At, Cluster, TopicPartition, servers};

/// Up to how many bytes of messages are read.
const MOST: usize = 128 << 20;

/// The end of the name of a figure of `KafkaSystemConsumerMetrics`: how many messages of a partition
/// wait to be read.
const BEHIND: &str = "-messages-behind-high-watermark";

/// Who asks for containers, which is none of them.
const MASTER: &str = "ApplicationMaster";

/// What is counted as an error: the ends of the names of counters, and the beginning of one.
const ERRORS: &[&str] = &[
    "producer-send-failed",
    "flush-failed",
    "serialization error",
];
const EXCEPTION: &str = "exception-ignored-";

/// How far back is read if nothing is given, in seconds.
pub const WINDOW: u32 = 900;

/// How many messages of a partition are read at most if nothing is given.
const MESSAGES: u32 = 10_000;

/// `--server`, `--topic`, `--window`, `--messages`, `--job` and `--job-id`.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let number = |name: &'static str, value: &'static str| {
        let argument = Arg::new(name).long(name).value_name(value);
        argument.value_parser(value_parser!(u32).range(1..))
    };
    vec![
        crate::service::kafka::argument(),
        Arg::new("topic")
            .long("topic")
            .short('t')
            .value_name("NAME")
            .default_value("metrics")
            .help("The topic that containers report to"),
        number("window", "SECONDS").help("How far back to read [default: 900, or three times -c]"),
        number("messages", "N").help("At most so many of each partition [default: 10000]"),
        Arg::new("job")
            .long("job")
            .value_name("NAME")
            .help("Only the job of this name"),
        Arg::new("job-id")
            .long("job-id")
            .value_name("ID")
            .help("Only jobs of this id"),
    ]
}

/// Which job is meant.
fn is_meant(matches: &ArgMatches, header: &Header) -> bool {
    let is = |name: &str, value: &str| {
        let given = matches.get_one::<String>(name);
        given.is_none_or(|given| given == value)
    };
    is("job", &header.job_name) && is("job-id", &header.job_id)
}

#[derive(Debug, Deserialize)]
struct Snapshot {
    header: Header,
    metrics: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    job_name: String,
    job_id: String,
    container_name: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    host: String,
    /// When it was sent, and when the container began, in milliseconds since the epoch.
    time: i64,
    #[serde(default)]
    reset_time: i64,
    #[serde(default)]
    samza_version: String,
}

/// A job, by its name and id.
pub type Job = (String, String);

/// What was read.
#[derive(Debug, Default)]
pub struct Reports {
    /// The containers of the jobs, by their names.
    pub jobs: BTreeMap<Job, BTreeMap<String, Container>>,
    /// How many messages were read.
    pub messages: usize,
    /// How many of them are no such report, and what is wrong with the first.
    pub strange: Option<(usize, String)>,
    /// Why it may not be all of them.
    pub problems: Vec<ServiceError>,
    /// Whether there is such a topic.
    pub has_topic: bool,
}

/// What a container last reported.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Container {
    /// On which host.
    pub host: String,
    /// The version of Samza.
    pub version: String,
    /// When, in milliseconds since the epoch.
    pub time: i64,
    /// Since when it runs, the same.
    pub since: i64,
    /// By source.
    sources: BTreeMap<String, (i64, Figures)>,
}

/// What is kept of a snapshot.
#[derive(Debug, Default, Clone, PartialEq)]
struct Figures {
    /// Average times in seconds, by what is timed: `process`, `window`, `choose`, `commit`.
    times: BTreeMap<&'static str, f64>,
    /// How many calls, by what is called.
    calls: BTreeMap<&'static str, u64>,
    /// By partition of the input, as Samza names it.
    behind: BTreeMap<String, u64>,
    errors: u64,
    has_errors: bool,
}

/// What a container times and counts. Older versions give milliseconds.
pub const STEPS: [&str; 4] = ["process", "window", "choose", "commit"];

impl Container {
    /// When it reported, in seconds since the epoch.
    #[must_use]
    pub fn reported(&self) -> u64 {
        u64::try_from(self.time / 1000).unwrap_or_default()
    }

    /// The average time of a step in seconds, if it is reported.
    #[must_use]
    pub fn seconds(&self, step: &str) -> Option<f64> {
        let of_sources = self.sources.values();
        of_sources
            .filter_map(|(_, figures)| figures.times.get(step).copied())
            .reduce(f64::max)
    }

    /// How often a step was done since it began.
    #[must_use]
    pub fn calls(&self, step: &str) -> Option<u64> {
        let of_sources = self.sources.values();
        of_sources
            .filter_map(|(_, figures)| figures.calls.get(step).copied())
            .max()
    }

    /// How many messages of Kafka's wait to be read by it, if it is reported.
    #[must_use]
    pub fn behind(&self) -> Option<u64> {
        let mut all = self
            .sources
            .values()
            .flat_map(|(_, figures)| figures.behind.values());
        let first = *all.next()?;
        Some(all.fold(first, |sum, behind| sum.saturating_add(*behind)))
    }

    /// How many exceptions were ignored and messages could not be sent or understood since it
    /// began, if that is reported.
    #[must_use]
    pub fn errors(&self) -> Option<u64> {
        let all = self.sources.values().map(|(_, figures)| figures);
        let mut all = all.filter(|figures| figures.has_errors).peekable();
        all.peek()?;
        Some(all.fold(0, |sum, figures| sum.saturating_add(figures.errors)))
    }
}

impl Figures {
    fn of(metrics: &BTreeMap<String, BTreeMap<String, Value>>) -> Self {
        let mut figures = Self::default();
        for (group, metrics) in metrics {
            let is_container = group.ends_with(".SamzaContainerMetrics");
            for (name, value) in metrics {
                if is_container {
                    figures.step(name, value);
                }
                if let Some(partition) = name.strip_suffix(BEHIND) {
                    // A gauge that has no value yet is below 0, or null.
                    let behind = value.as_u64();
                    figures
                        .behind
                        .extend(behind.map(|behind| (partition.to_owned(), behind)));
                }
                if name.starts_with(EXCEPTION) || ERRORS.iter().any(|end| name.ends_with(end)) {
                    figures.has_errors |= value.is_u64();
                    let errors = value.as_u64().unwrap_or_default();
                    figures.errors = figures.errors.saturating_add(errors);
                }
            }
        }
        figures
    }

    fn step(&mut self, name: &str, value: &Value) {
        for step in STEPS {
            match name.strip_prefix(step) {
                Some("-ns") => {
                    let time = value.as_f64().map(|nanoseconds| (step, nanoseconds / 1e9));
                    self.times.extend(time);
                }
                Some("-ms") => {
                    let time = value
                        .as_f64()
                        .map(|milliseconds| (step, milliseconds / 1e3));
                    self.times.extend(time);
                }
                Some("-calls") => self.calls.extend(value.as_u64().map(|calls| (step, calls))),
                _ => {}
            }
        }
    }
}

impl Reports {
    /// Each is named once, however often it came up.
    fn problem(&mut self, problems: impl IntoIterator<Item = ServiceError>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    fn add(&mut self, message: &[u8], since: i64, is_meant: impl Fn(&Header) -> bool) {
        self.messages += 1;
        let snapshot: Snapshot = match serde_json::from_slice(message) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let first = || (0, error.to_string());
                self.strange.get_or_insert_with(first).0 += 1;
                return;
            }
        };
        let header = snapshot.header;
        if header.container_name == MASTER || header.time < since || !is_meant(&header) {
            return;
        }
        let job = self
            .jobs
            .entry((header.job_name, header.job_id))
            .or_default();
        let container = job.entry(header.container_name).or_default();
        // One that was started anew has other tasks than before.
        if header.reset_time > container.since {
            container.since = header.reset_time;
            container.sources.clear();
        }
        if header.time >= container.time {
            container.time = header.time;
            container.host = header.host;
            container.version = header.samza_version;
        }
        let is_old = header.reset_time < container.since;
        let source = container.sources.entry(header.source).or_default();
        if header.time >= source.0 && !is_old {
            *source = (header.time, Figures::of(&snapshot.metrics));
        }
    }
}

/// Reads what containers have reported within so many seconds.
pub fn reports(
    matches: &ArgMatches,
    window: u32,
    context: &Context,
) -> Result<Reports, ServiceError> {
    let topic = matches
        .get_one::<String>("topic")
        .cloned()
        .unwrap_or_default();
    let messages = matches.get_one("messages").copied().unwrap_or(MESSAGES);
    let mut cluster = Cluster::find(&servers(matches), context)?;
    let mut reports = Reports::default();
    let found = cluster
        .metadata
        .topics
        .iter()
        .find(|found| found.name == topic);
    let Some(found) = found else {
        return Ok(reports);
    };
    reports.has_topic = true;
    let offline = found
        .partitions
        .iter()
        .filter(|partition| partition.is_offline())
        .count();
    if offline > 0 {
        reports.problems.push(ServiceError::Unclear(format!(
            "{offline} of {} partitions of topic {topic} have no leader",
            found.partitions.len()
        )));
    }
    let numbers = found.partitions.iter().map(|partition| partition.number);
    let partitions: Vec<TopicPartition> = numbers.map(|number| (topic.clone(), number)).collect();

    let now = i64::try_from(context.now).unwrap_or(i64::MAX);
    let since = now.saturating_sub(window.into()).saturating_mul(1000);
    let mut ends = cluster.offsets(&partitions, At::End);
    let mut begins = cluster.offsets(&partitions, At::Beginning);
    for found in [&mut ends, &mut begins] {
        reports.problem(found.problems.drain(..));
    }
    // Where a time is not found, it may be that messages have none: those of producers before 0.10;
    // or that the broker, before 0.10.1, cannot tell.
    let by_time = cluster.offsets(&partitions, At::Time(since)).of;
    let mut ranges = BTreeMap::new();
    for (partition, end) in &ends.of {
        let (Some(end), Some(Some(begin))) = (end, begins.of.get(partition)) else {
            continue;
        };
        let by_time = by_time.get(partition).copied().flatten();
        let last = end.saturating_sub(messages.into());
        let from = by_time.unwrap_or(*begin).max(*begin).max(last);
        ranges.insert(partition.clone(), (from, *end));
    }
    let problems = cluster.read(&ranges, MOST, |message| {
        reports.add(message, since, |header| is_meant(matches, header));
    });
    reports.problem(problems);
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTAINER: &str =
        include_str!("../../../../tests/fixtures/services/kafka/samza-container.json");

    /// A report of a container that began and reported then.
    fn report(began: i64, time: i64, process: &str) -> String {
        CONTAINER
            .replace("\"@TIME@\"", &time.to_string())
            .replace("1453048000000", &began.to_string())
            .replace("1520000.5", process)
    }

    fn read(messages: &[String]) -> Reports {
        let mut reports = Reports::default();
        for message in messages {
            reports.add(message.as_bytes(), 10, |_| true);
        }
        reports
    }

    #[test]
    fn the_last_report_counts_in_whatever_order_they_come() {
        let mut all = [
            report(1, 20, "2e9"),
            report(5, 30, "3e9"),
            report(5, 25, "4e9"),
            // Sent by the one before, and on its way for long.
            report(1, 40, "5e9"),
            // Older than what is wanted.
            report(9, 9, "6e9"),
        ];
        for _ in 0..all.len() {
            let reports = read(&all);
            let container = &reports.jobs[&("wordcount".to_owned(), "1".to_owned())]["@CONTAINER@"];
            assert_eq!(container.seconds("process"), Some(3.0));
            assert_eq!((container.since, container.time), (5, 40));
            all.rotate_left(1);
        }
        let master = report(1, 20, "1").replace("@CONTAINER@", MASTER);
        assert!(read(&[master]).jobs.is_empty());
    }

    #[test]
    fn a_report_that_is_cut_is_strange() {
        let whole = report(1, 20, "1");
        let whole = whole.trim_end();
        for cut in 0..whole.len() {
            let reports = read(&[whole.get(..cut).unwrap().to_owned()]);
            assert!(
                reports.jobs.is_empty() && reports.strange.is_some(),
                "{cut}"
            );
        }
    }

    proptest! {
            #[test]
            fn any_value_is_read_or_left_out(
                value in "[-0-9.eE]{1,30}|null|true|\"[a-z]*\"|\\[\\]|\\{\\}", time in any::<i64>()
            ) {
                let text = report(time, time, &value).replace("1093", &value).replace('7', &value);
                let reports = read(&[text]);
                for container in reports.jobs.values().flat_map(BTreeMap::values) {
    let time = container.seconds("process");
                    prop_assert!(time.is_none_or(f64::is_finite), "{time:?}");
                    prop_assert_eq!(container.errors(), None);
                    let _behind: Option<u64> = container.behind();
                }
            }
        }
}
