//! metrics-infiniband where counters cannot be read, devices come and go, and paths would collide.
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

use trees::{CASES, Case, NOW, collect, collect_at};
use venus_collectors::Presence;

fn case(tree: &str) -> &'static Case {
    let is = |case: &&Case| case.collector == "metrics-infiniband" && case.tree == tree;
    CASES.iter().find(is).unwrap()
}

fn class(tree: &Path) -> std::path::PathBuf {
    tree.join("sys/class/infiniband")
}

/// What was complained of, save that counters are at their end.
fn others(got: &trees::Collected) -> Vec<&str> {
    let problems = got.problems.iter().map(String::as_str);
    problems
        .filter(|problem| !problem.contains(", where it stops; "))
        .collect()
}

fn absent(got: trees::Collected) -> String {
    match got.presence {
        Ok(Presence::Absent(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn symbol_errors_come_first() {
    let (_copy, mut collector) = case("infiniband/single").on_a_copy();
    assert_eq!(
        collect(&mut *collector).text.lines().next(),
        Some("venus001.infiniband.port1.SymbolErrorCounter 0 1453048230")
    );
}

#[test]
fn a_host_without_devices_is_no_error() {
    let tree = tempfile::tempdir().unwrap();
    let mut collector = trees::build("metrics-infiniband", tree.path(), "i", &[]);
    let reason = format!(
        "no InfiniBand device below {}",
        class(tree.path()).display()
    );
    assert_eq!(absent(collect(&mut *collector)), reason, "no such class");
    fs::create_dir_all(class(tree.path())).unwrap();
    assert_eq!(absent(collect(&mut *collector)), reason, "an empty class");
}

/// A folder in a counter's place stands for one that the kernel refuses to read.
#[test]
fn a_counter_that_cannot_be_read_costs_only_itself() {
    let (copy, mut collector) = case("infiniband/single").on_a_copy();
    let folder = class(copy.path()).join("mlx4_0/ports/1/counters");
    fs::remove_file(folder.join("symbol_error")).unwrap();
    fs::create_dir(folder.join("symbol_error")).unwrap();
    fs::write(folder.join("link_downed"), "").unwrap();
    fs::write(folder.join("port_rcv_errors"), "N/A (no PMA)\n").unwrap();
    for _ in 0..2 {
        let got = collect(&mut *collector);
        let left_out = ["SymbolErrorCounter", "LinkDownedCounter", "PortRcvErrors"];
        let expected: String = case("infiniband/single")
            .expected_text()
            .split_inclusive('\n')
            .filter(|line| !left_out.iter().any(|name| line.contains(name)))
            .collect();
        assert_eq!(got.text, expected);
        let others = others(&got);
        let [first, second, third] = &others[..] else {
            panic!("{others:?}");
        };
        assert!(first.contains("/symbol_error: ") && first.starts_with("cannot read "));
        assert!(
            second.contains("/link_downed: the first line is missing"),
            "{second}"
        );
        assert!(
            third.contains("/port_rcv_errors: line 1 is not a decimal"),
            "{third}"
        );
    }
}

#[test]
fn a_port_without_counters_is_said() {
    let (copy, mut collector) = case("infiniband").on_a_copy();
    let port = class(copy.path()).join("mlx4_0/ports/2");
    fs::remove_dir_all(port.join("counters")).unwrap();
    let got = collect(&mut *collector);
    assert!(!got.text.contains("port2.SymbolErrorCounter"));
    assert!(got.text.contains("port2.state 1 "), "the facts are there");
    assert_eq!(
        others(&got),
        [
            format!("cannot read {}: the port has no counters", port.display()),
            format!(
                "cannot read the counters of mlx4_0 port 2 through umad: there is no umad device for \
                 mlx4_0 port 2 below {}; is the module ib_umad loaded?",
                copy.path().join("sys/class/infiniband_mad").display()
            ),
        ]
    );
}

#[test]
fn the_device_is_in_the_path_when_asked() {
    let (one, two) = (case("infiniband/single"), case("infiniband"));
    let with = |case: &Case, options: &[(&str, &str)]| {
        let tree = case.folder();
        collect(&mut *trees::build(
            case.collector,
            &tree,
            case.scheme,
            options,
        ))
    };
    let always = with(one, &[("device-in-path", "always")]).text;
    assert_eq!(always, one.expected_text().replace("port1", "mlx4_0.port1"));
    let never = with(one, &[("device-in-path", "never")]).text;
    assert_eq!(never, one.expected_text());

    let error = with(two, &[("device-in-path", "never")])
        .presence
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has 2 devices, whose ports would share their paths; use --device-in-path auto or \
             always, or leave some out with --link-layer",
            class(&two.folder()).display()
        )
    );
}

#[test]
fn the_link_layer_chooses_ports() {
    let case = case("infiniband");
    let of = |device: &str| -> String {
        let whole = case.expected_text();
        let lines = whole
            .split_inclusive('\n')
            .filter(|line| line.contains(device));
        // One device is left, so it is not named.
        lines
            .map(|line| line.replace(&format!("{device}."), ""))
            .collect()
    };
    for (layer, expected) in [("infiniband", of("mlx4_0")), ("ethernet", of("mlx5_0"))] {
        let options = [("link-layer", layer)];
        let mut collector = trees::build(case.collector, &case.folder(), case.scheme, &options);
        assert_eq!(collect(&mut *collector).text, expected, "{layer}");
    }

    let single = self::case("infiniband/single").folder();
    let options = [("link-layer", "ethernet")];
    let mut collector = trees::build(case.collector, &single, case.scheme, &options);
    assert_eq!(
        absent(collect(&mut *collector)),
        format!(
            "no port to show of the InfiniBand devices below {}",
            class(&single).display()
        )
    );
}

#[test]
fn a_port_of_unknown_link_layer_is_left_out_and_said() {
    let case = case("infiniband");
    let (copy, _) = case.on_a_copy();
    let file = class(copy.path()).join("mlx5_0/ports/1/link_layer");
    fs::write(&file, "Carrier pigeon\n").unwrap();
    let options = [("link-layer", "infiniband")];
    let got = collect(&mut *trees::build(
        case.collector,
        copy.path(),
        "i",
        &options,
    ));
    assert!(got.text.starts_with("i.port1."));
    assert_eq!(others(&got).len(), 1);
    assert!(others(&got)[0].contains("link_layer: line 1 is neither InfiniBand nor Ethernet"));
}

#[test]
fn devices_that_come_show_within_a_minute() {
    let (copy, mut collector) = case("infiniband").on_a_copy();
    let (here, away) = (class(copy.path()).join("mlx5_0"), copy.path().join("away"));
    fs::rename(&here, &away).unwrap();
    let one = collect(&mut *collector).text;
    assert!(one.starts_with("venus001.infiniband.port1."));

    fs::rename(&away, &here).unwrap();
    assert_eq!(
        collect_at(&mut *collector, NOW + 59).text.lines().count(),
        one.lines().count()
    );
    let both = collect_at(&mut *collector, NOW + 60).text;
    let stamp = (NOW + 60).to_string();
    assert_eq!(
        both,
        case("infiniband")
            .expected_text()
            .replace(&NOW.to_string(), &stamp)
    );
}

#[test]
fn a_device_that_goes_is_missed_at_once() {
    // Files that are open outlive their folder here, unlike in sysfs. So this one never was.
    let (copy, mut collector) = case("infiniband").on_a_copy();
    let counter = class(copy.path()).join("mlx5_0/ports/1/counters/symbol_error");
    fs::remove_file(&counter).unwrap();
    std::os::unix::fs::symlink("gone", &counter).unwrap();
    let got = collect(&mut *collector);
    assert_eq!(others(&got).len(), 1, "{:?}", got.problems);

    fs::remove_dir_all(class(copy.path()).join("mlx5_0")).unwrap();
    let got = collect(&mut *collector);
    assert_eq!(
        others(&got),
        [""; 0],
        "listed anew, as the last reading met a file that is gone"
    );
    assert!(
        got.text
            .starts_with("venus001.infiniband.port1.SymbolErrorCounter 7 ")
    );
}

#[test]
fn a_counter_at_its_end_is_said_until_it_is_reset() {
    let (copy, mut collector) = case("infiniband/single").on_a_copy();
    let file = class(copy.path()).join("mlx4_0/ports/1/counters/symbol_error");
    let mut said = |value: &str| {
        fs::write(&file, value).unwrap();
        let problems = collect(&mut *collector).problems;
        let symbol = problems.iter().filter(|p| p.starts_with("Symbol"));
        symbol.cloned().collect::<Vec<_>>()
    };
    assert_eq!(said("61439\n"), [""; 0]);
    assert_eq!(
        said("65535\n"),
        [
            "SymbolErrorCounter of mlx4_0 port 1 is at or near the end of its 16 bits, where it \
             stops; it has to be reset to count on"
        ]
    );
    assert_eq!(said("65535\n"), [""; 0], "once");
    assert_eq!(said("0\n"), [""; 0]);
    assert_eq!(said("61440\n").len(), 1, "again, after a reset");
}

#[test]
fn a_total_goes_on_where_a_counter_begins_anew() {
    let (copy, _) = case("infiniband/single").on_a_copy();
    let state = copy.path().join("state");
    let options = [
        ("monotonic", "true"),
        ("state-dir", state.to_str().unwrap()),
    ];
    let file = class(copy.path()).join("mlx4_0/ports/1/counters/symbol_error");
    let total = |value: &str, collector: &mut dyn venus_collectors::Collector| {
        fs::write(&file, value).unwrap();
        let got = collect(collector);
        assert_eq!(others(&got), [""; 0]);
        let line = got.text.lines().next().unwrap().to_owned();
        line.split(' ').nth(1).unwrap().to_owned()
    };
    let build = || trees::build("metrics-infiniband", copy.path(), "i", &options);
    let mut collector = build();
    assert_eq!(total("10\n", &mut *collector), "10");
    assert_eq!(total("15\n", &mut *collector), "15");
    assert_eq!(total("4\n", &mut *collector), "19", "reset by somebody");
    let mut after_a_restart = build();
    assert_eq!(total("5\n", &mut *after_a_restart), "20");
    drop(after_a_restart);

    fs::write(state.join("metrics-infiniband.json"), "{").unwrap();
    let got = collect(&mut *build());
    let [damaged] = &others(&got)[..] else {
        panic!("{got:?}");
    };
    assert!(
        damaged.contains("metrics-infiniband.json is damaged ("),
        "{damaged}"
    );
    assert!(
        got.text.starts_with("i.port1.SymbolErrorCounter 5 "),
        "begun anew"
    );
}
