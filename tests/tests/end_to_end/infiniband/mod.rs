//! InfiniBand on a simulated fabric: what our programs and the community's tools say of it.

mod check;
mod counters;
mod trouble;

use std::collections::BTreeMap;
use venus_tests::fabric::Fabric;
use venus_tests::program;

/// What perfquery prints that is no counter.
const NO_COUNTERS: [&str; 3] = ["PortSelect", "CounterSelect", "CounterSelect2"];

type Counters = BTreeMap<String, u64>;

const OURS: [&str; 3] = ["metrics-infiniband", "--scheme", "s"];

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
