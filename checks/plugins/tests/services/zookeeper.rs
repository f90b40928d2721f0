//! `mntr-3.8-…` and `srvr-3.8` are recordings of Debian's `ZooKeeper` 3.8.0, of which a part of the
//! lines was kept; `mntr-3.4-leader` is written after the administrator's guide of 3.4.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use crate::{Server, check, fixture, nobody, prints, run, says};

/// A server that answers these words, and hangs up on all others.
fn server(answers: &[(&'static str, &str)]) -> (Server, String) {
    let answers: Vec<(&str, String)> = answers
        .iter()
        .map(|(word, said)| (*word, (*said).to_owned()))
        .collect();
    let server = Server::new(move |mut stream: TcpStream| {
        let mut word = [0; 4];
        if stream.read_exact(&mut word).is_ok() {
            let mut all = answers.iter();
            if let Some((_, said)) = all.find(|(one, _)| one.as_bytes() == word) {
                drop(stream.write_all(said.as_bytes()));
            }
        }
    });
    let address = server.0.to_string();
    (server, address)
}

/// One that answers `mntr` so, and is in order.
fn tells(mntr: &str) -> (Server, String) {
    server(&[("mntr", mntr), ("ruok", "imok")])
}

fn leader() -> (Server, String) {
    tells(&fixture("services/zookeeper/mntr-3.8-leader"))
}

fn follower() -> (Server, String) {
    tells(&fixture("services/zookeeper/mntr-3.8-follower"))
}

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

fn not_serving() -> (Server, String) {
    server(&[
        ("mntr", NOT_SERVING),
        ("srvr", NOT_SERVING),
        ("ruok", "imok"),
    ])
}

/// One that accepts, and never says a word.
fn hanging() -> (Server, String) {
    let server = Server::new(|stream| {
        thread::spawn(move || drop(std::io::copy(&mut &stream, &mut std::io::sink())));
    });
    let address = server.0.to_string();
    (server, address)
}

/// The check of these servers, with more arguments.
fn args<'a>(servers: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["check-zookeeper"];
    for server in servers {
        args.extend(["--server", server]);
    }
    args.extend(more);
    args
}

#[test]
fn one_server() {
    let (_server, address) = follower();
    let fine = format!(
        "CheckZooKeeper OK: {address} is follower, ZooKeeper 3.8.0; outstanding requests 0, \
         average latency 0 ms, open file descriptors 0.21%"
    );
    says(&args(&[&address], &[]), &fine, 0);
    // Twice the same is one.
    says(
        &args(&[&address, &address], &["-m", "leader follower"]),
        &fine,
        0,
    );
    let figures = "'outstanding_requests'=0;100;1000;0 'avg_latency'=0;10;100;0 \
                   'max_latency'=0;;;0 'file_descriptors'=0.21%;75;85;0;100 'znode_count'=5;;;0 \
                   'approximate_data_size'=182B;;;0";
    let with = format!("{fine} | {figures}");
    says(&args(&[&address], &["--perfdata"]), &with, 0);
    says(
        &args(&[&address], &["--role", "leader,standalone"]),
        &format!("CheckZooKeeper CRITICAL: {address} is follower, expected leader or standalone"),
        2,
    );
    says(
        &args(&[&address], &["--dryrun"]),
        &format!("CheckZooKeeper would look at:\n  {address}, by mntr (or srvr, or stat) and ruok"),
        0,
    );
}

#[test]
fn an_ensemble() {
    let [(_a, one), (_b, two), (_c, three)] = [follower(), leader(), follower()];
    let all = [one.as_str(), &two, &three];
    says(
        &args(&all, &[]),
        &format!(
            "CheckZooKeeper OK: 3 of 3 servers serve, led by {two}; outstanding requests at most 0, \
             average latency at most 0 ms, open file descriptors at most 0.22%"
        ),
        0,
    );
    // A part of it is no reason to worry.
    let (text, status) = check(&args(&[&one, &three], &[]));
    assert!(
        text.starts_with("CheckZooKeeper OK: 2 of 2 servers serve; "),
        "{text}"
    );
    assert_eq!(status, 0);
    let (_d, other) = leader();
    says(
        &args(&[&one, &two, &other], &[]),
        &format!("CheckZooKeeper CRITICAL: 2 leaders: {two}, {other}; are they of one ensemble?"),
        2,
    );
    let (_e, alone) = tells(&fixture("services/zookeeper/mntr-3.8-standalone"));
    says(
        &args(&[&one, &two, &alone], &[]),
        &format!(
            "CheckZooKeeper CRITICAL: {alone} is standalone, and not of an ensemble with the others"
        ),
        2,
    );
    says(
        &args(&[&one, &three, &follower().1], &[]),
        "CheckZooKeeper UNKNOWN: no leader among these servers; are all of the ensemble given?",
        3,
    );
}

#[test]
fn one_of_three_is_missing() {
    let [(_a, one), (_b, two)] = [follower(), leader()];
    let (_c, out) = not_serving();
    let (_d, hangs) = hanging();
    let away = nobody().to_string();
    let refused = "Connection refused (os error 111); is it running, and is this its address?";
    for (other, why) in [
        (&out, format!("{out} has no quorum and does not serve")),
        (&hangs, format!("{hangs} does not answer in time")),
        (&away, format!("connecting to {away} failed: {refused}")),
    ] {
        let all = [one.as_str(), &two, other];
        let what = format!("2 of 3 servers serve, 1 is missing, threshold 1; {why}");
        let args = |more: &[&'static str]| args(&all, &[&["--timeout", "1"], more].concat());
        says(&args(&[]), &format!("CheckZooKeeper WARNING: {what}"), 1);
        says(
            &args(&["--missing-critical", "1"]),
            &format!("CheckZooKeeper CRITICAL: {what}"),
            2,
        );
        let (text, status) = check(&args(&["--missing-warning", "2"]));
        let fine = format!("CheckZooKeeper OK: 2 of 3 servers serve, led by {two}; ");
        assert!(text.starts_with(&fine), "{text}");
        assert_eq!(status, 0);
    }
    // Who answers something else may still vote.
    let (_e, other) = tells("220 mail.example.org ESMTP\n");
    says(
        &args(&[&one, &two, &other], &[]),
        &format!(
            "CheckZooKeeper UNKNOWN: {other} answers mntr with \"220 mail.example.org ESMTP\": \
             it does not say zk_server_state; is it ZooKeeper?"
        ),
        3,
    );
}

#[test]
fn too_few_are_left_for_a_quorum() {
    let (_a, one) = follower();
    let (_b, out) = not_serving();
    let (_c, hangs) = hanging();
    let (_d, also_hangs) = hanging();
    let timed = |servers: [&str; 3]| {
        let (text, status) = check(&args(&servers, &["--timeout", "1"]));
        (text.trim_end().to_owned(), status)
    };
    let lost = "CheckZooKeeper CRITICAL: ";
    let needed = "2 are needed for a quorum";
    let why = format!("{out} has no quorum and does not serve; {hangs} does not answer in time");
    // Who follows has a leader, which may be the one that hangs, and that a quorum.
    assert_eq!(
        timed([&one, &out, &hangs]),
        (
            format!(
                "CheckZooKeeper WARNING: 1 of 3 servers serves, 2 are missing, threshold 1; {why}"
            ),
            1
        )
    );
    let more = format!("{why}; {also_hangs} does not answer in time");
    assert_eq!(
        timed([&out, &hangs, &also_hangs]),
        (format!("{lost}0 of 3 servers serve, {needed}; {more}"), 2)
    );
    // Nobody has said a word.
    let (_e, third) = hanging();
    let [a, b, c] =
        [&hangs, &also_hangs, &third].map(|one| format!("{one} does not answer in time"));
    assert_eq!(
        timed([&hangs, &also_hangs, &third]),
        (format!("CheckZooKeeper UNKNOWN: {a}; {b}; {c}"), 3)
    );
    says(
        &args(&[&out], &[]),
        &format!("{lost}{out} has no quorum and does not serve"),
        2,
    );
}

/// The votes are what counts: two of five that are given are observers.
#[test]
fn observers_have_no_vote() {
    let mntr = fixture("services/zookeeper/mntr-3.8-follower");
    let observer = mntr.replace("zk_server_state\tfollower", "zk_server_state\tobserver");
    let [(_a, one), (_b, two)] = [follower(), leader()];
    let away: Vec<String> = (0..3).map(|_| nobody().to_string()).collect();
    let all = [one.as_str(), &two, &away[0], &away[1], &away[2]];
    let (text, status) = check(&args(&all, &[]));
    assert!(
        text.starts_with(
            "CheckZooKeeper WARNING: 2 of 5 servers serve, 3 are missing, threshold 1; "
        ),
        "{text}"
    );
    assert_eq!(status, 1);
    let [(_c, three), (_d, four)] = [tells(&observer), tells(&observer)];
    let all = [one.as_str(), &two, &three, &four, &away[0]];
    let (text, status) = check(&args(&all, &[]));
    assert!(
        text.starts_with(
            "CheckZooKeeper WARNING: 4 of 5 servers serve, 1 is missing, threshold 1; "
        ),
        "{text}"
    );
    assert_eq!(status, 1);
    let read_only = mntr.replace("zk_server_state\tfollower", "zk_server_state\tread-only");
    let (_e, address) = tells(&read_only);
    says(
        &args(&[&address], &[]),
        &format!("CheckZooKeeper CRITICAL: {address} has no quorum and is read-only"),
        2,
    );
}

#[test]
fn what_a_leader_knows_of_its_followers() {
    let mntr = fixture("services/zookeeper/mntr-3.8-leader");
    let (_server, address) = tells(&mntr.replace("synced_followers\t2", "synced_followers\t1"));
    let behind = format!("{address} leads, and 1 of 2 followers are in sync, 1 not, threshold 1");
    says(
        &args(&[&address], &[]),
        &format!("CheckZooKeeper WARNING: {behind}"),
        1,
    );
    says(
        &args(&[&address], &["--missing-critical", "1"]),
        &format!("CheckZooKeeper CRITICAL: {behind}"),
        2,
    );
    // Up to 3.5, there is no `zk_quorum_size`.
    let (_server, address) = tells(&fixture("services/zookeeper/mntr-3.4-leader"));
    let thresholds = "--pending-syncs-critical 3 --znodes-warning 500 --max-latency-warning ~:100 \
                      --data-size-warning 1000 --data-size-critical 65536 --perfdata";
    let figures = "'outstanding_requests'=4;100;1000;0 'avg_latency'=1;10;100;0 \
                   'max_latency'=250;~:100;;0 'file_descriptors'=80.57%;75;85;0;100 \
                   'pending_syncs'=3;;3;0 'znode_count'=900;500;;0 \
                   'approximate_data_size'=65536B;1000;65536;0";
    says(
        &args(
            &[&address],
            &thresholds.split_whitespace().collect::<Vec<_>>(),
        ),
        &format!(
            "CheckZooKeeper CRITICAL: pending syncs 3 at {address}, threshold 3; \
             data size 65536 bytes at {address}, threshold 65536; \
             {address} leads, and 1 of 2 followers are in sync, 1 not, threshold 1; \
             maximum latency 250 ms at {address}, threshold ~:100; \
             open file descriptors 80.57% at {address}, threshold 75; \
             and 1 more, below | {figures}\n\
             CRITICAL: pending syncs 3 at {address}, threshold 3\n\
             CRITICAL: data size 65536 bytes at {address}, threshold 65536\n\
             WARNING: {address} leads, and 1 of 2 followers are in sync, 1 not, threshold 1\n\
             WARNING: maximum latency 250 ms at {address}, threshold ~:100\n\
             WARNING: open file descriptors 80.57% at {address}, threshold 75\n\
             WARNING: znodes 900 at {address}, threshold 500"
        ),
        2,
    );
}

#[test]
fn thresholds_as_the_community_has_them() {
    let mntr = fixture("services/zookeeper/mntr-3.8-follower")
        .replace("zk_outstanding_requests\t0", "zk_outstanding_requests\t12")
        .replace("zk_avg_latency\t0.0", "zk_avg_latency\t11.25");
    let (_server, address) = tells(&mntr);
    let latency =
        |threshold| format!("average latency 11.25 ms at {address}, threshold {threshold}");
    let requests = format!("outstanding requests 12 at {address}, threshold 10");
    for (more, line, status) in [
        (&[][..], format!("WARNING: {}", latency("10")), 1),
        (
            &["--latency", "11"],
            format!("CRITICAL: {}", latency("11")),
            2,
        ),
        (&["-l", "11"], format!("CRITICAL: {}", latency("11")), 2),
        (
            &["-w", "10"],
            format!("WARNING: {requests}; {}", latency("10")),
            1,
        ),
        (
            &["--reqs", "10"],
            format!("CRITICAL: {requests}; {}", latency("10")),
            2,
        ),
        (
            &["-r", "10", "--latency-warning", "12"],
            format!("CRITICAL: {requests}"),
            2,
        ),
        (
            &["--fd-warning", "20", "--fd-critical", "10"],
            "UNKNOWN: warning 20 and critical 10 are upside down: \
             critical must not come before the warning"
                .to_owned(),
            3,
        ),
    ] {
        says(
            &args(&[&address], more),
            &format!("CheckZooKeeper {line}"),
            status,
        );
    }
    let (text, status) = check(&args(&[&address], &["--role", "king"]));
    assert!(text.contains("use some of standalone, leader, follower, observer, read-only"));
    assert_eq!(status, 3);
}

#[test]
fn words_that_it_may_not_answer_and_those_that_it_does_not_know() {
    let srvr = fixture("services/zookeeper/srvr-3.8");
    let refused =
        |word: &str| format!("{word} is not executed because it is not in the whitelist.\n");
    let [mntr, ruok, no_srvr, stat] = ["mntr", "ruok", "srvr", "stat"].map(refused);
    // As 3.5.3 and later are by themselves.
    let (_a, usual) = server(&[("mntr", &mntr), ("ruok", &ruok), ("srvr", &srvr)]);
    let fine = |address: &str| {
        format!(
            "CheckZooKeeper OK: {address} is standalone, ZooKeeper 3.8.0; outstanding requests 0, \
             average latency 0 ms"
        )
    };
    says(&args(&[&usual], &[]), &fine(&usual), 0);
    says(
        &args(&[&usual], &["--fd-critical", "90"]),
        &format!(
            "CheckZooKeeper UNKNOWN: {usual} does not tell its open file descriptors: \
             list mntr in its 4lw.commands.whitelist"
        ),
        3,
    );
    let all: &[(&str, &str)] = &[
        ("mntr", &mntr),
        ("ruok", &ruok),
        ("srvr", &no_srvr),
        ("stat", &stat),
    ];
    let (_b, none) = server(all);
    says(
        &args(&[&none], &[]),
        &format!(
            "CheckZooKeeper UNKNOWN: {none} may not answer mntr or srvr: \
             list them in its 4lw.commands.whitelist"
        ),
        3,
    );
    // 3.3 and older hang up on a word that they do not know.
    let stat = format!("Zookeeper version: 3.2.2\nClients:\n{srvr}");
    let (_c, old) = server(&[("ruok", "imok"), ("stat", &stat)]);
    says(&args(&[&old], &[]), &fine(&old), 0);
    let (_d, nothing) = server(&[]);
    says(
        &args(&[&nothing], &[]),
        &format!(
            "CheckZooKeeper UNKNOWN: {nothing} hangs up on mntr, srvr and stat: \
             is it ZooKeeper, and does it let this host in?"
        ),
        3,
    );
}

/// What is known already stays known, whatever comes of `ruok`.
#[test]
fn ruok_and_what_else_comes_of_it() {
    let mntr = fixture("services/zookeeper/mntr-3.8-follower");
    let busy = mntr.replace(
        "zk_outstanding_requests\t0",
        "zk_outstanding_requests\t5000",
    );
    let known = |address: &str| {
        format!("CheckZooKeeper CRITICAL: outstanding requests 5000 at {address}, threshold 1000; ")
    };
    let (_a, sick) = server(&[("mntr", &mntr), ("ruok", "no | 'x'=1\n")]);
    says(
        &args(&[&sick], &[]),
        &format!(
            "CheckZooKeeper CRITICAL: {sick} says \"no / 'x'=1\" to ruok, not imok: it is in error"
        ),
        2,
    );
    // In error it says nothing; and where this host has too many connections.
    let why = |address: &str| {
        format!(
            "{address} hangs up on ruok: is it in error, \
             or has this host too many connections to it?"
        )
    };
    let (_b, quiet) = server(&[("mntr", &mntr)]);
    says(
        &args(&[&quiet], &[]),
        &format!("CheckZooKeeper UNKNOWN: {}", why(&quiet)),
        3,
    );
    let (_c, quiet) = server(&[("mntr", &busy)]);
    says(
        &args(&[&quiet], &[]),
        &format!("{}{}", known(&quiet), why(&quiet)),
        2,
    );
    // One that hangs, and one that breaks off: what was sent is not read, which resets.
    for (hangs, why) in [
        (true, "no answer in time"),
        (false, "Connection reset by peer (os error 104)"),
    ] {
        let busy = busy.clone();
        let server = Server::new(move |mut stream: TcpStream| {
            let mut word = [0; 4];
            if hangs || stream.peek(&mut word).is_ok() && word == *b"mntr" {
                drop(stream.read_exact(&mut word));
            }
            if word == *b"mntr" {
                drop(stream.write_all(busy.as_bytes()));
            } else if hangs {
                thread::spawn(move || drop(std::io::copy(&mut &stream, &mut std::io::sink())));
            }
        });
        let address = server.0.to_string();
        says(
            &args(&[&address], &["--timeout", "2"]),
            &format!("{}asking {address} for ruok failed: {why}", known(&address)),
            2,
        );
    }
}

/// Of two that are given of three, one is away; up to 3.5 nobody says how many there are.
#[test]
fn who_leads_has_a_quorum() {
    let mntr = fixture("services/zookeeper/mntr-3.4-leader")
        .replace("synced_followers\t1", "synced_followers\t2");
    let (_server, leader) = tells(&mntr);
    let away = nobody().to_string();
    let refused = "Connection refused (os error 111); is it running, and is this its address?";
    says(
        &args(
            &[&leader, &away],
            &["--fd-critical", "90", "--fd-warning", "90"],
        ),
        &format!(
            "CheckZooKeeper WARNING: 1 of 2 servers serves, 1 is missing, threshold 1; \
             connecting to {away} failed: {refused}"
        ),
        1,
    );
}

#[test]
fn names_from_outside_forge_nothing() {
    let mntr = "zk_version\t3.8|'x'=1\u{1b}[1m\nzk_server_state\tfollower\nzk_a|b=c d.e\t7\n\
                zk_outstanding_requests\t5\n\n";
    let (_server, address) = tells(mntr);
    says(
        &args(&[&address], &[]),
        &format!(
            "CheckZooKeeper OK: {address} is follower, ZooKeeper 3.8/'x'=1 [1m; \
             outstanding requests 5"
        ),
        0,
    );
    prints(
        &["metrics-zookeeper", "--server", &address, "--scheme", "z"],
        &[
            "z.server_state 3 @TS@",
            "z.a_b=c_d_e 7 @TS@",
            "z.outstanding_requests 5 @TS@",
        ],
    );
}

#[test]
fn an_answer_that_breaks_off() {
    let mntr = fixture("services/zookeeper/mntr-3.8-leader");
    let cut = mntr.find("zk_znode_count").unwrap() + 4;
    let (_server, address) = tells(&mntr[..cut]);
    says(
        &args(&[&address], &[]),
        &format!(
            "CheckZooKeeper UNKNOWN: {address} answers mntr with \
             \"zk_version 3.8.0-${{mvngit.commit.id}}, built on 2024-12-29 17:54 UTC\": \
             it breaks off; is it ZooKeeper?"
        ),
        3,
    );
}

#[test]
fn all_numbers_as_metrics() {
    let (_a, standalone) = tells(&fixture("services/zookeeper/mntr-3.8-standalone"));
    let output = run(&[
        "metrics-zookeeper",
        "--server",
        &standalone,
        "--scheme",
        "z",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let mntr = fixture("services/zookeeper/mntr-3.8-standalone");
    let numbers = mntr.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("zk_")?.split_once('\t')?;
        let value: f64 = value.parse().ok()?;
        Some(format!("z.{name} {value}"))
    });
    let expected: Vec<String> = std::iter::once("z.server_state 1".to_owned())
        .chain(numbers)
        .collect();
    let got = text.lines().map(|line| line.rsplit_once(' ').unwrap().0);
    assert_eq!(got.collect::<Vec<_>>(), expected);
    assert!(expected.contains(&"z.last_client_response_size -1".to_owned()));
}

/// Those that do not answer are named, and cost only their own lines.
#[test]
fn metrics_of_several_servers_are_below_their_names() {
    let (_a, old) = server(&[("srvr", &fixture("services/zookeeper/srvr-3.8"))]);
    let (_b, out) = not_serving();
    let (_c, hangs) = hanging();
    let servers = [old.as_str(), &out, &hangs];
    let mut args = vec!["metrics-zookeeper", "--scheme", "z", "--timeout", "1"];
    for server in servers {
        args.extend(["--server", server]);
    }
    let output = run(&args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        format!("metrics-zookeeper: {hangs} does not answer in time\n")
    );
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let got: Vec<&str> = text
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let [old, out] = [&old, &out].map(|address| address.replace(['.', ':'], "_"));
    let expected = "server_state 1;min_latency 0;avg_latency 0;max_latency 0;packets_received 2;\
                    packets_sent 2;num_alive_connections 1;outstanding_requests 0;znode_count 5";
    let expected = expected.split(';').map(|line| format!("z.{old}.{line}"));
    let expected: Vec<String> = expected
        .chain([format!("z.{out}.server_state 0")])
        .collect();
    assert_eq!(got, expected);
}
