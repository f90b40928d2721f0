//! The requests that are made of a broker, and its answers.
//!
//! Of each kind the oldest versions are spoken that still have what is needed, as they are understood
//! by the oldest brokers and the newest: Kafka 4 has dropped versions below its own least ones, all of
//! which are here, and Kafka 0.8.2 knows none but the first.

use std::collections::BTreeMap;

use super::records::{self, Records};
use super::wire::{Malformed, Reader, Writer};

/// The kinds of requests, by Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub(super) enum Api {
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetFetch = 9,
    FindCoordinator = 10,
    DescribeGroups = 15,
    ListGroups = 16,
    /// `ApiVersions`, to Kafka.
    Versions = 18,
}

impl Api {
    /// The versions spoken here, the best first.
    pub(super) fn versions(self) -> &'static [i16] {
        match self {
            // 4 brings batches of format 2, 2 sets of format 1.
            Self::Fetch => &[4, 2, 0],
            // 1 of the one finds messages by their time, of the other tells the controller. From 4 on
            // metadata could be asked for of some topics without making them.
            Self::ListOffsets | Self::Metadata => &[1, 0],
            // 0 would be those that are kept in ZooKeeper.
            Self::OffsetFetch => &[1],
            Self::FindCoordinator | Self::DescribeGroups | Self::ListGroups | Self::Versions => {
                &[0]
            }
        }
    }
}

/// The versions that a broker speaks, the lowest and the highest, by the number of the kind.
pub(super) type Versions = BTreeMap<i16, (i16, i16)>;

/// A topic and one of its partitions.
pub type TopicPartition = (String, i32);

/// An error of the broker's, by Kafka's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub i16);

impl Code {
    /// None.
    pub const NONE: Self = Self(0);
    /// A partition has no leader.
    pub const NO_LEADER: Self = Self(5);
    /// A partition lacks a replica, whose broker is away: no error for those who only read.
    pub const NO_REPLICA: Self = Self(9);

    fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self == Self::NONE {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meaning = match self.0 {
            -1 => "an unexpected server error",
            1 => "the offset is out of range",
            3 => "there is no such topic or partition",
            5 => "it has no leader",
            6 => "the broker asked is not its leader",
            7 => "it took too long",
            8 => "the broker is not available",
            9 => "a replica is not available",
            14 => "the coordinator is still loading",
            15 => "the coordinator is not available",
            16 => "the broker asked is not its coordinator",
            29 => "it may not be read by who asks",
            30 => "the group may not be looked at by who asks",
            31 => "the cluster may not be looked at by who asks",
            35 => "the version is not supported",
            _ => return write!(formatter, "error {}", self.0),
        };
        write!(formatter, "{meaning} (error {})", self.0)
    }
}

pub(super) fn versions(answer: &[u8]) -> Result<Versions, Malformed> {
    let mut reader = Reader(answer);
    // An error comes with the versions all the same.
    let _code = reader.i16()?;
    let all = reader.array(6, |one| Ok((one.i16()?, (one.i16()?, one.i16()?))))?;
    Ok(all.into_iter().collect())
}

/// What the cluster consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The brokers by their numbers, with where they are.
    pub brokers: BTreeMap<i32, (String, i32)>,
    /// Which of them is the controller; -1 where none is, and none where it is not told: brokers
    /// before 0.10 do not.
    pub controller: Option<i32>,
    /// The topics.
    pub topics: Vec<Topic>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What is wrong with all of it.
    pub code: Code,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What is wrong with it.
    pub code: Code,
    /// Its number.
    pub number: i32,
    /// The broker that leads it; -1 where none does.
    pub leader: i32,
    /// The brokers that should have it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

impl Partition {
    /// Whether nobody leads it, so that it can be neither read nor written.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.leader < 0 || self.code == Code::NO_LEADER
    }

    /// The brokers that should have it, and are not in sync.
    pub fn lacking(&self) -> impl Iterator<Item = i32> {
        let lacks = |broker: &&i32| !self.in_sync.contains(broker);
        self.replicas.iter().filter(lacks).copied()
    }

    /// Whether it is led, and not by all who should have it.
    #[must_use]
    pub fn is_under_replicated(&self) -> bool {
        !self.is_offline() && self.lacking().next().is_some()
    }
}

/// For all topics: one that is asked for by name would be made.
pub(super) fn ask_metadata(version: i16) -> Writer {
    let mut request = Writer::default();
    request.i32(if version == 0 { 0 } else { -1 });
    request
}

pub(super) fn metadata(version: i16, answer: &[u8]) -> Result<Metadata, Malformed> {
    let mut reader = Reader(answer);
    let brokers = reader.array(10, |broker| {
        let one = (broker.i32()?, (broker.string()?, broker.i32()?));
        if version > 0 {
            let _rack = broker.string()?;
        }
        Ok(one)
    })?;
    let controller = if version > 0 {
        Some(reader.i32()?)
    } else {
        None
    };
    let topics = reader.array(8, |topic| {
        let (code, name) = (Code(topic.i16()?), topic.string()?);
        if version > 0 {
            let _is_internal = topic.i8()?;
        }
        let partitions = topic.array(18, |one| {
            Ok(Partition {
                code: Code(one.i16()?),
                number: one.i32()?,
                leader: one.i32()?,
                replicas: one.array(4, Reader::i32)?,
                in_sync: one.array(4, Reader::i32)?,
            })
        })?;
        Ok(Topic {
            name,
            code,
            partitions,
        })
    })?;
    Ok(Metadata {
        brokers: brokers.into_iter().collect(),
        controller,
        topics,
    })
}

/// The names of the groups that a broker coordinates.
pub(super) fn groups(answer: &[u8]) -> Result<Result<Vec<String>, Code>, Malformed> {
    let mut reader = Reader(answer);
    let code = Code(reader.i16()?);
    let all = reader.array(4, |group| {
        let name = group.string()?;
        let _protocol = group.string()?;
        Ok(name)
    })?;
    Ok(code.none_or(all))
}

/// The broker that coordinates a group.
pub(super) fn coordinator(answer: &[u8]) -> Result<Result<i32, Code>, Malformed> {
    let mut reader = Reader(answer);
    let (code, broker) = (Code(reader.i16()?), reader.i32()?);
    Ok(code.none_or(broker))
}

/// How a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `Stable`, `PreparingRebalance`, `Empty`, `Dead` and so on.
    pub state: String,
    /// How many consumers it has.
    pub members: usize,
}

/// The groups by their names.
pub(super) type Groups = BTreeMap<String, Result<Group, Code>>;

pub(super) fn described(answer: &[u8]) -> Result<Groups, Malformed> {
    let groups = Reader(answer).array(14, |group| {
        let (code, name, state) = (Code(group.i16()?), group.string()?, group.string()?);
        let (_kind, _protocol) = (group.string()?, group.string()?);
        let members = group.array(14, |member| {
            let (_id, _client, _host) = (member.string()?, member.string()?, member.string()?);
            let (_subscription, _assignment) = (member.bytes()?, member.bytes()?);
            Ok(())
        })?;
        let members = members.len();
        Ok((name, code.none_or(Group { state, members })))
    })?;
    Ok(groups.into_iter().collect())
}

/// Partitions by their topics, as requests have them, with what is asked of each.
pub(super) type ByTopic<'a, T> = BTreeMap<&'a str, Vec<(i32, T)>>;

fn by_topic<T: Copy>(
    request: &mut Writer,
    wanted: &ByTopic<'_, T>,
    mut write: impl FnMut(&mut Writer, T),
) {
    request.array(wanted.iter(), |request, (topic, partitions)| {
        request.string(topic);
        request.array(partitions.iter(), |request, (number, asked)| {
            request.i32(*number);
            write(request, *asked);
        });
    });
}

/// What was answered of partitions.
pub(super) type OfPartitions<T> = Vec<(TopicPartition, Result<T, Code>)>;

fn of_partitions<T>(
    reader: &mut Reader<'_>,
    least: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<Result<T, Code>, Malformed>,
) -> Result<OfPartitions<T>, Malformed> {
    let mut all = Vec::new();
    reader.array(6, |topic| {
        let name = topic.string()?;
        let partitions = topic.array(least, |one| Ok((one.i32()?, read(one)?)))?;
        let named = partitions
            .into_iter()
            .map(|(number, found)| ((name.clone(), number), found));
        all.extend(named);
        Ok(())
    })?;
    Ok(all)
}

pub(super) fn ask_committed(group: &str, wanted: &ByTopic<'_, ()>) -> Writer {
    let mut request = Writer::default();
    request.string(group);
    by_topic(&mut request, wanted, |_, ()| ());
    request
}

/// The offsets that a group has committed; none where it has none.
pub(super) fn committed(answer: &[u8]) -> Result<OfPartitions<Option<i64>>, Malformed> {
    of_partitions(&mut Reader(answer), 16, |one| {
        let offset = one.i64()?;
        let _metadata = one.string()?;
        let offset = (offset >= 0).then_some(offset);
        // There is nothing that it could have committed of a partition that is gone.
        Ok(match Code(one.i16()?) {
            Code(3) => Ok(None),
            code => code.none_or(offset),
        })
    })
}

/// Each with the time in milliseconds, or -1 for the end and -2 for the beginning.
pub(super) fn ask_offsets(version: i16, wanted: &ByTopic<'_, i64>) -> Writer {
    let mut request = Writer::default();
    request.i32(-1);
    by_topic(&mut request, wanted, |request, time| {
        request.i64(time);
        if version == 0 {
            request.i32(1);
        }
    });
    request
}

/// None where there is no message of that time or later.
pub(super) fn offsets(version: i16, answer: &[u8]) -> Result<OfPartitions<Option<i64>>, Malformed> {
    of_partitions(&mut Reader(answer), 10, |one| {
        let code = Code(one.i16()?);
        let offset = if version == 0 {
            one.array(8, Reader::i64)?.first().copied()
        } else {
            let _time = one.i64()?;
            Some(one.i64()?)
        };
        Ok(code.none_or(offset.filter(|offset| *offset >= 0)))
    })
}

/// How much of each partition a broker is asked for, and at most of all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) each: i32,
    pub(super) all: i32,
}

/// Each with the offset from which on it is wanted.
pub(super) fn ask_fetch(version: i16, wanted: &ByTopic<'_, i64>, sizes: Sizes) -> Writer {
    // As a consumer; what is wanted is there, so there is nothing to wait for.
    const MILLISECONDS: i32 = 100;
    let mut request = Writer::default();
    request.i32(-1).i32(MILLISECONDS).i32(1);
    if version >= 4 {
        // What is not committed is read as well.
        request.i32(sizes.all).i8(0);
    }
    by_topic(&mut request, wanted, |request, offset| {
        request.i64(offset).i32(sizes.each);
    });
    request
}

/// What came of a partition.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) records: Result<Records, Malformed>,
    /// How many bytes.
    pub(super) size: usize,
}

pub(super) fn fetched(version: i16, answer: &[u8]) -> Result<OfPartitions<Fetched>, Malformed> {
    let mut reader = Reader(answer);
    if version > 0 {
        let _throttled = reader.i32()?;
    }
    of_partitions(&mut reader, 18, |one| {
        let code = Code(one.i16()?);
        let _end = one.i64()?;
        if version >= 4 {
            let _stable_end = one.i64()?;
            one.array(16, |aborted| Ok((aborted.i64()?, aborted.i64()?)))?;
        }
        let set = one.bytes()?.unwrap_or_default();
        Ok(code.none_or(Fetched {
            records: records::parse(set),
            size: set.len(),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), small in any::<bool>()
        ) {
            // Most bytes zero, so that lengths are possible ones.
            let bytes: Vec<u8> = if small {
                bytes.iter().map(|byte| if *byte < 40 { *byte & 3 } else { 0 }).collect()
            } else {
                bytes
            };
            drop(versions(&bytes));
            drop(groups(&bytes));
            drop(coordinator(&bytes));
            drop(described(&bytes));
            drop(committed(&bytes));
            for version in [0, 1, 2, 4] {
                drop(metadata(version, &bytes));
                drop(offsets(version, &bytes));
                drop(fetched(version, &bytes));
            }
        }
    }

    #[test]
    fn errors_are_named_and_numbered() {
        assert_eq!(
            Code(6).to_string(),
            "the broker asked is not its leader (error 6)"
        );
        assert_eq!(Code(-77).to_string(), "error -77");
    }
}
