//! `metrics-infiniband` on a simulated fabric, against perfquery.

use nix::sys::signal::Signal;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};
use venus_tests::fabric::Fabric;
use venus_tests::program::{self, Running};
use venus_tests::redis::Redis;
use venus_tests::{fixture, network, part};

/// The hosts, and the port of which switch each is on.
const HOSTS: [(&str, &str, u8); 8] = [
    ("venus001", "Switch1", 1),
    ("venus002", "Switch1", 2),
    ("venus003", "Switch1", 3),
    ("venus004", "Switch1", 4),
    ("venus005", "Switch2", 1),
    ("venus006", "Switch2", 2),
    ("venus007", "Switch2", 3),
    ("venus008", "Switch2", 4),
];

/// What perfquery prints that is no counter.
const NO_COUNTERS: [&str; 3] = ["PortSelect", "CounterSelect", "CounterSelect2"];

/// The counters that the simulator can be told, and how wide they are.
const SHORT: [(&str, u32); 17] = [
    ("SymbolErrorCounter", 16),
    ("LinkErrorRecoveryCounter", 8),
    ("LinkDownedCounter", 8),
    ("PortRcvErrors", 16),
    ("PortRcvRemotePhysicalErrors", 16),
    ("PortRcvSwitchRelayErrors", 16),
    ("PortXmitDiscards", 16),
    ("PortXmitConstraintErrors", 8),
    ("PortRcvConstraintErrors", 8),
    ("LocalLinkIntegrityErrors", 4),
    ("ExcessiveBufferOverrunErrors", 4),
    ("VL15Dropped", 16),
    ("PortXmitData", 32),
    ("PortRcvData", 32),
    ("PortXmitPkts", 32),
    ("PortRcvPkts", 32),
    ("PortXmitWait", 32),
];
/// As the simulator spells them.
const WIDE: [&str; 8] = [
    "PortXmitData",
    "PortRcvData",
    "PortXmitPkts",
    "PortRcvPkts",
    "PortUnicastXmitPkts",
    "PortUnicastRcvPkts",
    "PortMultiCastXmitPkts",
    "PortMultiCastRcvPkts",
];

/// Those that count the questions themselves.
fn counts_questions(name: &str) -> bool {
    ["Data", "XmitPkts", "RcvPkts"]
        .iter()
        .any(|end| name.ends_with(end))
        && !name.contains("cast")
}

type Counters = BTreeMap<String, u64>;

/// What perfquery prints, the 64-bit attribute in place of the other.
fn perfquery(fabric: &Fabric, host: &str, whose: &[&str]) -> Counters {
    let mut counters = attribute(fabric, host, whose);
    counters.extend(attribute(fabric, host, &[&["-x"], whose].concat()));
    counters
}

/// What perfquery prints of one attribute.
fn attribute(fabric: &Fabric, host: &str, args: &[&str]) -> Counters {
    let printed = fabric.run(host, "perfquery", args);
    let fields = printed.lines().filter_map(|line| line.split_once(":."));
    let counters: Counters = fields
        .filter(|(name, _)| !NO_COUNTERS.contains(name))
        .map(|(name, value)| {
            let value = value.trim_start_matches('.').parse().unwrap();
            (name.to_owned(), value)
        })
        .collect();
    assert!(!counters.is_empty(), "{printed}");
    counters
}

/// What `metrics-infiniband` prints: the counters of this port and of the other
/// end of the cable.
fn ours(fabric: &Fabric, host: &str, options: &[&str]) -> (Counters, Counters, String) {
    let mut command = fabric.on(host, program::path("venus-checks"));
    command.args(["metrics-infiniband", "--scheme", "s"]);
    let output = program::run(command.args(options));
    let errors = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut here, mut there) = (Counters::new(), Counters::new());
    for line in text.lines() {
        let [path, value, _] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let path = path.strip_prefix("s.port1.").unwrap();
        let (of, name) = match path.strip_prefix("remote.") {
            Some(name) => (&mut there, name),
            None => (&mut here, path),
        };
        // Facts begin with a small letter.
        if name.starts_with(char::is_uppercase) {
            let again = of.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(again, None, "{name} is there twice");
        }
    }
    (here, there, errors)
}

/// Ours are what perfquery prints; those that count the questions lie between
/// what it printed before and after.
fn assert_same(before: &Counters, ours: &Counters, after: &Counters, context: &str) {
    // perfquery prints QP1Dropped of all ports, whether they have it or not, and takes
    // it (of rdma-core 44) from where VL15Dropped is. The simulator has none.
    assert_eq!(before["QP1Dropped"], before["VL15Dropped"], "{context}");
    let names = |of: &Counters| of.keys().cloned().collect::<BTreeSet<_>>();
    let mut expected = names(before);
    expected.remove("QP1Dropped");
    assert_eq!(names(ours), expected, "{context}");
    for (name, value) in ours {
        if counts_questions(name) {
            let between = before[name]..=after[name];
            assert!(between.contains(value), "{name} {value}: {context}");
        } else {
            assert_eq!(before[name], *value, "{name}: {context}");
        }
    }
}

fn random(rng: &mut fastrand::Rng, bits: u32) -> u64 {
    let largest = u64::MAX >> (64 - bits);
    match rng.u8(..4) {
        0 => 0,
        // The simulator lets wide ones wrap, which would be no order any more.
        1 if bits == 64 => 1 << 63,
        1 => largest,
        _ => rng.u64(..=largest >> u32::from(bits == 64)),
    }
}

#[test]
fn every_counter_of_both_ends_is_what_perfquery_prints() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let mut rng = fastrand::Rng::with_seed(20_261_124);
        for filling in 0..200 {
            let (host, switch, port) = HOSTS[filling % HOSTS.len()];
            for (node, port) in [(host, 1), (switch, port)] {
                for (name, bits) in SHORT {
                    let value = random(&mut rng, bits);
                    fabric.console(&format!(
                        "PerformanceSet \"{node}\"[{port}] PortCounters.{name}={value}"
                    ));
                }
                for name in WIDE {
                    let value = random(&mut rng, 64);
                    fabric.console(&format!(
                        "PerformanceSet \"{node}\"[{port}] PortCountersExtended.{name}={value}"
                    ));
                }
            }
            let lid = if switch == "Switch1" { "2" } else { "3" };
            let whose = [lid, &port.to_string()];
            let before = [&[][..], &whose].map(|whose| perfquery(&fabric, host, whose));
            let (here, there, _) = ours(&fabric, host, &["--remote"]);
            let after = [&["-x"][..], &["-x", whose[0], whose[1]]];
            let after = after.map(|args| attribute(&fabric, host, args));
            let context = format!("filling {filling}, {host}");
            assert_same(&before[0], &here, &after[0], &context);
            assert_same(&before[1], &there, &after[1], &format!("{context}, switch"));
        }
    });
}

/// The facts of the port in this test's first line of interest.
fn facts(text: &str) -> BTreeMap<&str, &str> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("s.port1."));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs
        .filter(|(name, _)| name.starts_with(char::is_lowercase) && !name.contains('.'))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap()))
        .collect()
}

const OURS: [&str; 3] = ["metrics-infiniband", "--scheme", "s"];

#[test]
fn facts_are_what_smpquery_prints() {
    network::in_its_own(|| {
        let Some(fabric) = Fabric::launch() else {
            return;
        };
        let host = "venus006";
        let printed = fabric.run(host, "smpquery", &["portinfo", "-D", "0"]);
        let value = |name: &str| {
            let line = printed
                .lines()
                .find(|line| line.starts_with(&format!("{name}:")));
            line.unwrap().rsplit('.').next().unwrap().to_owned()
        };
        let text = fabric.run(host, program::path("venus-checks"), &OURS);
        let facts = facts(&text);
        assert_eq!(facts["lid"], value("Lid"));
        assert_eq!(facts["sm_lid"], value("SMLid"));
        assert_eq!((facts["state"], &*value("LinkState")), ("4", "Active"));
        assert_eq!(
            (facts["phys_state"], &*value("PhysLinkState")),
            ("5", "LinkUp")
        );
        assert_eq!((facts["width"], &*value("LinkWidthActive")), ("4", "4X"));
        assert!(
            printed.contains("LinkSpeedActive:.................2.5 Gbps"),
            "{printed}"
        );
        assert_eq!(
            (facts["speed"], facts["rate"], facts["link_layer"]),
            ("2.5", "10", "1")
        );
    });
}

#[test]
fn it_is_said_who_is_at_the_other_end_and_where_counters_are_read() {
    network::in_its_own(|| {
        let Some(fabric) = Fabric::launch() else {
            return;
        };
        let args = [&OURS[..], &["--remote", "--explain"]].concat();
        let text = fabric.run("venus003", program::path("venus-checks"), &args);
        let printed = fabric.run("venus003", "smpquery", &["nodeinfo", "-D", "0,1"]);
        let guid = printed.lines().find(|line| line.starts_with("Guid:"));
        let guid = guid.unwrap().rsplit('.').next().unwrap();
        for line in [
            "metrics-infiniband: ibsim0 port 1: 21 counters from umad, 8 of them with 64 bits",
            &format!(
                "metrics-infiniband: Switch1 port 3 (at ibsim0 port 1): 21 counters from umad, \
                 8 of them with 64 bits (node GUID {guid}, LID 2)"
            ),
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        }
    });
}

#[test]
fn what_half_of_the_datagrams_say_is_right_or_is_not_said() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let whole = ours(&fabric, "venus001", &["--remote"]);
        fabric.console("PerformanceSet \"venus001\"[1] PortCounters.SymbolErrorCounter=4711");
        fabric.console("PerformanceSet \"Switch1\"[1] PortCounters.SymbolErrorCounter=815");
        fabric.console("Error \"venus001\"[1] 50");
        let (mut complete, mut said) = (0, 0);
        for _ in 0..20 {
            let started = Instant::now();
            let (here, there, errors) = ours(&fabric, "venus001", &["--remote"]);
            // The budget is 2 s; the rest is for a machine that is busy.
            assert!(started.elapsed() < Duration::from_secs(10));
            for (counters, all, symbol, port) in [
                (&here, &whole.0, 4711, "ibsim0 port 1"),
                (&there, &whole.1, 815, "ibsim0 port 1"),
            ] {
                if counters.is_empty() {
                    assert!(errors.contains(port), "{errors}");
                    said += 1;
                } else {
                    assert_eq!(counters.len(), all.len());
                    assert_eq!(counters["SymbolErrorCounter"], symbol);
                    complete += 1;
                }
            }
        }
        assert!(complete > said, "{complete} answered, {said} not");
    });
}

#[test]
fn a_fabric_without_a_subnet_manager_is_told_apart_from_a_cable_that_is_out() {
    network::in_its_own(|| {
        let Some(fabric) = Fabric::unmanaged() else {
            return;
        };
        let checks = program::path("venus-checks");
        let text = fabric.run(
            "venus001",
            &checks,
            &[&OURS[..], &["--source", "umad"]].concat(),
        );
        let why = "it waits for a subnet manager; is one running?";
        assert!(
            text.contains(&format!("ibsim0 port 1 through umad: {why}\n")),
            "{text}"
        );
        assert!(!text.contains("Errors"), "{text}");
        assert_eq!(facts(&text)["state"], "2");
        drop(fabric);

        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        fabric.console("Unlink \"venus001\"[1]");
        let text = fabric.run("venus001", &checks, &[&OURS[..], &["--remote"]].concat());
        assert!(
            text.contains("ibsim0 port 1 through umad: its link is down\n"),
            "{text}"
        );
        assert_eq!(facts(&text)["state"], "1");
        assert!(!text.contains("Errors"), "{text}");
    });
}

#[test]
fn only_a_counter_that_is_about_to_stop_is_reset() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        for (port, name, value) in [
            ("\"venus001\"[1]", "SymbolErrorCounter", 65_535),
            ("\"venus001\"[1]", "LinkDownedCounter", 7),
            ("\"venus001\"[1]", "PortXmitWait", 4_026_531_840_u64),
            ("\"Switch1\"[1]", "LocalLinkIntegrityErrors", 15),
            ("\"Switch1\"[1]", "ExcessiveBufferOverrunErrors", 14),
        ] {
            fabric.console(&format!(
                "PerformanceSet {port} PortCounters.{name}={value}"
            ));
        }
        let (here, there, errors) = ours(
            &fabric,
            "venus001",
            &["--remote", "--reset-saturated", "--explain"],
        );
        assert_eq!(
            (
                here["SymbolErrorCounter"],
                there["LocalLinkIntegrityErrors"]
            ),
            (65_535, 15)
        );
        for said in [
            "SymbolErrorCounter of ibsim0 port 1 is at or near the end of its 16 bits, where it \
             stops; it is to be reset",
            "PortXmitWait of ibsim0 port 1 is ",
            "LocalLinkIntegrityErrors of Switch1 port 1 (at ibsim0 port 1) is ",
        ] {
            assert!(errors.contains(said), "{said}: {errors}");
        }
        let here = attribute(&fabric, "venus001", &[]);
        assert_eq!((here["SymbolErrorCounter"], here["PortXmitWait"]), (0, 0));
        assert_eq!(here["LinkDownedCounter"], 7);
        let there = attribute(&fabric, "venus001", &["2", "1"]);
        assert_eq!(there["LocalLinkIntegrityErrors"], 0);
        assert_eq!(there["ExcessiveBufferOverrunErrors"], 14);
    });
}

#[test]
fn totals_go_on_across_resets() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let state = tempfile::tempdir().unwrap();
        let state = state.path().to_str().unwrap();
        let mut errors = |value: u64| {
            let set = "PerformanceSet \"venus001\"[1] PortCounters.PortRcvErrors=";
            fabric.console(&format!("{set}{value}"));
            let options = ["--monotonic", "--reset-saturated", "--state-dir", state];
            let (here, _, _) = ours(&fabric, "venus001", &options);
            here["PortRcvErrors"]
        };
        assert_eq!(errors(100), 100);
        assert_eq!(errors(65_535), 65_535, "and is reset");
        assert_eq!(errors(5), 65_540);
        assert_eq!(errors(3), 65_543, "reset by somebody else");
    });
}

/// A user who may not open the device is told so, and has what sysfs tells.
#[test]
fn a_user_without_permission_gets_what_sysfs_has() {
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        part::missing::<()>("root, to become somebody else").unwrap_or_default();
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let checks = root.join("venus-checks");
    fs::copy(program::path("venus-checks"), &checks).unwrap();
    let sys = root.join("sys");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(fixture::path("infiniband/single/sys"))
        .arg(&sys)
        .status();
    assert!(copied.unwrap().success());
    for (file, text) in [
        ("sys/class/infiniband_mad/umad0/ibdev", "mlx4_0\n"),
        ("sys/class/infiniband_mad/umad0/port", "1\n"),
        ("dev/infiniband/umad0", ""),
    ] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    let device = root.join("dev/infiniband/umad0");
    fs::set_permissions(&device, fs::Permissions::from_mode(0o600)).unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new(&checks);
        command.args(OURS).args(options).uid(NOBODY).gid(NOBODY);
        command
            .arg("--sys-path")
            .arg(&sys)
            .arg("--dev-path")
            .arg(root.join("dev"));
        let output = program::run(&mut command);
        assert!(output.status.success(), "{output:?}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let why = format!(
        "cannot read the counters of mlx4_0 port 1 through umad: cannot open {device}: Permission \
         denied (os error 13); this user needs read and write permission on {device}, by a udev \
         rule or a group",
        device = device.display()
    );
    let (out, err) = run(&["--explain"]);
    assert!(out.starts_with("s.port1.SymbolErrorCounter 0 "), "{out}");
    assert!(err.contains(&why), "{err}");
    let (out, err) = run(&["--source", "umad"]);
    assert!(
        !out.contains("SymbolErrorCounter") && out.contains("s.port1.state 4 "),
        "{out}"
    );
    assert_eq!(err.matches(&why).count(), 1, "{err}");
}

/// A fabric where nothing answers holds neither other checks nor keepalives.
#[test]
fn an_agent_that_waits_for_the_fabric_goes_on_with_all_else() {
    network::in_its_own(|| {
        let (Some(mut fabric), Some(redis)) = (Fabric::launch(), Redis::launch()) else {
            return;
        };
        fabric.console("Error \"venus001\"[1] 100");
        let dir = tempfile::tempdir().unwrap();
        let settings = json!({
            "client": {
                "name": "venus001",
                "address": "127.0.0.1",
                "subscriptions": ["physical"],
            },
            "transport": { "name": "redis" },
            "redis": redis.settings(),
            "checks": {
                "ib": {
                    "extension": "metrics-infiniband",
                    "standalone": true,
                    "interval": 1,
                    "source": "umad",
                    "umad_timeout": 12,
                },
                "load": { "extension": "metrics-load", "standalone": true, "interval": 1 },
            },
        });
        fs::write(dir.path().join("settings.json"), settings.to_string()).unwrap();
        let mut agent = fabric.on("venus001", program::path("venus-agent"));
        agent.args(["-c", "/dev/null", "-d"]).arg(dir.path());
        let mut agent = Running::start(&mut agent, None);
        agent.stdout_line("previous check execution still in progress");
        let mut server = redis.server(0);
        server.keepalive();
        let mut executed = Vec::new();
        while executed.len() < 6 {
            let check = server.result()["check"].take();
            if check["name"] == "load" {
                executed.push(check["executed"].as_u64().unwrap());
            }
        }
        // A second more where one ends just then.
        let gaps = executed.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.max() <= Some(2), "{executed:?}");
        let span = executed.last().unwrap() - executed[0];
        assert!((4..=6).contains(&span), "each second: {executed:?}");
        agent.stdout_line("cannot read the counters of ibsim0 port 1 through umad: no answer");

        fabric.console("Error \"venus001\"[1] 0");
        let answered = |check: &serde_json::Value| {
            let output = check["output"].as_str().unwrap();
            check["name"] == "ib" && output.contains(".port1.SymbolErrorCounter 0 ")
        };
        while !answered(&server.result()["check"]) {}

        fabric.console("Unlink \"venus001\"[1]");
        let output = loop {
            let check = server.result()["check"].take();
            let output = check["output"].as_str().unwrap();
            if check["name"] == "ib" && !answered(&check) {
                break output.to_owned();
            }
        };
        assert!(output.contains(".port1.state 1 "), "{output}");
        assert!(!output.contains("Errors"), "no old number: {output}");
        agent.stdout_line(
            "cannot read all counters of ibsim0 port 1 through umad: its link is down",
        );
        fabric.console("Relink \"venus001\"[1]");
        fabric.manage();
        while !answered(&server.result()["check"]) {}
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
    });
}

#[test]
fn check_infiniband_names_both_ends_of_the_cable() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let state = tempfile::tempdir().unwrap();
        let check = |fabric: &Fabric, args: &[&str]| {
            let mut command = fabric.on("venus005", program::path("venus-checks"));
            command.arg("check-infiniband").args(args);
            let output = program::run(command.arg("--state-dir").arg(state.path()));
            let text = String::from_utf8(output.stdout).unwrap();
            let line = text.lines().next().unwrap_or_default();
            let (before, minutes) = line.rsplit_once(" in ").unwrap_or((line, ""));
            assert!(
                minutes.is_empty() || minutes.starts_with(['0', '1', 'a']),
                "{line}"
            );
            (before.to_owned(), output.status.code().unwrap())
        };
        let cable = "ibsim0 port 1 (to Switch2 port 1)";
        let first = format!(
            "CheckInfiniBand OK: {cable} is Active at 4X SDR, counters read for the first time"
        );
        assert_eq!(
            check(&fabric, &["--width", "4X", "--speed", "SDR"]),
            (first, 0)
        );
        let fine = format!("CheckInfiniBand OK: {cable} is Active at 4X SDR, 0 errors");
        assert_eq!(check(&fabric, &[]), (fine, 0));

        let set = |node: &str, name: &str, value: u32| {
            format!("PerformanceSet \"{node}\"[1] PortCounters.{name}={value}")
        };
        fabric.console(&set("Switch2", "SymbolErrorCounter", 37));
        let (text, status) = check(&fabric, &[]);
        let far = "Switch2 port 1 (to ibsim0 port 1) counted 37 SymbolErrorCounter";
        assert_eq!(
            (text, status),
            (format!("CheckInfiniBand WARNING: {far}"), 1)
        );
        fabric.console(&set("venus005", "PortRcvErrors", 361));
        let (text, status) = check(&fabric, &[]);
        assert!(
            text.starts_with(&format!(
                "CheckInfiniBand CRITICAL: {cable} counted 361 PortRcvErrors in "
            )),
            "{text}"
        );
        assert_eq!(status, 2);

        fabric.console("Unlink \"venus005\"[1]");
        let (text, status) = check(&fabric, &["--width", "4X"]);
        let down = format!("CheckInfiniBand CRITICAL: {cable} is Down (");
        assert!(text.starts_with(&down), "{text}");
        assert_eq!(status, 2);
    });
}

#[test]
fn a_cable_that_was_moved_has_another_past() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let state = tempfile::tempdir().unwrap();
        let state = state.path().to_str().unwrap();
        let args = ["check-infiniband", "--state-dir", state];
        let check = |fabric: &Fabric| fabric.run("venus005", program::path("venus-checks"), &args);
        check(&fabric);
        for (name, value) in [("SymbolErrorCounter", 5000), ("LinkDownedCounter", 7)] {
            fabric.console(&format!(
                "PerformanceSet \"Switch2\"[9] PortCounters.{name}={value}"
            ));
        }
        fabric.console("Unlink \"venus005\"[1]");
        fabric.console("Link \"venus005\"[1] \"Switch2\"[9]");
        fabric.manage();
        for _ in 0..2 {
            let text = check(&fabric);
            let fine =
                "CheckInfiniBand OK: ibsim0 port 1 (to Switch2 port 9) is Active at 4X SDR, ";
            assert!(text.starts_with(fine), "{text}");
        }
    });
}

#[test]
fn details_are_what_perfquery_prints() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        for (kind, name, value) in [
            ("PortRcvErrorDetails", "PortLocalPhysicalErrors", 9),
            ("PortRcvErrorDetails", "PortMalformedPacketErrors", 65_535),
            ("PortRcvErrorDetails", "PortLoopingErrors", 3),
            ("PortXmitDiscardDetails", "PortInactiveDiscards", 4),
            (
                "PortXmitDiscardDetails",
                "PortSwHOQLifetimeLimitDiscards",
                5,
            ),
        ] {
            fabric.console(&format!(
                "PerformanceSet \"venus002\"[1] {kind}.{name}={value}"
            ));
        }
        let mut expected = attribute(&fabric, "venus002", &["--rcverr"]);
        expected.extend(attribute(&fabric, "venus002", &["--xmtdisc"]));
        assert_eq!(expected.len(), 10);
        let (here, _, _) = ours(&fabric, "venus002", &["--details"]);
        for (name, value) in expected {
            assert_eq!(here[&name], value, "{name}");
        }
        let (without, _, _) = ours(&fabric, "venus002", &[]);
        assert_eq!(without.len(), here.len() - 10);
    });
}
