//! How far consumer groups are behind, of which a check and metrics want the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, Cluster, Found, Group, Named, TopicPartition, is_internal, is_meant};
use crate::service::ServiceError;

/// A group and how far it is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lag {
    /// How it is; none where the brokers are too old to tell.
    pub group: Option<Group>,
    /// By partition, of all topics of which it has committed anything.
    pub partitions: BTreeMap<TopicPartition, Behind>,
}

/// How far a group is behind in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// By this many messages.
    By(u64),
    /// It has committed this, which is beyond the end, which is this: the topic was made anew.
    Beyond(i64, i64),
    /// It has never committed anything, with this many messages there.
    Never(u64),
    /// The end is not known.
    Unknown,
}

impl Lag {
    /// All that it is behind by, as far as that is known.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.known().map(|(_, lag)| lag).sum()
    }

    /// The partition in which it is behind most.
    #[must_use]
    pub fn most(&self) -> Option<(&TopicPartition, u64)> {
        // The first of several.
        self.known().rev().max_by_key(|(_, lag)| *lag)
    }

    fn known(&self) -> impl DoubleEndedIterator<Item = (&TopicPartition, u64)> {
        self.partitions
            .iter()
            .filter_map(|(name, behind)| match behind {
                Behind::By(lag) => Some((name, *lag)),
                _ => None,
            })
    }
}

/// The groups that are meant, by their names, and what could not be found out. A group of a name
/// that is given, and that there is not, is not among them.
pub fn ask(
    cluster: &mut Cluster<'_>,
    groups: &[&Named],
    topics: &[&Named],
    excluded: &[&Named],
) -> (BTreeMap<String, Lag>, Vec<ServiceError>) {
    let mut asked = Asked::default();
    let (listed, mut problems) = cluster.groups();
    let mut coordinators: BTreeMap<String, i32> = listed;
    coordinators.retain(|name, _| is_meant(groups, name));
    // Brokers before 0.10.1 do not list groups that only commit. Asking for a coordinator makes the
    // topic of the offsets, if there is none; then there is no such group either.
    let has_offsets = |topic: &super::Topic| topic.name == "__consumer_offsets";
    let are_kept = cluster.metadata.topics.iter().any(has_offsets);
    for (name, _) in groups.iter().filter(|(name, _)| is_plain(name)) {
        if are_kept && !coordinators.contains_key(name) {
            match cluster.coordinator(name) {
                Ok(broker) => {
                    coordinators.insert(name.clone(), broker);
                    asked.unlisted.insert(name.clone());
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    let partitions = partitions(cluster, topics, excluded);
    let mut by_broker: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for (name, broker) in &coordinators {
        by_broker.entry(*broker).or_default().push(name);
    }
    let brokers = by_broker.len();
    for (done, (broker, names)) in by_broker.into_iter().enumerate() {
        asked.broker(cluster, broker, &names, (&partitions, 2 * (brokers - done)));
    }
    problems.append(&mut asked.problems);
    let lags = asked.lags(cluster, &mut problems);
    // Each is named once, however often it came up.
    let mut named: Vec<ServiceError> = Vec::new();
    for problem in problems {
        if !named.contains(&problem) {
            named.push(problem);
        }
    }
    (lags, named)
}

/// Whether it is a name and no expression.
fn is_plain(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    !name.is_empty() && name.chars().all(plain)
}

fn partitions(
    cluster: &Cluster<'_>,
    topics: &[&Named],
    excluded: &[&Named],
) -> Vec<TopicPartition> {
    let is_meant = |name: &str| {
        let is_excluded = !excluded.is_empty() && is_meant(excluded, name);
        is_meant(topics, name) && !is_excluded && !is_internal(name)
    };
    let topics = cluster.metadata.topics.iter();
    let meant = topics.filter(|topic| is_meant(&topic.name));
    let all = meant.flat_map(|topic| {
        let numbers = topic.partitions.iter().map(|partition| partition.number);
        numbers.map(|number| (topic.name.clone(), number))
    });
    all.collect()
}

/// What the coordinators say.
#[derive(Default)]
struct Asked {
    /// Groups that are in no list, so that there may be none of that name.
    unlisted: BTreeSet<String>,
    groups: BTreeMap<String, (Option<Group>, Found<Option<i64>>)>,
    problems: Vec<ServiceError>,
}

impl Asked {
    fn broker(
        &mut self,
        cluster: &mut Cluster<'_>,
        broker: i32,
        names: &[&str],
        (partitions, shares): (&[TopicPartition], usize),
    ) {
        let mut described = match cluster.describe(broker, names, shares) {
            Ok(described) => described,
            Err(problem) => return self.problems.push(problem),
        };
        for (done, name) in names.iter().enumerate() {
            let group = match described.remove(*name) {
                Some(Ok(group)) => Some(group),
                Some(Err(code)) => {
                    let what = format!("group {name} cannot be looked at: {code}");
                    self.problems.push(ServiceError::Unclear(what));
                    continue;
                }
                None => None,
            };
            let shares = shares + names.len() - done;
            match cluster.committed(broker, name, partitions, shares) {
                Ok(mut found) => {
                    self.problems.append(&mut found.problems);
                    self.groups.insert((*name).to_owned(), (group, found));
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// The ends are asked for after what is committed, so that nothing is behind by less than none.
    fn lags(
        self,
        cluster: &mut Cluster<'_>,
        problems: &mut Vec<ServiceError>,
    ) -> BTreeMap<String, Lag> {
        let (mut of_topics, mut never) = (BTreeSet::new(), BTreeSet::new());
        let mut groups = BTreeMap::new();
        for (name, (group, found)) in self.groups {
            let committed = found.of.iter().filter(|(_, offset)| offset.is_some());
            let topics: BTreeSet<String> = committed.map(|((topic, _), _)| topic.clone()).collect();
            // Kafka calls a group dead that there is not.
            let is_unlisted = self.unlisted.contains(&name);
            let may_be_none =
                |group: &Group| group.members == 0 && (is_unlisted || group.state == "Dead");
            if topics.is_empty() && group.as_ref().is_none_or(may_be_none) {
                continue;
            }
            let mut offsets = found.of;
            offsets.retain(|(topic, _), _| topics.contains(topic));
            for (partition, offset) in &offsets {
                of_topics.insert(partition.clone());
                if offset.is_none() {
                    never.insert(partition.clone());
                }
            }
            groups.insert(name, (group, offsets));
        }
        let list = |all: BTreeSet<TopicPartition>| all.into_iter().collect::<Vec<_>>();
        let mut begins = cluster.offsets(&list(never), At::Beginning);
        let mut ends = cluster.offsets(&list(of_topics), At::End);
        problems.append(&mut begins.problems);
        problems.append(&mut ends.problems);
        let offset = |found: &Found<Option<i64>>, partition: &TopicPartition| {
            found.of.get(partition).copied().flatten()
        };
        let behind = |partition: &TopicPartition, committed: Option<i64>| {
            let Some(end) = offset(&ends, partition) else {
                return Behind::Unknown;
            };
            match committed {
                Some(committed) if committed > end => Behind::Beyond(committed, end),
                Some(committed) => Behind::By(end.abs_diff(committed)),
                None => {
                    let begin = offset(&begins, partition).unwrap_or(end).min(end);
                    Behind::Never(end.abs_diff(begin))
                }
            }
        };
        let lag = |(group, offsets): (Option<Group>, BTreeMap<TopicPartition, Option<i64>>)| {
            let partitions = offsets.into_iter().map(|(partition, committed)| {
                let behind = behind(&partition, committed);
                (partition, behind)
            });
            let partitions = partitions.collect();
            Lag { group, partitions }
        };
        groups
            .into_iter()
            .map(|(name, one)| (name, lag(one)))
            .collect()
    }
}
