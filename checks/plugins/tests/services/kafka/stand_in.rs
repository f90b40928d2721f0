//! A stand-in for a Kafka cluster, all of whose brokers are one: it answers what the test has written
//! down, in the versions that Kafka 0.8.2 (0), 0.9 (0 as well) and later ones speak.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Server;

/// What it answers.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    /// Where each broker says that it is; where this stand-in is if not said.
    pub(crate) brokers: BTreeMap<i32, Option<(String, u16)>>,
    pub(crate) controller: i32,
    pub(crate) topics: Vec<(String, Vec<Partition>)>,
    pub(crate) groups: BTreeMap<String, Group>,
    /// The highest version of each kind of request; if none, it hangs up when it is asked for that,
    /// as Kafka 0.9 does.
    pub(crate) newest: Option<i16>,
    /// Kinds of requests that it hangs up on.
    pub(crate) refuses: Vec<i16>,
    /// Where each topic is among them, found out when it starts.
    pub(crate) found: BTreeMap<String, usize>,
}

/// A partition.
#[derive(Clone)]
pub(crate) struct Partition {
    pub(crate) code: i16,
    pub(crate) leader: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
    pub(crate) begin: i64,
    pub(crate) end: i64,
    /// What a Fetch brings.
    pub(crate) records: Vec<u8>,
}

/// A consumer group, coordinated by the first broker.
#[derive(Clone, Default)]
pub(crate) struct Group {
    pub(crate) state: &'static str,
    pub(crate) members: usize,
    pub(crate) committed: BTreeMap<(String, i32), i64>,
    /// Whether it is in no list, as those that only commit are not before 0.10.1.
    pub(crate) is_hidden: bool,
}

impl Partition {
    /// Led by the first of these brokers, all of which are in sync.
    pub(crate) fn on(brokers: &[i32]) -> Self {
        Self {
            code: 0,
            leader: brokers[0],
            replicas: brokers.to_vec(),
            in_sync: brokers.to_vec(),
            begin: 0,
            end: 0,
            records: Vec::new(),
        }
    }
}

/// Messages of format 0, as a broker sends them.
pub(crate) fn set(first: i64, values: &[&str]) -> Vec<u8> {
    let mut set = Vec::new();
    for (offset, value) in (first..).zip(values) {
        let message = [
            &[0; 6][..],
            &(-1_i32).to_be_bytes(),
            &i32::try_from(value.len()).unwrap().to_be_bytes(),
            value.as_bytes(),
        ]
        .concat();
        set.extend(offset.to_be_bytes());
        set.extend(i32::try_from(message.len()).unwrap().to_be_bytes());
        set.extend(message);
    }
    set
}

/// A request, and the answer to it.
struct Exchange<'a> {
    asked: &'a [u8],
    answer: Vec<u8>,
}

impl Exchange<'_> {
    fn taken(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.asked.split_at(length);
        self.asked = rest;
        taken
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.taken(4).try_into().unwrap())
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.taken(8).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = i16::from_be_bytes(self.taken(2).try_into().unwrap());
        let text = self.taken(length.try_into().unwrap());
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.answer.extend(bytes);
        self
    }

    fn put_i16(&mut self, number: i16) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    fn put_i32(&mut self, number: i32) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    fn put_i64(&mut self, number: i64) -> &mut Self {
        self.put(number.to_be_bytes())
    }

    fn put_count(&mut self, count: usize) -> &mut Self {
        self.put_i32(count.try_into().unwrap())
    }

    fn put_text(&mut self, text: &str) -> &mut Self {
        self.put_i16(text.len().try_into().unwrap());
        self.answer.extend(text.as_bytes());
        self
    }

    /// Answers for each partition that is asked for.
    fn partitions(&mut self, mut each: impl FnMut(&mut Self, &str, i32)) {
        let topics = self.i32();
        self.put_i32(topics);
        for _ in 0..topics {
            let (topic, partitions) = (self.text(), self.i32());
            self.put_text(&topic).put_i32(partitions);
            for _ in 0..partitions {
                let number = self.i32();
                self.put_i32(number);
                each(self, &topic, number);
            }
        }
    }
}

impl Cluster {
    pub(crate) fn start(self) -> Server {
        self.start_changing().0
    }

    /// The same, and what changes what each new client sees from then on.
    pub(crate) fn start_changing(self) -> (Server, impl Fn(Self)) {
        let now = Arc::new(Mutex::new(Arc::new(self.ready())));
        let seen = Arc::clone(&now);
        let server = Server::new(move |stream| {
            let cluster = Arc::clone(&seen.lock().unwrap());
            thread::spawn(move || cluster.serve(stream));
        });
        let change = move |cluster: Self| *now.lock().unwrap() = Arc::new(cluster.ready());
        (server, change)
    }

    fn ready(mut self) -> Self {
        let names = self.topics.iter().map(|(name, _)| name.clone());
        self.found = names.zip(0..).collect();
        self
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut request = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
            stream.read_exact(&mut request).unwrap();
            let mut exchange = Exchange {
                asked: &request,
                answer: Vec::new(),
            };
            let key = i16::from_be_bytes(exchange.taken(2).try_into().unwrap());
            let version = i16::from_be_bytes(exchange.taken(2).try_into().unwrap());
            let number = exchange.i32();
            assert_eq!(exchange.text(), "venus-checks");
            let is_asked_for_versions = key == 18;
            if self.refuses.contains(&key) || is_asked_for_versions && self.newest.is_none() {
                return;
            }
            // Old ones have what is committed in version 1, too.
            let newest = self.newest.unwrap_or(i16::from(key == 9));
            assert!(version <= newest || is_asked_for_versions, "{key}");
            exchange.put_i32(number);
            self.answer(key, version, &mut exchange, &stream);
            assert!(exchange.asked.is_empty(), "{key} {version}");
            let answer = exchange.answer;
            let length = u32::try_from(answer.len()).unwrap().to_be_bytes();
            // Whoever asks may be gone by then.
            if stream.write_all(&[&length[..], &answer].concat()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, key: i16, version: i16, to: &mut Exchange<'_>, stream: &TcpStream) {
        match key {
            18 => {
                let kinds = [1, 2, 3, 9, 10, 15, 16, 18];
                to.put_i16(0).put_count(kinds.len());
                for kind in kinds {
                    to.put_i16(kind).put_i16(0).put_i16(self.newest.unwrap());
                }
            }
            3 => self.metadata(version, to, stream),
            16 => {
                let listed = self.groups.iter().filter(|(_, group)| !group.is_hidden);
                let listed: Vec<&String> = listed.map(|(name, _)| name).collect();
                to.put_i16(0).put_count(listed.len());
                for name in listed {
                    to.put_text(name).put_text("consumer");
                }
            }
            10 => {
                to.text();
                to.put_i16(0).put_i32(*self.brokers.keys().next().unwrap());
                to.put_text("").put_i32(0);
            }
            15 => {
                let count = to.i32();
                to.put_i32(count);
                for _ in 0..count {
                    let name = to.text();
                    let group = self.groups.get(&name).cloned();
                    let group = group.filter(|group| !group.is_hidden);
                    let (state, members) =
                        group.map_or(("Dead", 0), |one| (one.state, one.members));
                    to.put_i16(0).put_text(&name).put_text(state);
                    to.put_text("consumer").put_text("range").put_count(members);
                    for _ in 0..members {
                        to.put_text("id").put_text("client").put_text("/127.0.0.1");
                        to.put_i32(0).put_i32(0);
                    }
                }
            }
            9 => {
                let group = self.groups.get(&to.text()).cloned().unwrap_or_default();
                to.partitions(|to, topic, number| {
                    let committed = group.committed.get(&(topic.to_owned(), number));
                    let committed = committed.copied().unwrap_or(-1);
                    to.put_i64(committed).put_text("").put_i16(0);
                });
            }
            2 => {
                to.i32();
                to.partitions(|to, topic, number| {
                    let time = to.i64();
                    let partition = self.partition(topic, number);
                    let offset = if time == -1 {
                        partition.end
                    } else {
                        partition.begin
                    };
                    if version == 0 {
                        to.i32();
                        to.put_i16(0).put_i32(1).put_i64(offset);
                    } else {
                        to.put_i16(0).put_i64(-1).put_i64(offset);
                    }
                });
            }
            1 => {
                to.taken(if version >= 4 { 17 } else { 12 });
                if version > 0 {
                    to.put_i32(0);
                }
                to.partitions(|to, topic, number| {
                    let (_, most) = (to.i64(), to.i32());
                    let partition = self.partition(topic, number);
                    to.put_i16(0).put_i64(partition.end);
                    if version >= 4 {
                        to.put_i64(partition.end).put_i32(-1);
                    }
                    let most = partition.records.len().min(most.try_into().unwrap());
                    to.put_count(most);
                    to.answer.extend(&partition.records[..most]);
                });
            }
            _ => panic!("{key}"),
        }
    }

    fn partition(&self, topic: &str, number: i32) -> &Partition {
        let topic = &self.topics[self.found[topic]];
        &topic.1[usize::try_from(number).unwrap()]
    }

    fn metadata(&self, version: i16, to: &mut Exchange<'_>, stream: &TcpStream) {
        assert_eq!(to.i32(), if version == 0 { 0 } else { -1 });
        let here = stream.local_addr().unwrap();
        to.put_count(self.brokers.len());
        for (number, place) in &self.brokers {
            let here = (here.ip().to_string(), here.port());
            let (host, port) = place.clone().unwrap_or(here);
            to.put_i32(*number).put_text(&host).put_i32(port.into());
            if version > 0 {
                to.put_i16(-1);
            }
        }
        if version > 0 {
            to.put_i32(self.controller);
        }
        to.put_count(self.topics.len());
        for (name, partitions) in &self.topics {
            to.put_i16(0).put_text(name);
            if version > 0 {
                to.put([0]);
            }
            to.put_count(partitions.len());
            for (number, partition) in (0..).zip(partitions) {
                to.put_i16(partition.code)
                    .put_i32(number)
                    .put_i32(partition.leader);
                for brokers in [&partition.replicas, &partition.in_sync] {
                    to.put_count(brokers.len());
                    for broker in brokers {
                        to.put_i32(*broker);
                    }
                }
            }
        }
    }
}
