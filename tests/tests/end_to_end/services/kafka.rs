//! Against the broker tansu, and against librdkafka's mock cluster where several brokers are needed.
//! Neither has partitions that lack a replica: those are seen on a stand-in, in `venus-checks`.

use super::{check, comes_to_say, says};
use venus_tests::kafka::{Mock, Tansu};

const AWAY: &str =
    "failed: Connection refused (os error 111); is it running, and is this its address?";

/// So many messages.
fn messages(count: usize) -> Vec<String> {
    vec!["a message".to_owned(); count]
}

#[test]
fn a_group_that_falls_behind_and_catches_up() {
    let Some(mut broker) = Tansu::launch() else {
        return;
    };
    let Some(mut client) = broker.client() else {
        return;
    };
    broker.topic("in", 2);
    let server = broker.address();
    let limits = ["-w", "10", "-c", "20"];
    let args = [
        &["check-kafka-lag", "--server", &server, "--group", "slurm"],
        &limits[..],
    ]
    .concat();
    let says = |line: &str, status| says(&args, line, status);
    says("CheckKafkaLag CRITICAL: there is no group slurm", 2);

    // With offsets kept anywhere, a name that is in no list is asked for, too.
    broker.topic("__consumer_offsets", 1);
    says("CheckKafkaLag CRITICAL: there is no group slurm", 2);

    client.produce("in", 0, &messages(3));
    client.produce("in", 1, &messages(1));
    client.join("slurm");
    client.commit("slurm", "in", 0, 3);
    says(
        "CheckKafkaLag WARNING: group slurm has never committed anything of 1 partition with \
         messages: in-1",
        1,
    );
    client.commit("slurm", "in", 1, 1);
    let follows = "CheckKafkaLag OK: group slurm is Stable with 1 member, 0 messages behind";
    says(follows, 0);

    client.produce("in", 0, &messages(12));
    says(
        "CheckKafkaLag WARNING: group slurm is 12 messages behind, 12 of them in in-0, \
         threshold 10",
        1,
    );
    client.produce("in", 1, &messages(9));
    says(
        "CheckKafkaLag CRITICAL: group slurm is 21 messages behind, 12 of them in in-0, \
         threshold 20",
        2,
    );
    let (metrics, status) = check(&["metrics-kafka", "--server", &server, "--scheme", "k"]);
    let metrics: Vec<&str> = metrics
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        metrics,
        [
            "k.brokers 1",
            "k.controller 1",
            "k.topics 2",
            "k.partitions 3",
            "k.under_replicated 0",
            "k.offline 0",
            "k.topic.in.end_offset 25",
            "k.group.slurm.members 1",
            "k.group.slurm.lag 21",
            "k.group.slurm.topic.in.lag 21",
        ]
    );
    assert_eq!(status, 0);

    client.commit("slurm", "in", 0, 15);
    client.commit("slurm", "in", 1, 10);
    says(follows, 0);

    client.leave("slurm");
    says(
        "CheckKafkaLag CRITICAL: group slurm is Empty with 0 members, expected 1",
        2,
    );
    client.join("slurm");
    says(follows, 0);

    broker.kill();
    says(
        &format!("CheckKafkaLag CRITICAL: connecting to {server} {AWAY}"),
        2,
    );
    // It remembers nothing.
    broker.relaunch();
    says("CheckKafkaLag CRITICAL: there is no group slurm", 2);
}

#[test]
fn a_broker_that_ends_and_comes_back() {
    let Some(mut broker) = Tansu::launch() else {
        return;
    };
    broker.topic("metrics", 3);
    let server = broker.address();
    let args = ["check-kafka", "--server", &server, "--topic", "metrics"];
    let fine = "CheckKafka OK: 1 broker, controller 111, 3 partitions of 1 topic in sync";
    says(&args, fine, 0);
    says(
        &[&args[..], &["--brokers", "3"]].concat(),
        "CheckKafka CRITICAL: 1 broker, expected 3",
        2,
    );
    broker.kill();
    says(
        &args,
        &format!("CheckKafka CRITICAL: connecting to {server} {AWAY}"),
        2,
    );
    broker.relaunch();
    says(&args, "CheckKafka CRITICAL: there is no topic metrics", 2);
    broker.topic("metrics", 3);
    says(&args, fine, 0);
}

#[test]
fn partitions_without_a_leader_and_brokers_that_are_down() {
    let Some(mut cluster) = Mock::launch(3) else {
        return;
    };
    cluster.topic("in", 4, 3);
    let servers = cluster.addresses.clone();
    let args = [
        "check-kafka",
        "--server",
        &servers[0],
        "--server",
        &servers[1],
        "--brokers",
        "3",
    ];
    // It says so: see its harness.
    let controller = "the controller, broker 0, is not one of the cluster";
    says(&args, &format!("CheckKafka WARNING: {controller}"), 1);

    cluster.lead("in", 2, None);
    let offline = "1 of 4 partitions offline, without a leader: in-2";
    says(
        &args,
        &format!("CheckKafka CRITICAL: {offline}; {controller}"),
        2,
    );
    cluster.stop(3);
    let down = format!("broker 3: connecting to {} {AWAY}", servers[2]);
    comes_to_say(
        &args,
        &format!("CheckKafka CRITICAL: {down}; {offline}; {controller}\n"),
    );
    // The first to be asked is down.
    cluster.stop(1);
    let first = format!("broker 1: connecting to {} {AWAY}", servers[0]);
    comes_to_say(
        &args,
        &format!("CheckKafka CRITICAL: {first}; {down}; {offline}; {controller}\n"),
    );

    cluster.start(1);
    cluster.start(3);
    cluster.lead("in", 2, Some(2));
    comes_to_say(&args, &format!("CheckKafka WARNING: {controller}\n"));
}

/// Kafka 0.9 hangs up when it is asked what it speaks, and names no controller.
#[test]
fn a_cluster_that_speaks_only_the_oldest_versions() {
    let Some(mut cluster) = Mock::launch(2) else {
        return;
    };
    cluster.topic("in", 4, 2);
    for kind in [1, 2, 3] {
        cluster.limit(kind, 0);
    }
    let server = cluster.addresses[1].clone();
    let args = ["check-kafka", "--server", &server];
    let fine = "CheckKafka OK: 2 brokers, 4 partitions of 1 topic in sync";
    says(&args, fine, 0);
    cluster.limit(18, -1);
    says(&args, fine, 0);
}
