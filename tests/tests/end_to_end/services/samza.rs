//! No Samza runs on the machines that test this: the reports are written after its documentation. The
//! brokers that they go to are tansu and librdkafka's mock cluster.

use super::{check, comes_to_say, says};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use venus_tests::kafka::{Mock, Tansu};

/// So many seconds ago, in milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "checks compare it with the same clock"
)]
fn ago(seconds: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now.as_secs() - seconds) * 1000
}

/// What a container of `wordcount` reported so many seconds ago.
fn report(container: &str, seconds: u64) -> String {
    let report = json!({
        "header": {
            "job-name": "wordcount", "job-id": "1", "container-name": container,
            "source": container, "host": "venus005", "time": ago(seconds),
            "reset-time": 1_453_048_000_000_u64, "version": "0.0.1", "samza-version": "0.10.0",
        },
        "metrics": {
            "org.apache.samza.container.SamzaContainerMetrics": {
                "process-calls": 1093, "process-ns": 1_520_000.5, "window-ns": 0.0,
            },
            "org.apache.samza.system.kafka.KafkaSystemConsumerMetrics": {
                "kafka-in-0-messages-behind-high-watermark": 7,
            },
        },
    });
    report.to_string()
}

/// The line of a check without its number of seconds, which grows while the test runs.
fn without_age(args: &[&str]) -> (String, i32) {
    let (line, status) = check(args);
    let (before, after) = line
        .split_once(" s ago")
        .unwrap_or_else(|| panic!("{line}"));
    let before = before.trim_end_matches(|character: char| character.is_ascii_digit());
    (format!("{before}N s ago{after}"), status)
}

#[test]
fn containers_that_report_fall_silent_and_come_back() {
    let Some(mut broker) = Tansu::launch() else {
        return;
    };
    let Some(mut client) = broker.client() else {
        return;
    };
    let server = broker.address();
    let job = ["--job", "wordcount", "--containers", "2"];
    let args = [&["check-samza", "--server", &server], &job[..]].concat();
    says(
        &args,
        "CheckSamza CRITICAL: there is no topic metrics, so no job wordcount reports",
        2,
    );
    broker.topic("metrics", 2);
    says(
        &args,
        "CheckSamza CRITICAL: no job wordcount has reported to topic metrics within 900 s, \
         in 0 messages",
        2,
    );
    client.produce("metrics", 0, &[report("samza-container-0", 20)]);
    says(
        &args,
        "CheckSamza CRITICAL: job wordcount 1: 1 container reported, expected 2",
        2,
    );
    client.produce("metrics", 1, &[report("samza-container-1", 400)]);
    let silent = "job wordcount 1: samza-container-1 on venus005 last reported N s ago, \
                  threshold";
    assert_eq!(
        without_age(&args),
        (format!("CheckSamza CRITICAL: {silent} 300\n"), 2)
    );
    client.produce("metrics", 1, &[report("samza-container-1", 200)]);
    assert_eq!(
        without_age(&args),
        (format!("CheckSamza WARNING: {silent} 180\n"), 1)
    );
    client.produce("metrics", 0, &[report("samza-container-1", 1)]);
    let fine = "job wordcount 1: 2 containers, last reported at most N s ago, \
                1.52 ms for a message, 14 messages to read";
    assert_eq!(without_age(&args), (format!("CheckSamza OK: {fine}\n"), 0));
    says(
        &[&args[..], &["--lag-critical", "14"]].concat(),
        "CheckSamza CRITICAL: job wordcount 1 has 14 messages to read, threshold 14",
        2,
    );
    let (metrics, status) = check(&["metrics-samza", "--server", &server, "--scheme", "s"]);
    let has = |line: &str| metrics.lines().any(|one| one.starts_with(line));
    for line in [
        "s.wordcount.1.containers 2 ",
        "s.wordcount.1.samza-container-0.lag 7 ",
        "s.wordcount.1.samza-container-1.process.seconds 0.0015200005 ",
    ] {
        assert!(has(line), "{line}: {metrics}");
    }
    assert_eq!(status, 0);

    client.produce("metrics", 0, &["no report".to_owned()]);
    let strange =
        "1 of 5 messages of topic metrics are no reports: expected ident at line 1 column 2";
    assert_eq!(
        without_age(&args),
        (format!("CheckSamza OK: {fine}\n{strange}\n"), 0)
    );
    broker.kill();
    comes_to_say(
        &args,
        &format!("CheckSamza CRITICAL: connecting to {server} failed"),
    );
}

/// A broker that begins anew has none of the old messages, as one that has deleted them.
#[test]
fn a_container_that_is_in_no_message_any_more_is_missed() {
    let Some(mut broker) = Tansu::launch() else {
        return;
    };
    let Some(mut client) = broker.client() else {
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let (server, folder) = (broker.address(), state.path().to_str().unwrap());
    let args = ["check-samza", "--server", &server, "--state-dir", folder];
    broker.topic("metrics", 2);
    client.produce("metrics", 0, &[report("samza-container-0", 20)]);
    client.produce("metrics", 1, &[report("samza-container-1", 200)]);
    let silent = "CheckSamza WARNING: job wordcount 1: samza-container-1 on venus005 \
                  last reported N s ago, threshold 180\n";
    assert_eq!(without_age(&args), (silent.to_owned(), 1));

    broker.kill();
    broker.relaunch();
    let mut client = broker.client().unwrap();
    broker.topic("metrics", 2);
    client.produce("metrics", 0, &[report("samza-container-0", 20)]);
    assert_eq!(without_age(&args), (silent.to_owned(), 1));
    // One that was never told of it, and one that is told what to expect.
    let one = "CheckSamza OK: job wordcount 1: 1 container, last reported at most N s ago, \
               1.52 ms for a message, 7 messages to read";
    let first = ", first run, containers that vanish are missed from here on";
    let other = [&args[..], &["--job", "wordcount"]].concat();
    assert_eq!(without_age(&other), (format!("{one}{first}\n"), 0));
    let expecting = [&args[..], &["--containers", "1"]].concat();
    assert_eq!(without_age(&expecting), (format!("{one}\n"), 0));

    client.produce("metrics", 1, &[report("samza-container-1", 10)]);
    let both = "CheckSamza OK: job wordcount 1: 2 containers, last reported at most N s ago, \
                1.52 ms for a message, 14 messages to read\n";
    assert_eq!(without_age(&args), (both.to_owned(), 0));
}

/// By librdkafka, which compresses with libraries of others; read in the newest versions that are
/// spoken here, and in the oldest.
#[test]
fn reports_compressed_in_every_way() {
    let Some(mut cluster) = Mock::launch(2) else {
        return;
    };
    cluster.topic("metrics", 4, 1);
    for (partition, compression) in (0..).zip(["none", "gzip", "snappy", "lz4"]) {
        let report = report(&format!("of-{compression}"), 20);
        let sent = cluster.produce("metrics", partition, compression, &report);
        if sent.is_none() {
            return;
        }
    }
    let server = cluster.addresses[0].clone();
    let args = ["check-samza", "--server", &server, "--containers", "4"];
    let fine = "CheckSamza OK: job wordcount 1: 4 containers, last reported at most N s ago, \
                1.52 ms for a message, 28 messages to read\n";
    assert_eq!(without_age(&args), (fine.to_owned(), 0));
    cluster.topic("other", 1, 1);
    let zstd = report("of-zstd", 20);
    if cluster.produce("other", 0, "zstd", &zstd).is_none() {
        return;
    }
    says(
        &[&args[..], &["--topic", "other"]].concat(),
        "CheckSamza UNKNOWN: messages of other-0 from 0 on: cannot understand them: \
         it is compressed with zstd, which is not understood",
        3,
    );
    for kind in [1, 2, 3] {
        cluster.limit(kind, 0);
    }
    assert_eq!(without_age(&args), (fine.to_owned(), 0));
}
