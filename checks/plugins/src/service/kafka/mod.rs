//! Kafka, asked as its clients do, over plain TCP: what the cluster consists of, its consumer groups,
//! the ends of its partitions, and what is in them.
//!
//! A client of our own, as the crates that there are understand no broker before 0.11, or bring C
//! libraries or an asynchronous runtime, or believe each length that a broker says. It reads, commits
//! nothing, joins no group, and makes no topic.

mod arguments;
mod broker;
mod compression;
pub mod lag;
mod messages;
mod reading;
mod records;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

pub use arguments::{Named, argument, given, is_internal, is_meant, names, servers};
pub use messages::{Code, Group, Metadata, Partition, Topic, TopicPartition};

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::server::Server;
use crate::status::listed;
use broker::Broker;
use messages::{Api, ByTopic, OfPartitions};
use wire::Writer;

/// A cluster that could be found.
pub struct Cluster<'c> {
    /// What it consists of.
    pub metadata: Metadata,
    context: &'c Context,
    first: Broker,
    open: BTreeMap<i32, Broker>,
    /// Those that did not answer, which are not asked again.
    failed: BTreeMap<i32, ServiceError>,
}

/// What was found of partitions, and why not of all.
#[derive(Debug)]
pub struct Found<T> {
    /// By topic and partition.
    pub of: BTreeMap<TopicPartition, T>,
    /// Brokers that could not be asked, and what they refused.
    pub problems: Vec<ServiceError>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self {
            of: BTreeMap::new(),
            problems: Vec::new(),
        }
    }
}

impl<T> Found<T> {
    fn add(&mut self, what: &str, answered: OfPartitions<T>) {
        let mut refused: BTreeMap<Code, Vec<TopicPartition>> = BTreeMap::new();
        for (partition, found) in answered {
            match found {
                Ok(found) => drop(self.of.insert(partition, found)),
                Err(code) => refused.entry(code).or_default().push(partition),
            }
        }
        for (code, partitions) in refused {
            let named = named(&partitions);
            let problem = format!("{what} of {named} cannot be had: {code}");
            self.problems.push(ServiceError::Unclear(problem));
        }
    }
}

/// Partitions in words: up to three of them, and how many more.
#[must_use]
pub fn named(partitions: &[TopicPartition]) -> String {
    const NAMED: usize = 3;
    let (some, rest) = partitions.split_at(partitions.len().min(NAMED));
    let name = |(topic, number): &TopicPartition| format!("{topic}-{number}");
    let names: Vec<String> = some.iter().map(name).collect();
    listed(&names, rest.len())
}

impl<'c> Cluster<'c> {
    /// Asks the first of these brokers that answers what the cluster consists of.
    pub fn find(servers: &[Server], context: &'c Context) -> Result<Self, ServiceError> {
        let mut problems = Vec::new();
        for (tried, server) in servers.iter().enumerate() {
            let asked = Self::ask(server, context, share(context, servers.len() - tried));
            match asked {
                Ok((first, metadata)) => {
                    return Ok(Self {
                        metadata,
                        context,
                        first,
                        open: BTreeMap::new(),
                        failed: BTreeMap::new(),
                    });
                }
                Err(problem) => problems.push(problem),
            }
        }
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let said = said.join("; ");
        let all_away = problems
            .iter()
            .all(|one| matches!(one, ServiceError::Away(_)));
        Err(if all_away {
            ServiceError::Away(said)
        } else {
            ServiceError::Unclear(said)
        })
    }

    fn ask(
        server: &Server,
        context: &Context,
        within: Duration,
    ) -> Result<(Broker, Metadata), ServiceError> {
        let mut broker = Broker::connect(server, context, within)?;
        let version = broker.version(Api::Metadata)?;
        let metadata = broker.ask(
            Api::Metadata,
            version,
            &messages::ask_metadata(version),
            ("its cluster", context),
            |answer| messages::metadata(version, answer),
        )?;
        Ok((broker, metadata))
    }

    /// Whether a broker answers at the address that it is known by, in a share of the time with so
    /// many yet to be asked.
    pub fn reach(&mut self, number: i32, shares: usize) -> Result<(), ServiceError> {
        self.with(number, shares, |_, _| Ok(()))
    }

    fn with<T>(
        &mut self,
        number: i32,
        shares: usize,
        ask: impl FnOnce(&mut Broker, &Context) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        if let Some(error) = self.failed.get(&number) {
            return Err(error.clone());
        }
        let within = share(self.context, shares);
        let answer = self.connected(number, within).and_then(|mut broker| {
            broker.within(within);
            let answer = ask(&mut broker, self.context);
            if !broker.is_broken() {
                self.open.insert(number, broker);
            }
            answer
        });
        answer.map_err(|error| {
            let error = match error {
                ServiceError::Away(what) => ServiceError::Away(format!("broker {number}: {what}")),
                ServiceError::Unclear(what) => {
                    ServiceError::Unclear(format!("broker {number}: {what}"))
                }
            };
            if !self.open.contains_key(&number) {
                self.failed.insert(number, error.clone());
            }
            error
        })
    }

    fn connected(&mut self, number: i32, within: Duration) -> Result<Broker, ServiceError> {
        match self.open.remove(&number) {
            Some(broker) => Ok(broker),
            None => Broker::connect(&self.server(number)?, self.context, within),
        }
    }

    fn server(&self, number: i32) -> Result<Server, ServiceError> {
        let unclear = |what: String| ServiceError::Unclear(what);
        let (host, port) = (self.metadata.brokers.get(&number))
            .ok_or_else(|| unclear(format!("broker {number} is not one of the cluster")))?;
        let port = u16::try_from(*port).ok().filter(|port| *port != 0);
        let port =
            port.ok_or_else(|| unclear(format!("broker {number} says that it has no port")))?;
        let host = host.clone();
        Ok(Server { host, port })
    }

    /// The consumer groups, with the broker that coordinates each.
    pub fn groups(&mut self) -> (BTreeMap<String, i32>, Vec<ServiceError>) {
        let brokers: Vec<i32> = self.metadata.brokers.keys().copied().collect();
        let (mut groups, mut problems) = (BTreeMap::new(), Vec::new());
        for (asked, number) in brokers.iter().copied().enumerate() {
            let listed = self.with(number, brokers.len() - asked, |broker, context| {
                let version = broker.version(Api::ListGroups)?;
                let what = ("its groups", context);
                let request = Writer::default();
                let listed = broker.ask(Api::ListGroups, version, &request, what, messages::groups);
                match listed {
                    // Kafka 0.8 has no such list, and hangs up.
                    Err(_) if broker.does_not_know() => Ok(Vec::new()),
                    listed => listed?.map_err(|code| refused("its groups", code)),
                }
            });
            match listed {
                Ok(listed) => groups.extend(listed.into_iter().map(|name| (name, number))),
                Err(problem) => problems.push(problem),
            }
        }
        (groups, problems)
    }

    /// The broker that coordinates a group, whether there is one of that name or not.
    pub fn coordinator(&mut self, group: &str) -> Result<i32, ServiceError> {
        let version = self.first.version(Api::FindCoordinator)?;
        self.first.within(share(self.context, 2));
        let mut request = Writer::default();
        request.string(group);
        let what = format!("the coordinator of group {group}");
        let found = self.first.ask(
            Api::FindCoordinator,
            version,
            &request,
            (&what, self.context),
            messages::coordinator,
        )?;
        found.map_err(|code| refused(&what, code))
    }

    /// How groups are that a broker coordinates; not on Kafka 0.8, which cannot tell.
    pub fn describe(
        &mut self,
        number: i32,
        groups: &[&str],
        shares: usize,
    ) -> Result<BTreeMap<String, Result<Group, Code>>, ServiceError> {
        let mut request = Writer::default();
        request.array(groups.iter(), |request, name| {
            request.string(name);
        });
        self.with(number, shares, |broker, context| {
            let version = broker.version(Api::DescribeGroups)?;
            let what = ("what its groups are like", context);
            let api = Api::DescribeGroups;
            match broker.ask(api, version, &request, what, messages::described) {
                Err(_) if broker.does_not_know() => Ok(BTreeMap::new()),
                described => described,
            }
        })
    }

    /// What a group has committed, as the broker that coordinates it knows.
    pub fn committed(
        &mut self,
        number: i32,
        group: &str,
        partitions: &[TopicPartition],
        shares: usize,
    ) -> Result<Found<Option<i64>>, ServiceError> {
        let what = format!("what group {group} has committed");
        let wanted = by_topic(partitions.iter().map(|partition| (partition, ())));
        let request = messages::ask_committed(group, &wanted);
        let answered = self.with(number, shares, |broker, context| {
            let (api, what) = (Api::OffsetFetch, (what.as_str(), context));
            let version = broker.version(api)?;
            broker.ask(api, version, &request, what, messages::committed)
        })?;
        let mut found = Found::default();
        found.add(&what, answered);
        Ok(found)
    }

    /// Partitions by the brokers that lead them; those without one are left out.
    fn by_leader<'p, T: Copy>(
        &self,
        wanted: impl Iterator<Item = (&'p TopicPartition, T)>,
    ) -> BTreeMap<i32, Vec<(&'p TopicPartition, T)>> {
        let mut leaders = BTreeMap::new();
        for topic in &self.metadata.topics {
            for partition in &topic.partitions {
                leaders.insert((topic.name.as_str(), partition.number), partition.leader);
            }
        }
        let mut all: BTreeMap<i32, Vec<(&TopicPartition, T)>> = BTreeMap::new();
        for (partition, asked) in wanted {
            let leader = leaders.get(&(partition.0.as_str(), partition.1));
            if let Some(leader) = leader.filter(|leader| **leader >= 0) {
                all.entry(*leader).or_default().push((partition, asked));
            }
        }
        all
    }

    /// The offsets of the first messages that are not older than this time in milliseconds, or the
    /// ends or the beginnings of partitions. Those without a leader are left out.
    pub fn offsets(&mut self, partitions: &[TopicPartition], at: At) -> Found<Option<i64>> {
        let mut found = Found::default();
        let by_leader = self.by_leader(partitions.iter().map(|partition| (partition, at.time())));
        let brokers = by_leader.len();
        for (asked, (leader, wanted)) in by_leader.into_iter().enumerate() {
            let wanted = by_topic(wanted.into_iter());
            let answered = self.with(leader, brokers - asked, |broker, context| {
                let (api, what) = (Api::ListOffsets, ("its offsets", context));
                let version = broker.version(api)?;
                // By time it would give the beginning of a file.
                if version == 0 && matches!(at, At::Time(_)) {
                    return Ok(Vec::new());
                }
                let request = messages::ask_offsets(version, &wanted);
                broker.ask(api, version, &request, what, |answer| {
                    messages::offsets(version, answer)
                })
            });
            match answered {
                Ok(answered) => found.add("the offset", answered),
                Err(problem) => found.problems.push(problem),
            }
        }
        found
    }
}

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Of the first message that there still is.
    Beginning,
    /// After the last message.
    End,
    /// Of the first message that is not older, in milliseconds since the epoch. Brokers before
    /// 0.10.1 cannot tell.
    Time(i64),
}

impl At {
    fn time(self) -> i64 {
        match self {
            Self::End => -1,
            Self::Beginning => -2,
            Self::Time(time) => time.max(0),
        }
    }
}

fn by_topic<'p, T>(partitions: impl Iterator<Item = (&'p TopicPartition, T)>) -> ByTopic<'p, T> {
    let mut topics: ByTopic<'_, T> = BTreeMap::new();
    for ((topic, number), asked) in partitions {
        topics.entry(topic).or_default().push((*number, asked));
    }
    topics
}

fn refused(what: &str, code: Code) -> ServiceError {
    ServiceError::Unclear(format!("{what} cannot be had: {code}"))
}

/// A share of nine tenths of the time that is left.
fn share(context: &Context, shares: usize) -> Duration {
    let shares = u32::try_from(shares).unwrap_or(u32::MAX).max(1);
    context.time_left() * 9 / 10 / shares
}
