//! Each collector on the fixture trees: exactly the lines that were expected, and nothing wrong
//! when a file is cut off.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

mod trees;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use trees::{CASES, collect, files};
use venus_collectors::{Builtin, Presence, registry};

#[test]
fn every_line_is_as_expected() {
    for case in CASES {
        let (_copy, mut collector) = case.on_a_copy();
        for time in ["first", "second"] {
            let got = collect(&mut *collector);
            assert!(matches!(got.presence, Ok(Presence::Here)), "{got:?}");
            let at_its_end = |problem: &&String| problem.contains(", where it stops; ");
            let others: Vec<_> = got.problems.iter().filter(|p| !at_its_end(p)).collect();
            assert_eq!(others, [""; 0]);
            assert_eq!(
                case.shown(&got.text),
                case.expected_text(),
                "{} {} {time}",
                case.tree,
                case.expected
            );
        }
    }
}

/// Whether an error or not: a line that is written is one of the whole file's.
#[test]
fn a_file_cut_anywhere_gives_no_wrong_number() {
    for case in CASES {
        let (copy, mut kept_open) = case.on_a_copy();
        let whole = case.expected_text();
        let right: BTreeSet<&str> = whole.lines().collect();
        let mut tried = 0;
        for file in files(copy.path())
            .iter()
            .filter(|file| case.does_read(file))
        {
            let content = fs::read(file).unwrap();
            let cut = File::options().write(true).open(file).unwrap();
            for length in (0..content.len()).rev() {
                cut.set_len(u64::try_from(length).unwrap()).unwrap();
                let (options, tree) = (case.options, copy.path());
                let mut new = trees::build(case.collector, tree, case.scheme, options);
                for collector in [&mut kept_open, &mut new] {
                    let got = collect(&mut **collector);
                    for line in case.shown(&got.text).lines() {
                        assert!(right.contains(line), "{file:?} cut at {length}: {line}");
                    }
                    if let Err(error) = got.presence {
                        let error = error.to_string();
                        assert!(error.starts_with(file.to_str().unwrap()), "{error}");
                    }
                }
                tried += 1;
            }
            fs::write(file, &content).unwrap();
        }
        assert!(
            tried > 20,
            "{} read nothing of {}",
            case.collector,
            case.tree
        );
        assert_eq!(
            case.shown(&collect(&mut *kept_open).text),
            whole,
            "whole again"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    for (collector, file) in [
        ("metrics-cpu", "proc/stat"),
        ("metrics-load", "proc/loadavg"),
        ("metrics-memory", "proc/meminfo"),
        ("metrics-net", "proc/net/dev"),
        ("metrics-disk", "proc/diskstats"),
        ("metrics-disk-usage", "proc/mounts"),
        ("metrics-memory-percent", "proc/meminfo"),
        ("metrics-memory-vmstat", "proc/vmstat"),
        ("metrics-sockstat", "proc/net/sockstat"),
        ("metrics-interrupts", "proc/interrupts"),
    ] {
        let empty = tempfile::tempdir().unwrap();
        let got = collect(&mut *trees::build(collector, empty.path(), "s", &[]));
        assert_eq!(
            got.presence.unwrap_err().to_string(),
            format!(
                "cannot read {}: No such file or directory (os error 2); \
                 is the right root given, and is it mounted?",
                empty.path().join(file).display()
            )
        );
    }
}

#[test]
fn every_collector_has_fixture_and_documentation() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics");
    let mut names = BTreeSet::new();
    for spec in registry::all() {
        assert!(
            CASES.iter().any(|case| case.collector == spec.name),
            "{} has no fixture with expected output in tests/trees/mod.rs",
            spec.name
        );
        let page = docs.join(format!("{}.md", spec.name));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.starts_with(&format!("# {}\n", spec.name)), "{page:?}");
        for option in spec.options {
            let long = format!("--{}", option.name);
            assert!(text.contains(&long), "{page:?} does not explain {long}");
        }
        assert!(names.insert(spec.name), "{} is registered twice", spec.name);
        assert!(std::ptr::eq(registry::find(spec.name).unwrap(), *spec));
    }
}

#[test]
fn builtin_checks_and_default_schemes_are_those_of_the_fleet() {
    for (name, check, subscription, scheme) in [
        ("metrics-cpu", "cpu_metrics", "physical", "venus001.lan.cpu"),
        ("metrics-load", "load_metrics", "physical", "venus001.lan"),
        (
            "metrics-memory",
            "mem_metrics",
            "physical",
            "venus001.lan.memory",
        ),
        ("metrics-net", "net_metrics", "physical", "venus001.lan.net"),
        (
            "metrics-infiniband",
            "ib_metrics",
            "infiniband",
            "venus001.lan.infiniband",
        ),
    ] {
        let spec = registry::find(name).unwrap();
        assert_eq!(
            spec.builtin,
            Some(Builtin {
                check,
                subscription
            })
        );
        assert_eq!(spec.default_scheme("venus001.lan").as_str(), scheme);
    }
}
