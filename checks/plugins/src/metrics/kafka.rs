//! What a Kafka cluster consists of, where its topics end, and how far consumer groups are behind.

use std::collections::BTreeMap;

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::ServiceError;
use crate::service::kafka::lag::{self, Behind, Lag};
use crate::service::kafka::{self, At, Cluster, Metadata, Partition, Topic, TopicPartition};

/// See `docs/metrics/metrics-kafka.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-kafka",
    about: "Kafka's brokers, partitions, ends of topics and lag of groups",
    scheme_suffix: "kafka",
    example: "--server 127.0.0.1:9092",
    arguments: || {
        vec![
            kafka::argument(),
            kafka::names("group", 'g', "Only these groups"),
            kafka::names("topic", 't', "Only these topics"),
        ]
    },
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let topics = kafka::given(matches, "topic");
    let mut cluster = Cluster::find(&kafka::servers(matches), context)?;
    let meant = |topic: &&Topic| kafka::is_meant(&topics, &topic.name);
    let meant: Vec<Topic> = cluster
        .metadata
        .topics
        .iter()
        .filter(meant)
        .cloned()
        .collect();
    parts(&cluster.metadata, &meant, figures);
    let mut problems = ends(&mut cluster, &meant, figures);
    let groups = kafka::given(matches, "group");
    let (lags, more) = lag::ask(&mut cluster, &groups, &topics, &[]);
    problems.extend(more);
    for (name, lag) in &lags {
        group(name, lag, figures);
    }
    for problem in problems {
        figures.problem(problem.to_string());
    }
    Ok(())
}

fn parts(metadata: &Metadata, topics: &[Topic], figures: &mut Figures) {
    figures.add(&["brokers"], metadata.brokers.len());
    if let Some(controller) = metadata.controller {
        let is_there = metadata.brokers.contains_key(&controller);
        figures.add(&["controller"], u8::from(is_there));
    }
    let count = |is: fn(&Partition) -> bool| {
        let all = topics.iter().flat_map(|topic| &topic.partitions);
        all.filter(|partition| is(partition)).count()
    };
    figures.add(&["topics"], topics.len());
    figures.add(&["partitions"], count(|_| true));
    figures.add(&["under_replicated"], count(Partition::is_under_replicated));
    figures.add(&["offline"], count(Partition::is_offline));
}

fn ends(cluster: &mut Cluster<'_>, topics: &[Topic], figures: &mut Figures) -> Vec<ServiceError> {
    let topics = topics
        .iter()
        .filter(|topic| !kafka::is_internal(&topic.name));
    let topics: Vec<&Topic> = topics.collect();
    let partitions = topics.iter().flat_map(|topic| {
        let numbers = topic.partitions.iter().map(|partition| partition.number);
        numbers.map(|number| (topic.name.clone(), number))
    });
    let partitions: Vec<TopicPartition> = partitions.collect();
    let found = cluster.offsets(&partitions, At::End);
    for topic in topics {
        let of = |partition: &Partition| {
            let name = (topic.name.clone(), partition.number);
            found.of.get(&name).copied().flatten()
        };
        // Without one of them the sum would fall, and rise again.
        let sum: Option<i64> = topic.partitions.iter().map(of).sum();
        if let Some(sum) = sum {
            figures.add(&["topic", &topic.name, "end_offset"], sum);
        }
    }
    found.problems
}

fn group(name: &str, lag: &Lag, figures: &mut Figures) {
    if let Some(group) = &lag.group {
        figures.add(&["group", name, "members"], group.members);
    }
    let mut by_topic: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for ((topic, _), behind) in &lag.partitions {
        let sum = by_topic.entry(topic).or_insert(Some(0));
        *sum = match behind {
            Behind::By(lag) => sum.map(|sum| sum.saturating_add(*lag)),
            Behind::Beyond(..) | Behind::Never(_) => *sum,
            Behind::Unknown => None,
        };
    }
    let total: Option<u64> = by_topic.values().copied().sum();
    if let Some(total) = total {
        figures.add(&["group", name, "lag"], total);
    }
    for (topic, lag) in by_topic {
        if let Some(lag) = lag {
            figures.add(&["group", name, "topic", topic, "lag"], lag);
        }
    }
}
