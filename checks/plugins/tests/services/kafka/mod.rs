//! The parts of a cluster and its groups, against a stand-in whose answers are built here after Kafka's
//! description of its protocol, and are no recordings. What real brokers answer is seen end to end.

mod samza;
mod stand_in;

use std::collections::BTreeMap;

use crate::{Server, check, prints, says};
use stand_in::{Cluster, Group, Partition};

/// Where nobody listens: no other test can be given this port.
const AWAY: &str = "127.0.0.1:1";

/// Three brokers and two topics, all of it as it should be.
fn healthy() -> Cluster {
    Cluster {
        brokers: (1..=3).map(|number| (number, None)).collect(),
        controller: 2,
        topics: vec![
            (
                "in".to_owned(),
                vec![Partition::on(&[1, 2]), Partition::on(&[2, 3])],
            ),
            ("metrics".to_owned(), vec![Partition::on(&[3, 1])]),
        ],
        newest: Some(4),
        ..Cluster::default()
    }
}

fn address(server: &Server) -> String {
    server.0.to_string()
}

#[test]
fn a_cluster_that_works() {
    let address = address(&healthy().start());
    let args = ["check-kafka", "--server", &address];
    let fine = "CheckKafka OK: 3 brokers, controller 2, 3 partitions of 2 topics in sync";
    says(&args, fine, 0);
    says(
        &[&args[..], &["--perfdata", "--brokers", "3", "-c", "5"]].concat(),
        &format!(
            "{fine} | 'brokers'=3;;;0 'topics'=2;;;0 'partitions'=3;;;0 \
             'under-replicated'=0;1;5;0 'offline'=0;;;0"
        ),
        0,
    );
    says(
        &[&args[..], &["--topic", "met.*", "--broker", "127.0.0.1"]].concat(),
        "CheckKafka OK: 3 brokers, controller 2, 1 partition of 1 topic in sync",
        0,
    );
    says(
        &[
            "check-kafka",
            "--server",
            "127.0.0.1:1",
            "--server",
            &address,
            "--dryrun",
        ],
        &format!(
            "CheckKafka would look at:\n  the cluster of 127.0.0.1:1\n  the cluster of {address}\n  each of its brokers"
        ),
        0,
    );
    // One of several to ask is away.
    says(
        &["check-kafka", "--server", AWAY, "--server", &address],
        fine,
        0,
    );
}

#[test]
fn what_may_be_missing() {
    let address = address(&healthy().start());
    let args = ["check-kafka", "--server", &address];
    says(
        &[
            &args[..],
            &["--brokers", "4", "--broker", "4", "--broker", "3"],
        ]
        .concat(),
        "CheckKafka CRITICAL: 3 brokers, expected 4; broker 4 is not there",
        2,
    );
    says(
        &[&args[..], &["--topic", "out", "--topic", "in"]].concat(),
        "CheckKafka CRITICAL: there is no topic out",
        2,
    );
    let mut cluster = healthy();
    cluster.controller = -1;
    let without = crate::kafka::address(&cluster.clone().start());
    says(
        &["check-kafka", "--server", &without],
        "CheckKafka CRITICAL: there is no controller",
        2,
    );
    cluster.controller = 7;
    let gone = crate::kafka::address(&cluster.start());
    says(
        &["check-kafka", "--server", &gone],
        "CheckKafka WARNING: the controller, broker 7, is not one of the cluster",
        1,
    );
}

#[test]
fn partitions_that_are_offline_or_under_replicated() {
    let mut cluster = healthy();
    let partitions = &mut cluster.topics[0].1;
    partitions[0].in_sync = vec![1];
    partitions[1].in_sync = vec![2];
    // Brokers before 1.0 say so of a partition that lacks a replica.
    partitions[1].code = 9;
    let address_lacking = address(&cluster.clone().start());
    let args = ["check-kafka", "--server", &address_lacking];
    let what = "2 of 3 partitions under-replicated, not on broker 2, 3: in-0, in-1, threshold";
    says(&args, &format!("CheckKafka WARNING: {what} 1"), 1);
    says(
        &[&args[..], &["-w", "2", "-c", "2"]].concat(),
        &format!("CheckKafka CRITICAL: {what} 2"),
        2,
    );
    says(
        &[&args[..], &["-w", "3"]].concat(),
        "CheckKafka OK: 3 brokers, controller 2, 3 partitions of 2 topics, 2 under-replicated",
        0,
    );
    says(
        &[&args[..], &["-w", "5", "-c", "3"]].concat(),
        "CheckKafka UNKNOWN: warning 5 and critical 3 are upside down: \
         critical must not come before the warning",
        3,
    );
    let partition = &mut cluster.topics[1].1[0];
    partition.leader = -1;
    partition.code = 5;
    let address = address(&cluster.start());
    says(
        &["check-kafka", "--server", &address, "--perfdata"],
        &format!(
            "CheckKafka CRITICAL: 1 of 3 partitions offline, without a leader: metrics-0; {what} 1 \
             | 'brokers'=3;;;0 'topics'=2;;;0 'partitions'=3;;;0 'under-replicated'=2;1;;0 \
             'offline'=1;;;0"
        ),
        2,
    );
    prints(
        &["metrics-kafka", "--server", &address, "--scheme", "s"],
        &[
            "s.brokers 3 @TS@",
            "s.controller 1 @TS@",
            "s.topics 2 @TS@",
            "s.partitions 3 @TS@",
            "s.under_replicated 2 @TS@",
            "s.offline 1 @TS@",
            "s.topic.in.end_offset 0 @TS@",
        ],
    );
}

#[test]
fn a_broker_that_is_not_where_it_says_is_named() {
    let mut cluster = healthy();
    cluster.brokers.insert(3, Some(("127.0.0.1".to_owned(), 1)));
    let address = address(&cluster.start());
    says(
        &["check-kafka", "--server", &address],
        &format!(
            "CheckKafka CRITICAL: broker 3: connecting to {AWAY} failed: Connection refused \
             (os error 111); is it running, and is this its address?"
        ),
        2,
    );
}

/// It takes its share of the time, and no more.
#[test]
fn a_broker_that_hangs_is_named_and_the_others_are_asked() {
    let hangs = Server::new(std::mem::forget);
    let mut cluster = healthy();
    cluster
        .brokers
        .insert(1, Some(("127.0.0.1".to_owned(), hangs.0.port())));
    cluster.brokers.insert(3, Some(("127.0.0.1".to_owned(), 1)));
    let at = address(&cluster.start());
    says(
        &["check-kafka", "--server", &at, "--timeout", "2"],
        &format!(
            "CheckKafka CRITICAL: broker 3: connecting to {AWAY} failed: Connection refused \
             (os error 111); is it running, and is this its address?; broker 1: asking {} for the \
             versions that it speaks failed: no answer in time",
            hangs.0
        ),
        2,
    );
}

#[test]
fn what_an_old_broker_does_not_tell_is_not_judged() {
    let mut cluster = healthy();
    cluster.newest = None;
    let lacking = &mut cluster.topics[1].1[0];
    lacking.in_sync = vec![3];
    let address = address(&cluster.start());
    says(
        &["check-kafka", "--server", &address, "-w", "2"],
        "CheckKafka OK: 3 brokers, 3 partitions of 2 topics, 1 under-replicated",
        0,
    );
}

#[test]
fn versions_that_are_not_spoken_are_named() {
    let mut cluster = healthy();
    cluster.newest = Some(-1);
    let address = address(&cluster.start());
    says(
        &["check-kafka", "--server", &address],
        &format!(
            "CheckKafka UNKNOWN: {address} speaks versions 0 to -1 of Metadata, \
             and this program 1, 0"
        ),
        3,
    );
}

#[test]
fn names_from_outside_forge_nothing() {
    let mut cluster = healthy();
    let name = "a\nCheckKafka OK: | 'x'=1";
    cluster.topics[1].0 = name.to_owned();
    cluster.topics[1].1[0].leader = -1;
    cluster
        .groups
        .insert(name.to_owned(), group("Empty", 0, &[("in", 0, 3)]));
    cluster.topics[0].1[0].end = 5;
    let address = address(&cluster.start());
    says(
        &["check-kafka", "--server", &address],
        "CheckKafka CRITICAL: 1 of 3 partitions offline, without a leader: \
         a CheckKafka OK: / 'x'=1-0",
        2,
    );
    let (text, status) = check(&["check-kafka-lag", "--server", &address, "--perfdata"]);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(text.matches('|').count(), 1, "{text}");
    assert_eq!(status, 0, "{text}");
    prints(
        &[
            "metrics-kafka",
            "--server",
            &address,
            "--scheme",
            "s",
            "-t",
            "in",
        ],
        &[
            "s.brokers 3 @TS@",
            "s.controller 1 @TS@",
            "s.topics 1 @TS@",
            "s.partitions 2 @TS@",
            "s.under_replicated 0 @TS@",
            "s.offline 0 @TS@",
            "s.topic.in.end_offset 5 @TS@",
            "s.group.a_CheckKafka_OK:____x_=1.members 0 @TS@",
            "s.group.a_CheckKafka_OK:____x_=1.lag 2 @TS@",
            "s.group.a_CheckKafka_OK:____x_=1.topic.in.lag 2 @TS@",
        ],
    );
}

#[test]
fn ten_thousand_topics() {
    let mut cluster = healthy();
    let mut partition = Partition::on(&[1, 2, 3]);
    partition.in_sync = vec![1];
    partition.end = 9;
    cluster.topics = (0..10_000)
        .map(|number| (format!("topic-{number}"), vec![partition.clone(); 3]))
        .collect();
    let committed = (0..10_000).map(|number| (format!("topic-{number}"), 0, 4));
    let committed: Vec<(String, i32, i64)> = committed.collect();
    let committed: Vec<(&str, i32, i64)> = committed
        .iter()
        .map(|(name, number, offset)| (name.as_str(), *number, *offset))
        .collect();
    cluster
        .groups
        .insert("g".to_owned(), group("Stable", 2, &committed));
    let at = address(&cluster.start());
    says(
        &["check-kafka", "--server", &at],
        "CheckKafka WARNING: 30000 of 30000 partitions under-replicated, not on broker 2, 3: \
         topic-0-0, topic-0-1, topic-0-2, and 29997 more, threshold 1",
        1,
    );
    says(
        &["check-kafka-lag", "--server", &at, "--allow-uncommitted"],
        "CheckKafkaLag WARNING: group g is 50000 messages behind, 5 of them in topic-0-0, \
         threshold 10000",
        1,
    );
}

fn group(state: &'static str, members: usize, committed: &[(&str, i32, i64)]) -> Group {
    let committed = committed
        .iter()
        .map(|(topic, number, offset)| (((*topic).to_owned(), *number), *offset))
        .collect();
    Group {
        state,
        members,
        committed,
        is_hidden: false,
    }
}

/// Three groups: one that follows, one that does not, and one that nobody is in.
fn with_groups() -> Cluster {
    let mut cluster = healthy();
    let partitions = &mut cluster.topics[0].1;
    partitions[0].end = 100;
    partitions[1].begin = 40;
    partitions[1].end = 50;
    cluster.groups = BTreeMap::from([
        (
            "follows".to_owned(),
            group("Stable", 2, &[("in", 0, 99), ("in", 1, 50)]),
        ),
        (
            "slow".to_owned(),
            group("Stable", 1, &[("in", 0, 20), ("in", 1, 30)]),
        ),
        ("left".to_owned(), group("Empty", 0, &[("in", 0, 100)])),
    ]);
    cluster
}

#[test]
fn groups_that_follow_and_that_do_not() {
    let at = address(&with_groups().start());
    let args = ["check-kafka-lag", "--server", &at];
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let fine = "CheckKafkaLag OK: group follows is Stable with 2 members, 1 message behind, \
                1 of them in in-0";
    says(&with(&["--group", "follows"]), fine, 0);
    says(
        &with(&["-g", "follows", "--perfdata", "-w", "10", "-c", "20"]),
        &format!("{fine} | 'follows lag'=1;10;20;0 'follows most'=1;;;0 'follows members'=2;;;0"),
        0,
    );
    let slow = "group slow is 100 messages behind, 80 of them in in-0, threshold";
    says(
        &with(&["-g", "follows", "-g", "sl.w", "-w", "100", "-c", "101"]),
        &format!("CheckKafkaLag WARNING: {slow} 100"),
        1,
    );
    says(
        &with(&["-g", "slow", "-w", "50", "-c", "100"]),
        &format!("CheckKafkaLag CRITICAL: {slow} 100"),
        2,
    );
    says(
        &with(&[
            "-g",
            "slow",
            "-w",
            "80",
            "-c",
            "100",
            "--per-partition",
            "--perfdata",
        ]),
        &format!(
            "CheckKafkaLag WARNING: {slow} 80 | 'slow lag'=100;;;0 'slow most'=80;80;100;0 \
             'slow members'=1;;;0"
        ),
        1,
    );
    says(
        &with(&[
            "-g",
            "slow",
            "-w",
            "50",
            "-c",
            "90",
            "--topic-excludes",
            "in",
        ]),
        "CheckKafkaLag OK: group slow is Stable with 1 member, 0 messages behind",
        0,
    );
    says(
        &with(&["--dryrun", "-g", "slow"]),
        &format!("CheckKafkaLag would look at:\n  the cluster of {at}\n  consumer group slow"),
        0,
    );
}

#[test]
fn groups_that_nobody_is_in_or_that_never_committed() {
    let at = address(&with_groups().start());
    let args = ["check-kafka-lag", "--server", &at];
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let never = "group left has never committed anything of 1 partition with messages: in-1";
    says(
        &with(&["-g", "left"]),
        &format!("CheckKafkaLag CRITICAL: group left is Empty with 0 members, expected 1; {never}"),
        2,
    );
    says(
        &with(&["-g", "left", "--members", "0"]),
        &format!("CheckKafkaLag WARNING: {never}"),
        1,
    );
    // Groups that are not named may have been left behind.
    says(&args, &format!("CheckKafkaLag WARNING: {never}"), 1);
    says(
        &with(&["--allow-uncommitted"]),
        "CheckKafkaLag OK: 3 groups, the last of them slow, 100 messages behind, \
         80 of them in in-0",
        0,
    );
    says(
        &with(&["-g", "follows", "--members", "3"]),
        "CheckKafkaLag CRITICAL: group follows is Stable with 2 members, expected 3",
        2,
    );
    says(
        &with(&["-g", "nobody"]),
        "CheckKafkaLag CRITICAL: there is no group nobody",
        2,
    );
    let at = address(&healthy().start());
    says(
        &["check-kafka-lag", "--server", &at],
        "CheckKafkaLag OK: there are no consumer groups",
        0,
    );
}

#[test]
fn what_is_beyond_the_end_or_without_one() {
    let mut cluster = with_groups();
    cluster.topics[0].1[0].end = 10;
    let at = address(&cluster.clone().start());
    says(
        &["check-kafka-lag", "--server", &at, "-g", "follows"],
        "CheckKafkaLag WARNING: group follows has committed 99 of in-0, which ends at 10; \
         was the topic made anew?",
        1,
    );
    cluster.topics[0].1[0].leader = -1;
    let at = address(&cluster.start());
    says(
        &["check-kafka-lag", "--server", &at, "-g", "follows"],
        "CheckKafkaLag UNKNOWN: how far group follows is behind is not known of in-0",
        3,
    );
}

#[test]
fn a_group_that_may_be_on_a_broker_that_is_away() {
    let mut cluster = with_groups();
    cluster.brokers.insert(3, Some(("127.0.0.1".to_owned(), 1)));
    let at = address(&cluster.start());
    says(
        &["check-kafka-lag", "--server", &at, "-g", "nobody"],
        &format!(
            "CheckKafkaLag CRITICAL: broker 3: connecting to {AWAY} failed: Connection refused \
             (os error 111); is it running, and is this its address?; there may be no group nobody"
        ),
        2,
    );
}

/// Kafka 0.9 does not list groups that only commit, and 0.8.2 has no list of groups.
#[test]
fn a_group_that_is_in_no_list_is_found_by_its_name() {
    let mut cluster = with_groups();
    cluster.newest = None;
    cluster.groups.get_mut("slow").unwrap().is_hidden = true;
    let offsets = ("__consumer_offsets".to_owned(), vec![Partition::on(&[1])]);
    cluster.topics.push(offsets);
    let at = address(&cluster.clone().start());
    let args = ["check-kafka-lag", "--server", &at, "-g", "slow", "-w", "9"];
    says(
        &[&args[..], &["--members", "0"]].concat(),
        "CheckKafkaLag WARNING: group slow is 100 messages behind, 80 of them in in-0, \
         threshold 9",
        1,
    );
    says(
        &["check-kafka-lag", "--server", &at, "-g", "nobody"],
        "CheckKafkaLag CRITICAL: there is no group nobody",
        2,
    );
    cluster.refuses = vec![15, 16];
    let at = address(&cluster.start());
    says(
        &["check-kafka-lag", "--server", &at, "-g", "slow"],
        "CheckKafkaLag OK: group slow is 100 messages behind, 80 of them in in-0",
        0,
    );
}

#[test]
fn the_lag_as_metrics() {
    let at = address(&with_groups().start());
    prints(
        &[
            "metrics-kafka",
            "--server",
            &at,
            "--scheme",
            "s",
            "-g",
            "slow",
            "-g",
            "left",
        ],
        &[
            "s.brokers 3 @TS@",
            "s.controller 1 @TS@",
            "s.topics 2 @TS@",
            "s.partitions 3 @TS@",
            "s.under_replicated 0 @TS@",
            "s.offline 0 @TS@",
            "s.topic.in.end_offset 150 @TS@",
            "s.topic.metrics.end_offset 0 @TS@",
            "s.group.left.members 0 @TS@",
            "s.group.left.lag 0 @TS@",
            "s.group.left.topic.in.lag 0 @TS@",
            "s.group.slow.members 1 @TS@",
            "s.group.slow.lag 100 @TS@",
            "s.group.slow.topic.in.lag 100 @TS@",
        ],
    );
}
