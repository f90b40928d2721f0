//! metrics-net where interfaces come, go, have odd names or no speed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

mod trees;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use trees::{NOW, collect, collect_at};
use venus_collectors::Presence;

const HEAD: &str = "Inter-|   Receive |  Transmit\n face |bytes    packets |bytes\n";
const ROW: &str = "3 2 5 0 0 0 0 0 9 8 7 0 0 0 0 0";

fn write_dev(tree: &Path, names: &[&str]) {
    let rows: String = names
        .iter()
        .map(|name| format!("{name}: {ROW}\n"))
        .collect::<Vec<_>>()
        .concat();
    fs::create_dir_all(tree.join("proc/net")).unwrap();
    fs::write(tree.join("proc/net/dev"), format!("{HEAD}{rows}")).unwrap();
}

fn write_speed(tree: &Path, name: &str, speed: &str) {
    let folder = tree.join("sys/class/net").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("speed"), speed).unwrap();
}

fn tree(names: &[&str]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    write_dev(tree.path(), names);
    tree
}

/// The interfaces in the order of the lines, each once.
fn shown(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("n."))
        .filter_map(|line| line.strip_suffix(&format!(".tx_packets 8 {NOW}")))
        .collect();
    names.dedup();
    names
}

#[test]
fn the_options_choose_by_name() {
    let tree = tree(&["veth1", "lo", "eth1", "eth0"]);
    for (options, names) in [
        (&[][..], &["eth0", "eth1", "veth1"][..]),
        (&[("include-device", "eth")], &["eth0", "eth1", "veth1"]),
        (&[("include-device", "^eth")], &["eth0", "eth1"]),
        (&[("ignore-device", "^veth|1$")], &["eth0"]),
        (
            &[("include-device", "^eth"), ("ignore-device", "0")],
            &["eth1"],
        ),
        (&[("include-device", "^lo$")], &[]),
    ] {
        let mut collector = trees::build("metrics-net", tree.path(), "n", options);
        assert_eq!(shown(&collect(&mut *collector).text), names, "{options:?}");
        assert_eq!(
            shown(&collect(&mut *collector).text),
            names,
            "{options:?}, again"
        );
    }
}

#[test]
fn nothing_to_show_is_no_error() {
    let tree = tree(&["lo"]);
    let got = collect(&mut *trees::build("metrics-net", tree.path(), "n", &[]));
    let Ok(Presence::Absent(reason)) = got.presence else {
        panic!("{got:?}");
    };
    assert!(
        reason.starts_with("no network interface to show in "),
        "{reason}"
    );
}

#[test]
fn odd_names_become_fit_for_a_path() {
    let tree = tree(&["a(b)", "b;c*", "bond0.100", "q\u{fc}"]);
    let got = collect(&mut *trees::build("metrics-net", tree.path(), "n", &[]));
    assert_eq!(shown(&got.text), ["a_b_", "b_c_", "bond0.100", "q_"]);
}

#[test]
fn an_interface_that_vanishes_is_forgotten() {
    let tree = tree(&["eth0", "veth1"]);
    write_speed(tree.path(), "veth1", "10000\n");
    let mut collector = trees::build("metrics-net", tree.path(), "n", &[]);
    assert!(
        collect(&mut *collector)
            .text
            .contains("n.veth1.if_speed 10000")
    );

    write_dev(tree.path(), &["eth0"]);
    assert_eq!(shown(&collect(&mut *collector).text), ["eth0"]);

    // Another one of the same name does not inherit its speed.
    write_dev(tree.path(), &["eth0", "veth1"]);
    write_speed(tree.path(), "veth1", "40000\n");
    assert!(
        collect(&mut *collector)
            .text
            .contains("n.veth1.if_speed 40000")
    );
}

#[test]
fn one_that_vanishes_before_its_speed_is_read_has_none() {
    let tree = tree(&["eth0"]);
    let got = collect(&mut *trees::build("metrics-net", tree.path(), "n", &[]));
    assert_eq!(shown(&got.text), ["eth0"]);
    assert!(!got.text.contains("if_speed"));
    assert_eq!(got.problems, [""; 0]);
}

#[test]
fn a_speed_is_believed_for_a_minute() {
    let tree = tree(&["eth0"]);
    write_speed(tree.path(), "eth0", "1000\n");
    let mut collector = trees::build("metrics-net", tree.path(), "n", &[]);
    let mut speed_at = |now| {
        let text = collect_at(&mut *collector, now).text;
        text.split("if_speed ")
            .nth(1)
            .map(|rest| rest.split(' ').next().unwrap().to_owned())
    };
    assert_eq!(speed_at(NOW).as_deref(), Some("1000"));
    write_speed(tree.path(), "eth0", "-1\n");
    assert_eq!(speed_at(NOW + 59).as_deref(), Some("1000"));
    assert_eq!(speed_at(NOW + 60).as_deref(), Some("-1"));
    write_speed(tree.path(), "eth0", "100\n");
    assert_eq!(
        speed_at(NOW - 60).as_deref(),
        Some("100"),
        "the clock was set back"
    );
}

#[test]
fn a_speed_that_is_none_costs_only_itself() {
    let tree = tree(&["eth0", "eth1"]);
    write_speed(tree.path(), "eth0", "fast\n");
    write_speed(tree.path(), "eth1", "1000\n");
    let got = collect(&mut *trees::build("metrics-net", tree.path(), "n", &[]));
    assert_eq!(shown(&got.text), ["eth0", "eth1"]);
    assert!(!got.text.contains("eth0.if_speed") && got.text.contains("eth1.if_speed 1000"));
    assert_eq!(got.problems.len(), 1);
    assert!(got.problems[0].contains("/sys/class/net/eth0/speed: line 1 is not a speed"));
}
