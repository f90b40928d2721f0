//! `check-zookeeper` and `metrics-zookeeper` against an ensemble of three, and a server alone.

use super::{check, comes_to_say, says};
use nix::sys::signal::Signal;
use venus_tests::program::wait_until;
use venus_tests::zookeeper::ZooKeeper;

const REFUSED: &str = "Connection refused (os error 111); is it running, and is this its address?";

/// Three servers, and the places of the leader and of the others.
struct Ensemble {
    servers: [ZooKeeper; 3],
    addresses: [String; 3],
    leader: usize,
    others: [usize; 2],
}

impl Ensemble {
    fn launch() -> Option<Self> {
        let servers = ZooKeeper::ensemble()?;
        servers.iter().for_each(ZooKeeper::serves);
        let mut roles = servers.iter().map(ZooKeeper::role);
        let leader = roles.position(|role| role.as_deref() == Some("leader"));
        let leader = leader.unwrap();
        Some(Self {
            addresses: servers.each_ref().map(ZooKeeper::address),
            leader,
            others: [(leader + 1) % 3, (leader + 2) % 3],
            servers,
        })
    }

    /// A command that asks all of them, with more arguments. One that hangs costs four fifths of
    /// the time.
    fn all<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let servers = self.addresses.iter();
        let servers = servers.flat_map(|one| ["--server", one.as_str()]);
        let mut args = vec![command, "--timeout", "3"];
        args.extend(servers.chain(more.iter().copied()));
        args
    }

    /// The check of one of them alone.
    fn alone(&self, place: usize) -> [&str; 3] {
        ["check-zookeeper", "--server", &self.addresses[place]]
    }

    fn is_gone(&self, place: usize) -> String {
        let address = &self.addresses[place];
        format!("connecting to {address} failed: {REFUSED}")
    }

    fn comes_to_be_whole(&self) {
        let whole = "CheckZooKeeper OK: 3 of 3 servers serve, led by ";
        comes_to_say(&self.all("check-zookeeper", &[]), whole);
    }
}

/// Fails unless a check says what begins so.
fn begins(args: &[&str], start: &str, status: i32) {
    let (text, code) = check(args);
    assert!(text.starts_with(start), "{args:?}: {text}");
    assert_eq!(code, status, "{args:?}");
}

#[test]
fn an_ensemble_of_three_loses_one_then_two_and_recovers() {
    let Some(mut ensemble) = Ensemble::launch() else {
        return;
    };
    ensemble.comes_to_be_whole();
    each_has_its_role(&ensemble);
    thresholds_that_an_idle_server_reaches(&ensemble);
    all_numbers_of_all(&ensemble);
    one_that_hangs_hides_nothing(&ensemble);
    one_is_killed(&mut ensemble);
    two_are_killed(&mut ensemble);
    they_come_back(&mut ensemble);
}

fn each_has_its_role(ensemble: &Ensemble) {
    let Ensemble {
        addresses,
        leader,
        others: [one, _],
        ..
    } = ensemble;
    for (place, role, expected) in [
        (*leader, "leader", "leader"),
        (*one, "follower", "leader follower"),
    ] {
        begins(
            &[&ensemble.alone(place)[..], &["--role", expected]].concat(),
            &format!(
                "CheckZooKeeper OK: {} is {role}, ZooKeeper 3.",
                addresses[place]
            ),
            0,
        );
    }
    says(
        &[&ensemble.alone(*one)[..], &["--role", "leader"]].concat(),
        &format!(
            "CheckZooKeeper CRITICAL: {} is follower, expected leader",
            addresses[*one]
        ),
        2,
    );
}

fn thresholds_that_an_idle_server_reaches(ensemble: &Ensemble) {
    let first = &ensemble.addresses[0];
    for (more, start, status) in [
        (
            &["-w", "0"][..],
            format!("WARNING: outstanding requests 0 at {first}, threshold 0; "),
            1,
        ),
        (
            &["--max-latency-critical", "0"],
            "CRITICAL: maximum latency ".to_owned(),
            2,
        ),
        (
            &["--fd-warning", "0", "--fd-critical", "0"],
            "CRITICAL: open file descriptors ".to_owned(),
            2,
        ),
    ] {
        begins(
            &ensemble.all("check-zookeeper", more),
            &format!("CheckZooKeeper {start}"),
            status,
        );
    }
}

/// As many as `mntr` has; of those that are text, the state alone.
fn all_numbers_of_all(ensemble: &Ensemble) {
    let args = ensemble.all("metrics-zookeeper", &["--scheme", "z"]);
    let (text, status) = check(&args);
    assert_eq!(status, 0);
    for (place, address) in ensemble.addresses.iter().enumerate() {
        let leads = place == ensemble.leader;
        let node = address.replace(['.', ':'], "_");
        let has = |line: &str| text.contains(&format!("z.{node}.{line} "));
        for line in [
            if leads {
                "server_state 2"
            } else {
                "server_state 3"
            },
            "quorum_size 3",
            "znode_count 5",
            "outstanding_requests 0",
        ] {
            assert!(has(line), "{line}: {text}");
        }
        assert_eq!(has("synced_followers 2"), leads, "{text}");
        let lines = text.lines().filter(|line| line.contains(&node)).count();
        assert!(lines > 100, "{lines} lines of {address}");
        assert!(!has("version") && !has("peer_state"), "{text}");
    }
}

fn one_that_hangs_hides_nothing(ensemble: &Ensemble) {
    let [one, _] = ensemble.others;
    let server = &ensemble.servers[one];
    server.signal(Signal::SIGSTOP);
    says(
        &ensemble.all("check-zookeeper", &[]),
        &format!(
            "CheckZooKeeper WARNING: 2 of 3 servers serve, 1 is missing, threshold 1; {} does not answer in time",
            server.address()
        ),
        1,
    );
    server.signal(Signal::SIGCONT);
    ensemble.comes_to_be_whole();
}

fn one_is_killed(ensemble: &mut Ensemble) {
    let [one, _] = ensemble.others;
    ensemble.servers[one].kill();
    let lacks_one = format!(
        "2 of 3 servers serve, 1 is missing, threshold 1; {}",
        ensemble.is_gone(one)
    );
    comes_to_say(
        &ensemble.all("check-zookeeper", &[]),
        &format!("CheckZooKeeper WARNING: {lacks_one}\n"),
    );
    says(
        &ensemble.all("check-zookeeper", &["--missing-critical", "1"]),
        &format!("CheckZooKeeper CRITICAL: {lacks_one}"),
        2,
    );
    // The leader by itself knows, too.
    let behind = format!(
        "CheckZooKeeper WARNING: {} leads, and 1 of 2 followers are in sync, 1 not, threshold 1\n",
        ensemble.addresses[ensemble.leader]
    );
    comes_to_say(&ensemble.alone(ensemble.leader), &behind);
}

/// The third runs, but does not serve any more.
fn two_are_killed(ensemble: &mut Ensemble) {
    let ([one, other], leader) = (ensemble.others, ensemble.leader);
    ensemble.servers[other].kill();
    wait_until(|| ensemble.servers[leader].role().is_none());
    let address = &ensemble.addresses[leader];
    let no_quorum = format!("{address} has no quorum and does not serve");
    let mut each = [one, other].map(|place| (place, ensemble.is_gone(place)));
    each.sort_unstable();
    let mut each: Vec<String> = each.into_iter().map(|(_, what)| what).collect();
    each.insert(leader, no_quorum.clone());
    says(
        &ensemble.all("check-zookeeper", &[]),
        &format!(
            "CheckZooKeeper CRITICAL: 0 of 3 servers serve, 2 are needed for a quorum; {}",
            each.join("; ")
        ),
        2,
    );
    says(
        &ensemble.alone(leader),
        &format!("CheckZooKeeper CRITICAL: {no_quorum}"),
        2,
    );
    let (text, status) = check(&["metrics-zookeeper", "--server", address, "--scheme", "z"]);
    assert!(text.starts_with("z.server_state 0 "), "{text}");
    assert_eq!((text.lines().count(), status), (1, 0));
}

fn they_come_back(ensemble: &mut Ensemble) {
    let [one, other] = ensemble.others;
    ensemble.servers[one].launch();
    comes_to_say(
        &ensemble.all("check-zookeeper", &[]),
        &format!(
            "CheckZooKeeper WARNING: 2 of 3 servers serve, 1 is missing, threshold 1; {}\n",
            ensemble.is_gone(other)
        ),
    );
    ensemble.servers[other].launch();
    ensemble.comes_to_be_whole();
}

/// One that may answer nothing but `srvr`, as is usual in 3.5.3 and later.
#[test]
fn a_server_alone_that_may_say_little() {
    let Some(server) = ZooKeeper::standalone("srvr") else {
        return;
    };
    server.serves();
    let address = server.address();
    let args = ["check-zookeeper", "--server", &address];
    begins(
        &args,
        &format!("CheckZooKeeper OK: {address} is standalone, ZooKeeper 3."),
        0,
    );
    says(
        &[&args[..], &["--znodes-warning", "5"]].concat(),
        &format!("CheckZooKeeper WARNING: znodes 5 at {address}, threshold 5"),
        1,
    );
    says(
        &[&args[..], &["--fd-warning", "75"]].concat(),
        &format!(
            "CheckZooKeeper UNKNOWN: {address} does not tell its open file descriptors: \
             list mntr in its 4lw.commands.whitelist"
        ),
        3,
    );
    drop(server);
    says(
        &args,
        &format!("CheckZooKeeper CRITICAL: connecting to {address} failed: {REFUSED}"),
        2,
    );
}
