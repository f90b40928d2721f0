//! What `metrics-infiniband` reads of either end of a cable, against perfquery and smpquery.

use super::{Counters, OURS, attribute, facts, ours, perfquery};
use std::collections::BTreeSet;
use venus_tests::fabric::Fabric;
use venus_tests::{network, program};

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

#[test]
fn every_counter_of_both_ends_is_what_perfquery_prints() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let lids = ["Switch1", "Switch2"].map(|switch| fabric.lid_of_switch(switch));
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
            let lid = lids[usize::from(switch != "Switch1")].as_str();
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

/// Those that count the questions themselves.
fn counts_questions(name: &str) -> bool {
    ["Data", "XmitPkts", "RcvPkts"]
        .iter()
        .any(|end| name.ends_with(end))
        && !name.contains("cast")
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
        let there = attribute(
            &fabric,
            "venus001",
            &[&fabric.lid_of_switch("Switch1"), "1"],
        );
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
