//! Messages of partitions, from one offset up to another.

use std::collections::BTreeMap;

use super::broker::Broker;
use super::messages::{self, Api, Sizes};
use super::{Cluster, TopicPartition, by_topic, named};
use crate::context::Context;
use crate::service::ServiceError;

impl Cluster<'_> {
    /// The messages of partitions from one offset up to another, in no order among partitions.
    /// Gives up when more than this many bytes have come.
    pub fn read(
        &mut self,
        ranges: &BTreeMap<TopicPartition, (i64, i64)>,
        most: usize,
        mut each: impl FnMut(&[u8]),
    ) -> Vec<ServiceError> {
        let mut problems = Vec::new();
        let mut came = 0;
        let ahead = ranges.iter().filter(|(_, (from, to))| from < to);
        let by_leader = self.by_leader(ahead.map(|(partition, range)| (partition, *range)));
        let brokers = by_leader.len();
        for (asked, (leader, wanted)) in by_leader.into_iter().enumerate() {
            let read = self.with(leader, brokers - asked, |broker, context| {
                let mut reading = Reading::new(wanted);
                while !reading.ahead.is_empty() {
                    came += reading.step(broker, context, &mut each)?;
                    if came > most {
                        return Err(ServiceError::Unclear(format!(
                            "more than {most} bytes came; read a shorter time, or fewer messages"
                        )));
                    }
                }
                Ok(reading.problems)
            });
            match read {
                Ok(more) => problems.extend(more),
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }
}

/// Messages being read from one broker.
struct Reading<'p> {
    /// From where on, and up to where.
    ahead: BTreeMap<&'p TopicPartition, (i64, i64)>,
    sizes: Sizes,
    problems: Vec<ServiceError>,
}

impl<'p> Reading<'p> {
    /// At most so much of a partition at once.
    const EACH: i32 = 1 << 20;
    /// And of all of them together; less than [`broker`] takes.
    const ALL: i32 = 32 << 20;

    fn new(wanted: Vec<(&'p TopicPartition, (i64, i64))>) -> Self {
        let partitions = i32::try_from(wanted.len()).unwrap_or(i32::MAX).max(1);
        Self {
            ahead: wanted.into_iter().collect(),
            sizes: Sizes {
                each: (Self::ALL / partitions).clamp(4096, Self::EACH),
                all: Self::ALL,
            },
            problems: Vec::new(),
        }
    }

    /// One more answer; how many bytes came.
    fn step(
        &mut self,
        broker: &mut Broker,
        context: &Context,
        each: &mut impl FnMut(&[u8]),
    ) -> Result<usize, ServiceError> {
        let version = broker.version(Api::Fetch)?;
        let wanted = by_topic(
            self.ahead
                .iter()
                .map(|(partition, (from, _))| (*partition, *from)),
        );
        let request = messages::ask_fetch(version, &wanted, self.sizes);
        let what = ("messages", context);
        let answered = broker.ask(Api::Fetch, version, &request, what, |answer| {
            messages::fetched(version, answer)
        })?;
        let (mut came, mut is_stuck) = (0, true);
        for (partition, fetched) in answered {
            let Some((asked, (from, to))) = self.ahead.remove_entry(&partition) else {
                continue;
            };
            let records = fetched
                .map_err(|code| code.to_string())
                .and_then(|fetched| {
                    came += fetched.size;
                    fetched
                        .records
                        .map_err(|error| format!("cannot understand them: {error}"))
                });
            match records {
                Ok(records) => {
                    records.values.iter().for_each(|value| each(value));
                    let next = records.next.unwrap_or(from);
                    is_stuck &= next <= from;
                    if next < to {
                        self.ahead.insert(asked, (next.max(from), to));
                    }
                }
                Err(why) => {
                    is_stuck = false;
                    let partition = named(&[partition]);
                    let problem = format!("messages of {partition} from {from} on: {why}");
                    self.problems.push(ServiceError::Unclear(problem));
                }
            }
        }
        if is_stuck {
            self.ask_for_more()?;
        }
        Ok(came)
    }

    /// A message is larger than what was asked for, and old brokers send no more than that.
    fn ask_for_more(&mut self) -> Result<(), ServiceError> {
        if self.sizes.each >= Self::ALL {
            let stuck: Vec<TopicPartition> = self.ahead.keys().copied().cloned().collect();
            return Err(ServiceError::Unclear(format!(
                "no messages come of {}",
                named(&stuck)
            )));
        }
        self.sizes.each = self.sizes.each.saturating_mul(8).min(Self::ALL);
        Ok(())
    }
}
