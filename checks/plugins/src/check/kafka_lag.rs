//! How far consumer groups of Kafka are behind, and whether anybody consumes.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::kafka::lag::{self, Behind, Lag};
use crate::service::kafka::{self, Cluster, TopicPartition};
use crate::status::{Findings, Limits, Outcome, Perfdata, Status, Unit, counted};

/// See `docs/checks/check-kafka-lag.md`.
pub(super) static CHECK: Check = Check {
    name: "check-kafka-lag",
    title: "CheckKafkaLag",
    about: "Kafka: how far consumer groups are behind, and their members",
    example: "--server 127.0.0.1:9092 --group my-group -w 10000 -c 100000",
    arguments,
    looks_at,
    run,
};

fn arguments() -> Vec<Arg> {
    let [warning, critical] = limits::arguments(
        "Warn if a group is this many messages behind in all [default: 10000]",
        "Critical if it is this many [default: 100000]",
    );
    let flag = |name: &'static str, help: &'static str| {
        let argument = Arg::new(name).long(name);
        argument.action(ArgAction::SetTrue).help(help)
    };
    vec![
        kafka::argument(),
        kafka::names(
            "group",
            'g',
            "Only these groups; critical if there are none",
        ),
        kafka::names("topic", 't', "Only what they consume of these topics"),
        kafka::names("topic-excludes", 'e', "Not what they consume of these"),
        Arg::new("members")
            .long("members")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .help("How many consumers each group has to have [default: 1 with --group, else 0]"),
        flag(
            "per-partition",
            "Judge the partition in which a group is behind most",
        ),
        flag(
            "allow-uncommitted",
            "Do not warn of partitions of which a group never committed anything",
        ),
        warning,
        critical,
    ]
}

fn looks_at(matches: &ArgMatches, _: &Context) -> Vec<String> {
    let groups = kafka::given(matches, "group");
    let groups: Vec<String> = if groups.is_empty() {
        vec!["all consumer groups".to_owned()]
    } else {
        let named = groups
            .iter()
            .map(|(name, _)| format!("consumer group {name}"));
        named.collect()
    };
    let servers = kafka::servers(matches);
    let servers = servers
        .iter()
        .map(|server| format!("the cluster of {server}"));
    servers.chain(groups).collect()
}

/// What is wanted of each group.
struct Wanted<'a> {
    groups: Vec<&'a kafka::Named>,
    members: u64,
    per_partition: bool,
    uncommitted: Status,
    limits: Limits,
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let groups = kafka::given(matches, "group");
    let members = u64::from(!groups.is_empty());
    let wanted = Wanted {
        groups,
        members: matches.get_one("members").copied().unwrap_or(members),
        per_partition: matches.get_flag("per-partition"),
        uncommitted: if matches.get_flag("allow-uncommitted") {
            Status::Ok
        } else {
            Status::Warning
        },
        limits: limits::given(matches, Limits::at_least, [Some(10_000.0), Some(100_000.0)])?,
    };
    let mut cluster = match Cluster::find(&kafka::servers(matches), context) {
        Ok(cluster) => cluster,
        Err(error) => return error.answer(),
    };
    let topics = kafka::given(matches, "topic");
    let excluded = kafka::given(matches, "topic-excludes");
    let (lags, problems) = lag::ask(&mut cluster, &wanted.groups, &topics, &excluded);
    Ok(judge(&lags, &problems, &wanted))
}

fn judge(lags: &BTreeMap<String, Lag>, problems: &[ServiceError], wanted: &Wanted<'_>) -> Outcome {
    let mut findings = Findings::default();
    for (name, regex) in &wanted.groups {
        if !lags.keys().any(|group| regex.is_match(group)) {
            // A broker that could not be asked may have it.
            let (status, what) = if problems.is_empty() {
                (Status::Critical, "there is no group")
            } else {
                (Status::Unknown, "there may be no group")
            };
            findings.add(status, format!("{what} {name}"));
        }
    }
    let mut perfdata = Vec::new();
    for (name, lag) in lags {
        judge_group(name, lag, wanted, &mut findings);
        let figure = |what: &str, value: u64| {
            Perfdata::new(format!("{name} {what}"), value, Unit::None).min(0)
        };
        let thresholds = wanted.limits.thresholds();
        let most = lag.most().map_or(0, |(_, lag)| lag);
        let [total, most] = [figure("lag", lag.total()), figure("most", most)];
        perfdata.extend(if wanted.per_partition {
            [total, most.thresholds(thresholds)]
        } else {
            [total.thresholds(thresholds), most]
        });
        if let Some(group) = &lag.group {
            perfdata.push(figure("members", group.members as u64));
        }
    }
    for problem in problems {
        findings.add(problem.status(), problem.to_string());
    }
    let mut outcome = findings.outcome(all_right(lags));
    outcome.perfdata = perfdata;
    outcome
}

fn judge_group(name: &str, lag: &Lag, wanted: &Wanted<'_>, findings: &mut Findings) {
    if let Some(group) = &lag.group
        && (group.members as u64) < wanted.members
    {
        let (state, members) = (&group.state, counted(group.members, "member"));
        let what = format!(
            "group {name} is {state} with {members}, expected {}",
            wanted.members
        );
        findings.add(Status::Critical, what);
    }
    let judged = if wanted.per_partition {
        lag.most().map_or(0, |(_, lag)| lag)
    } else {
        lag.total()
    };
    let status = wanted.limits.judge(judged);
    let crossed = limits::reached(&wanted.limits, status);
    let behind = behind(lag);
    findings.add(status, format!("group {name} is {behind}{crossed}"));

    let of = |is: fn(&Behind) -> bool| -> Vec<TopicPartition> {
        let all = lag.partitions.iter().filter(|(_, behind)| is(behind));
        all.map(|(partition, _)| partition.clone()).collect()
    };
    for (partition, behind) in &lag.partitions {
        if let Behind::Beyond(committed, end) = behind {
            let partition = kafka::named(std::slice::from_ref(partition));
            let what = format!(
                "group {name} has committed {committed} of {partition}, which ends at {end}; \
                 was the topic made anew?"
            );
            findings.add(Status::Warning, what);
        }
    }
    let never = of(|behind| matches!(behind, Behind::Never(1..)));
    if !never.is_empty() {
        let (named, partitions) = (kafka::named(&never), counted(never.len(), "partition"));
        let what = format!(
            "group {name} has never committed anything of {partitions} with messages: {named}"
        );
        findings.add(wanted.uncommitted, what);
    }
    let unknown = of(|behind| matches!(behind, Behind::Unknown));
    if !unknown.is_empty() {
        let named = kafka::named(&unknown);
        let what = format!("how far group {name} is behind is not known of {named}");
        findings.add(Status::Unknown, what);
    }
}

/// In words: `1500 messages behind, 1200 of them in metrics-1`.
fn behind(lag: &Lag) -> String {
    let all = format!("{} behind", counted(lag.total(), "message"));
    match lag.most() {
        Some((partition, most @ 1..)) if lag.partitions.len() > 1 => {
            let partition = kafka::named(std::slice::from_ref(partition));
            format!("{all}, {most} of them in {partition}")
        }
        _ => all,
    }
}

fn all_right(lags: &BTreeMap<String, Lag>) -> String {
    let mut all = lags.iter();
    match (all.next(), all.next()) {
        (None, _) => "there are no consumer groups".to_owned(),
        (Some((name, lag)), None) => {
            let group = lag.group.as_ref().map(|group| {
                format!(
                    "{} with {}, ",
                    group.state,
                    counted(group.members, "member")
                )
            });
            format!(
                "group {name} is {}{}",
                group.unwrap_or_default(),
                behind(lag)
            )
        }
        (Some(_), Some(_)) => {
            let most = lags.iter().rev().max_by_key(|(_, lag)| lag.total());
            let most = most.map(|(name, lag)| format!("{name}, {}", behind(lag)));
            let groups = counted(lags.len(), "group");
            format!("{groups}, the last of them {}", most.unwrap_or_default())
        }
    }
}
