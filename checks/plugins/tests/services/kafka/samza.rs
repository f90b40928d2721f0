//! No Samza runs on the machines that test this: its reports are written after its documentation and
//! the names of its metrics in 0.7 to 1.0, and are no recordings.

use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::stand_in::{Cluster, Partition, set};
use super::{address, healthy};
use crate::{check, fixture, prints, says};

/// So many seconds ago, in milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "checks compare it with the same clock"
)]
fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{}000", now.as_secs() - seconds)
}

/// A report of a container of `wordcount`, so many seconds old.
fn report(container: &str, seconds: u64) -> String {
    let text = fixture("services/kafka/samza-container.json");
    let text = text.replace("@CONTAINER@", container);
    text.replace("\"@TIME@\"", &ago(seconds))
}

/// A report of one of its tasks.
fn task(container: &str, seconds: u64) -> String {
    let text = fixture("services/kafka/samza-task.json");
    let text = text.replace("@CONTAINER@", container);
    text.replace("\"@TIME@\"", &ago(seconds))
}

/// A cluster whose topic `metrics` has two partitions with these messages.
fn cluster(first: &[&str], second: &[&str]) -> Cluster {
    let mut cluster = healthy();
    let partition = |messages: &[&str]| Partition {
        end: 7 + i64::try_from(messages.len()).unwrap(),
        begin: 7,
        records: set(7, messages),
        ..Partition::on(&[3])
    };
    cluster.topics[1].1 = vec![partition(first), partition(second)];
    cluster
}

/// The arguments of a check of a cluster there, and the folder of its memory.
fn args<'a>(at: &'a str, state: &'a TempDir) -> [&'a str; 5] {
    let state = state.path().to_str().unwrap();
    ["check-samza", "--server", at, "--state-dir", state]
}

/// What is said at the end of the line, the first time that nothing is wrong.
const FIRST: &str = ", first run, containers that vanish are missed from here on";

/// Fails unless a check says this, `N` being a number of seconds that is at least `age` and little
/// more.
fn says_aged(args: &[&str], line: &str, age: u64, status: i32) {
    let (text, got) = check(args);
    let (before, after) = line.split_once(" N s ago").unwrap();
    let rest = text
        .strip_prefix(before)
        .unwrap_or_else(|| panic!("{text}"));
    let (seconds, rest) = rest[1..].split_once(" s ago").unwrap();
    let seconds: u64 = seconds.parse().unwrap();
    assert!((age..age + 60).contains(&seconds), "{text}");
    assert_eq!(
        (rest, got),
        (format!("{after}\n").as_str(), status),
        "{text}"
    );
}

#[test]
fn a_job_that_runs() {
    let (one, other) = (
        report("samza-container-0", 20),
        report("samza-container-1", 30),
    );
    let older =
        report("samza-container-0", 80).replace("\"process-ns\": 1520000.5", "\"process-ns\": 9e9");
    let task = task("samza-container-1", 30);
    let at = address(&cluster(&[&older, &one], &[&other, &task]).start());
    let state = tempfile::tempdir().unwrap();
    let args = args(&at, &state);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let fine = "CheckSamza OK: job wordcount 1: 2 containers, last reported at most N s ago, \
                1.52 ms for a message, 14 messages to read";
    says_aged(&args, &format!("{fine}{FIRST}"), 30, 0);
    says_aged(&args, fine, 30, 0);
    let names = [
        "--container",
        "samza-container-0",
        "--container",
        "samza-container-1",
    ];
    let wanted = ["--job", "wordcount", "--job-id", "1", "--containers", "2"];
    says_aged(&with(&[&names[..], &wanted].concat()), fine, 30, 0);
}

#[test]
fn thresholds_of_what_is_reported() {
    let (one, other) = (
        report("samza-container-0", 20),
        report("samza-container-1", 30),
    );
    let task = task("samza-container-1", 30);
    let at = address(&cluster(&[&one], &[&other, &task]).start());
    let state = tempfile::tempdir().unwrap();
    let args = args(&at, &state);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    says(
        &with(&["--lag-warning", "10", "--lag-critical", "15"]),
        "CheckSamza WARNING: job wordcount 1 has 14 messages to read, threshold 10",
        1,
    );
    let slow = "job wordcount 1: samza-container-0 on venus005 takes 1.52 ms for a message, \
                threshold 1.5; \
                job wordcount 1: samza-container-1 on venus005 takes 1.52 ms for a message, \
                threshold 1.5";
    says(
        &with(&["--process-critical", "1.5"]),
        &format!("CheckSamza CRITICAL: {slow}"),
        2,
    );
    says(
        &with(&["--errors-warning", "3"]),
        "CheckSamza WARNING: job wordcount 1: samza-container-1 on venus005 has had 5 errors, \
         threshold 3",
        1,
    );
    says(
        &with(&["--lag-warning", "15", "--lag-critical", "10"]),
        "CheckSamza UNKNOWN: warning 15 and critical 10 are upside down: \
         critical must not come before the warning",
        3,
    );
}

#[test]
fn a_container_that_is_missing_or_silent() {
    let (one, other) = (
        report("samza-container-0", 20),
        report("samza-container-1", 400),
    );
    let at = address(&cluster(&[&one], &[&other]).start());
    let state = tempfile::tempdir().unwrap();
    let args = args(&at, &state);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let silent = "job wordcount 1: samza-container-1 on venus005 last reported N s ago, \
                  threshold";
    says_aged(&args, &format!("CheckSamza CRITICAL: {silent} 300"), 400, 2);
    says_aged(
        &with(&["-w", "300", "-c", "800"]),
        &format!("CheckSamza WARNING: {silent} 300"),
        400,
        1,
    );
    says(
        &with(&[
            "-w",
            "600",
            "-c",
            "800",
            "--containers",
            "3",
            "--container",
            "samza-container-2",
        ]),
        "CheckSamza CRITICAL: job wordcount 1: 2 containers reported, expected 3; \
         job wordcount 1: samza-container-2 has not reported",
        2,
    );
    says(
        &with(&["--job", "other", "--job-id", "2"]),
        "CheckSamza CRITICAL: no job other with id 2 has reported to topic metrics within 900 s, \
         in 2 messages",
        2,
    );
    says(
        &with(&["-w", "1", "-c", "300", "--window", "300"]),
        "CheckSamza UNKNOWN: --window 300 is not longer than 300, which is critical; \
         what is silent for longer than the window is not seen",
        3,
    );
    says(
        &with(&["-w", "5", "-c", "10", "--window", "15"]),
        "CheckSamza CRITICAL: no job has reported to topic metrics within 15 s, in 2 messages",
        2,
    );
    says(
        &with(&["--topic", "samza"]),
        "CheckSamza CRITICAL: there is no topic samza, so no job reports",
        2,
    );
}

#[test]
fn messages_that_are_no_reports() {
    let at = address(&cluster(&["{}", "\u{1}"], &[]).start());
    let state = tempfile::tempdir().unwrap();
    says(
        &args(&at, &state),
        "CheckSamza UNKNOWN: 2 of 2 messages of topic metrics are no reports: \
         missing field `header` at line 1 column 2",
        3,
    );
    let one = report("samza|\ncontainer", 20).replace('\n', " ");
    let at = address(&cluster(&["{}"], &[&one]).start());
    says_aged(
        &args(&at, &state),
        "CheckSamza OK: job wordcount 1: 1 container, last reported at most N s ago, \
         1.52 ms for a message, 7 messages to read, \
         first run, containers that vanish are missed from here on\n\
         1 of 2 messages of topic metrics are no reports: missing field `header` \
         at line 1 column 2",
        20,
        0,
    );
    let mut cluster = cluster(&[&one], &[&one]);
    cluster.topics[1].1[1].records[16] = 9;
    let at = address(&cluster.start());
    says(
        &args(&at, &state),
        "CheckSamza UNKNOWN: messages of metrics-1 from 7 on: cannot understand them: a format of 9",
        3,
    );
    // What is missing may be among them.
    says(
        &["check-samza", "--server", &at, "--containers", "2"],
        "CheckSamza UNKNOWN: messages of metrics-1 from 7 on: cannot understand them: a format of 9; \
         job wordcount 1: 1 container reported, expected 2",
        3,
    );
}

/// One that died is soon in none of the messages that are read.
#[test]
fn a_container_that_vanished_is_missed() {
    let (one, other) = (
        report("samza-container-0", 20),
        report("samza-container-1", 400),
    );
    let (server, change) = cluster(&[&one], &[&other]).start_changing();
    let at = address(&server);
    let state = tempfile::tempdir().unwrap();
    let args = args(&at, &state);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let silent = "CheckSamza CRITICAL: job wordcount 1: samza-container-1 on venus005 \
                  last reported N s ago, threshold 300";
    says_aged(&args, silent, 400, 2);
    // Others know nothing of it yet, and what is expected by its name or number needs no memory.
    change(cluster(&[&one], &[]));
    says_aged(&args, silent, 400, 2);
    let fine = "CheckSamza OK: job wordcount 1: 1 container, last reported at most N s ago, \
                1.52 ms for a message, 7 messages to read";
    let unnamed = ["--forget", "0"];
    let numbered = ["--containers", "1"];
    let named = ["--container", "samza-container-0"];
    for more in [&unnamed[..], &numbered, &named] {
        says_aged(&with(more), fine, 20, 0);
    }
    let job = ["--job", "wordcount"];
    says_aged(&with(&job), &format!("{fine}{FIRST}"), 20, 0);
    says_aged(&args, silent, 400, 2);

    // Where not all can be read, it may be there.
    let mut broken = cluster(&[&one], &[&one]);
    broken.topics[1].1[1].records[16] = 9;
    change(broken);
    says_aged(
        &args,
        "CheckSamza UNKNOWN: messages of metrics-1 from 7 on: cannot understand them: a format of 9; \
         job wordcount 1: samza-container-1 on venus005 last reported N s ago, threshold 300",
        400,
        3,
    );

    // The whole job.
    change(cluster(&[], &[]));
    let (text, status) = check(&with(&job));
    assert_eq!(
        (text.as_str(), status),
        (
            "CheckSamza CRITICAL: no job wordcount has reported to topic metrics within 900 s, \
             in 0 messages\n",
            2
        )
    );

    let back = report("samza-container-1", 10);
    change(cluster(&[&one], &[&back]));
    let both = "CheckSamza OK: job wordcount 1: 2 containers, last reported at most N s ago, \
                1.52 ms for a message, 14 messages to read";
    says_aged(&args, both, 20, 0);
}

#[test]
fn a_memory_that_was_lost_or_is_of_no_use_is_told() {
    let one = report("samza-container-0", 20);
    let at = address(&cluster(&[&one], &[]).start());
    let state = tempfile::tempdir().unwrap();
    let args = args(&at, &state);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    let fine = "job wordcount 1: 1 container, last reported at most N s ago, \
                1.52 ms for a message, 7 messages to read";
    says_aged(&args, &format!("CheckSamza OK: {fine}{FIRST}"), 20, 0);
    let kept = std::fs::read_dir(state.path()).unwrap().next().unwrap();
    let kept = kept.unwrap().path();
    std::fs::write(&kept, "{").unwrap();
    let kept = kept.display();
    says_aged(
        &args,
        &format!(
            "CheckSamza UNKNOWN: the state file {kept} is damaged (invalid type: map, \
             expected a sequence at line 1 column 0) and is begun anew; {fine}"
        ),
        20,
        3,
    );
    says_aged(&args, &format!("CheckSamza OK: {fine}"), 20, 0);
    let dry = crate::run(&with(&["--dryrun"]));
    assert_eq!(
        String::from_utf8(dry.stdout).unwrap(),
        format!("CheckSamza would look at:\n  topic metrics of the cluster of {at}\n  {kept}\n")
    );
    says(
        &with(&["--forget", "900"]),
        "CheckSamza UNKNOWN: --forget 900 is not longer than the window of 900 s, \
         in which all that report are seen",
        3,
    );
    let (text, status) = check(&with(&["--forget", "1000", "--containers", "1"]));
    assert!(text.starts_with("CheckSamza UNKNOWN: "), "{text}");
    assert!(
        text.contains("--forget") && text.contains("--containers"),
        "{text}"
    );
    assert_eq!(status, 3);
}

/// Kafka 0.9 does not find messages by their time, and sends no more than it is asked for.
#[test]
fn an_old_broker_and_a_large_message() {
    let large = format!(
        "{} {}",
        report("samza-container-0", 20),
        " ".repeat(3 << 20)
    );
    let other = report("samza-container-1", 20);
    let mut cluster = cluster(&[&large], &[&other]);
    cluster.newest = None;
    let at = address(&cluster.start());
    says_aged(
        &["check-samza", "--server", &at, "--containers", "2"],
        "CheckSamza OK: job wordcount 1: 2 containers, last reported at most N s ago, \
         1.52 ms for a message, 14 messages to read",
        20,
        0,
    );
}

#[test]
fn the_reports_as_metrics() {
    let task = task("samza-container-0", 20);
    let at = address(&cluster(&[&report("samza-container-0", 20), &task], &[]).start());
    let args = ["metrics-samza", "--server", &at, "--scheme", "s"];
    let output = crate::run(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("s.wordcount.1.samza-container-0.age 2"),
        "{text}"
    );
    // Its age may have grown by a second since.
    let without_age = text.lines().filter(|line| !line.contains(".age "));
    let lines: Vec<&str> = without_age
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        lines,
        [
            "s.wordcount.1.containers 1",
            "s.wordcount.1.samza-container-0.process.seconds 0.0015200005",
            "s.wordcount.1.samza-container-0.process.calls 1093",
            "s.wordcount.1.samza-container-0.window.seconds 0",
            "s.wordcount.1.samza-container-0.window.calls 0",
            "s.wordcount.1.samza-container-0.choose.seconds 0.00021",
            "s.wordcount.1.samza-container-0.commit.seconds 0.0034",
            "s.wordcount.1.samza-container-0.commit.calls 7",
            "s.wordcount.1.samza-container-0.lag 7",
            "s.wordcount.1.samza-container-0.errors 5",
        ]
    );
    prints(&[&args[..], &["--job", "other"]].concat(), &[]);
}
