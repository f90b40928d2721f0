//! Whether a Kafka cluster has its brokers, a controller, and its partitions in sync.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::kafka::{self, Cluster, Code, Metadata, Partition, Topic, TopicPartition};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-kafka.md`.
pub(super) static CHECK: Check = Check {
    name: "check-kafka",
    title: "CheckKafka",
    about: "Kafka: brokers, controller, partitions offline and under-replicated",
    example: "--server 127.0.0.1:9092 --brokers 3 -w 1 -c 10",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn from this many under-replicated partitions [default: 1]",
        "Critical from this many",
    );
    vec![
        kafka::argument(),
        Arg::new("brokers")
            .long("brokers")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .default_value("1")
            .help("How many brokers there have to be"),
        Arg::new("broker")
            .long("broker")
            .value_name("NAME")
            .action(ArgAction::Append)
            .help("One that has to be there, by number, HOST or HOST:PORT; repeat it for more"),
        kafka::names(
            "topic",
            't',
            "Only these topics; critical if there are none",
        ),
        warning,
        critical,
    ]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let servers = kafka::servers(matches);
    let servers = servers
        .iter()
        .map(|server| format!("the cluster of {server}"));
    servers.chain(["each of its brokers".to_owned()]).collect()
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(1.0), None])?;
    let mut cluster = match Cluster::find(&kafka::servers(matches), context) {
        Ok(cluster) => cluster,
        Err(error) => return error.answer(),
    };
    let brokers: Vec<i32> = cluster.metadata.brokers.keys().copied().collect();
    let mut problems = Vec::new();
    for (asked, number) in brokers.iter().enumerate() {
        problems.extend(cluster.reach(*number, brokers.len() - asked).err());
    }
    let wanted = Wanted {
        brokers: matches.get_one("brokers").copied().unwrap_or(1),
        names: matches
            .get_many("broker")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        topics: kafka::given(matches, "topic"),
    };
    Ok(judge(&cluster.metadata, &problems, &wanted, &limits))
}

/// What there has to be.
struct Wanted<'a> {
    brokers: u64,
    names: Vec<String>,
    topics: Vec<&'a kafka::Named>,
}

fn judge(
    metadata: &Metadata,
    problems: &[ServiceError],
    wanted: &Wanted<'_>,
    limits: &Limits,
) -> Outcome {
    let mut findings = Findings::default();
    let brokers = metadata.brokers.len();
    if (brokers as u64) < wanted.brokers {
        let there = counted(brokers, "broker");
        let what = format!("{there}, expected {}", wanted.brokers);
        findings.add(Status::Critical, what);
    }
    for name in wanted.names.iter().filter(|name| !is_there(metadata, name)) {
        findings.add(Status::Critical, format!("broker {name} is not there"));
    }
    for problem in problems {
        findings.add(problem.status(), problem.to_string());
    }
    let controller = match metadata.controller {
        Some(-1) => {
            findings.add(Status::Critical, "there is no controller");
            String::new()
        }
        Some(number) if !metadata.brokers.contains_key(&number) => {
            let what = format!("the controller, broker {number}, is not one of the cluster");
            findings.add(Status::Warning, what);
            String::new()
        }
        Some(number) => format!(", controller {number}"),
        None => String::new(),
    };
    let is_meant = |topic: &&Topic| kafka::is_meant(&wanted.topics, &topic.name);
    let topics: Vec<&Topic> = metadata.topics.iter().filter(is_meant).collect();
    for (name, regex) in &wanted.topics {
        if !topics.iter().any(|topic| regex.is_match(&topic.name)) {
            findings.add(Status::Critical, format!("there is no topic {name}"));
        }
    }
    let seen = Seen::of(&topics);
    seen.judge(&mut findings, limits);

    let partitions = counted(seen.partitions, "partition");
    let in_topics = counted(topics.len(), "topic");
    let there = counted(brokers, "broker");
    let how = match seen.lacking.len() {
        0 => " in sync".to_owned(),
        lacking => format!(", {lacking} under-replicated"),
    };
    let all_right = format!("{there}{controller}, {partitions} of {in_topics}{how}");
    let mut outcome = findings.outcome(all_right);
    let figure = |label: &str, value: usize| Perfdata::new(label, value, Unit::None).min(0);
    outcome.perfdata = vec![
        figure("brokers", brokers),
        figure("topics", topics.len()),
        figure("partitions", seen.partitions),
        figure("under-replicated", seen.lacking.len()).thresholds(limits.thresholds()),
        figure("offline", seen.offline.len()),
    ];
    outcome
}

fn is_there(metadata: &Metadata, name: &str) -> bool {
    metadata.brokers.iter().any(|(number, (host, port))| {
        name == number.to_string() || name == host || name == format!("{host}:{port}")
    })
}

/// How the partitions of some topics are.
#[derive(Default)]
struct Seen {
    partitions: usize,
    offline: Vec<TopicPartition>,
    lacking: Vec<TopicPartition>,
    /// The brokers that the partitions lack.
    behind: BTreeSet<i32>,
    /// What else is wrong.
    refused: Vec<(String, Code)>,
}

impl Seen {
    fn of(topics: &[&Topic]) -> Self {
        let mut seen = Self::default();
        for topic in topics {
            if is_error(topic.code) {
                seen.refused
                    .push((format!("topic {}", topic.name), topic.code));
            }
            for partition in &topic.partitions {
                seen.partition(&topic.name, partition);
            }
        }
        seen
    }

    fn partition(&mut self, topic: &str, partition: &Partition) {
        self.partitions += 1;
        let name = (topic.to_owned(), partition.number);
        if partition.is_offline() {
            self.offline.push(name);
        } else if is_error(partition.code) {
            self.refused.push((kafka::named(&[name]), partition.code));
        } else if partition.is_under_replicated() {
            self.lacking.push(name);
            self.behind.extend(partition.lacking());
        }
    }

    fn judge(&self, findings: &mut Findings, limits: &Limits) {
        let all = counted(self.partitions, "partition");
        if !self.offline.is_empty() {
            let (offline, names) = (self.offline.len(), kafka::named(&self.offline));
            let what = format!("{offline} of {all} offline, without a leader: {names}");
            findings.add(Status::Critical, what);
        }
        let (lacking, names) = (self.lacking.len(), kafka::named(&self.lacking));
        let behind: Vec<String> = self.behind.iter().map(ToString::to_string).collect();
        let status = limits.judge(lacking);
        let mut what = format!("{lacking} of {all} under-replicated");
        if lacking > 0 {
            what.push_str(&format!(", not on broker {}: {names}", behind.join(", ")));
        }
        what.push_str(&limits::reached(limits, status));
        findings.add(status, what);
        for (what, code) in &self.refused {
            findings.add(Status::Unknown, format!("{what}: {code}"));
        }
    }
}

/// Whether a topic's or partition's code says more than its leader and replicas do.
fn is_error(code: Code) -> bool {
    ![Code::NONE, Code::NO_LEADER, Code::NO_REPLICA].contains(&code)
}
