//! Every target, by graphite-web over files that Carbon made.

use crate::fleet::{self, Agents, LENGTH, NODES, RESET, SILENT, WITHOUT};
use crate::panels::{self, Query};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use venus_tests::browser::{self, Browser};
use venus_tests::carbon::Carbon;
use venus_tests::graphite_web::{GraphiteWeb, Series};
use venus_tests::{part, program};

/// How many nodes there are besides those of the fixture, for the overview.
const MORE: u32 = 492;
/// For how long they have said something.
const SHORT: u64 = 1200;

/// Fills whisper files, which it makes where Carbon has not: of each line of $2 the path's file below
/// $1 gets points from a time on, until another, but in a gap: a value, and what it gains in a
/// second, from 0 on again after a reset. Prints how the files that it found join old points.
const FILL: &str = "
import os, sys, whisper
root, lines = sys.argv[1:]
for line in open(lines):
    path, *numbers = line.split()
    value, rate, start, end, reset, gap, gap_end = map(float, numbers)
    path = os.path.join(root, *path.split('.')) + '.wsp'
    if os.path.exists(path):
        info = whisper.info(path)
        archives = [(each['secondsPerPoint'], each['points']) for each in info['archives']]
        print(line.split()[0], info['aggregationMethod'], archives == [(10, 8640), (60, 43200), (600, 105120)])
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        whisper.create(path, [(10, 8640)], sparse=True)
    points = []
    for time in range(int(start), int(end) + 1, 10):
        if gap <= time < gap_end:
            continue
        base, since = (0, reset) if reset and time >= reset else (value, start)
        points.append((time, base + rate * (time - since)))
    whisper.update_many(path, points)
";

struct Fleet {
    /// Its files.
    carbon: Carbon,
    web: GraphiteWeb,
    now: u64,
}

impl Fleet {
    /// Two hours of eight nodes, and twenty minutes of many others.
    fn with_history() -> Option<Self> {
        let (schemas, aggregation) = (
            "carbon/storage-schemas.conf",
            "carbon/storage-aggregation.conf",
        );
        let mut carbon = Carbon::launch_with(&panels::text(schemas), &panels::text(aggregation))?;
        let python = part::find("python3", &["/usr/bin/python3"])?;
        let now = fleet::now();
        let start = now - LENGTH;
        let queries = panels::queries("graphite");
        let shown: String = queries.into_iter().map(|query| query.text).collect();
        let (mut first, mut plan, mut paths) = (String::new(), String::new(), Vec::new());
        for (path, value) in Agents::new().paths() {
            for node in 1..=NODES {
                if node == WITHOUT && path.starts_with("infiniband.") {
                    continue;
                }
                let rate = fleet::rate(&path);
                // As after a boot: what a counter had at the fixture's node was more than floats carry.
                let value = if rate.is_some() { value % 1e9 } else { value };
                let rate = rate.unwrap_or_default();
                let reset = if node == RESET && rate > 0.0 {
                    now - LENGTH / 2
                } else {
                    0
                };
                let (gap, end) = if node == SILENT {
                    (now - 5400 + 10, now - 1800 + 10)
                } else {
                    (0, 0)
                };
                let full = format!("{}.{path}", fleet::name(node));
                writeln!(first, "{full} {value} {start}").unwrap();
                // Most of what there is is of disks and InfiniBand, and on no dashboard: one point is enough.
                let (_, last) = path.rsplit_once('.').unwrap();
                let is_many = path.starts_with("disk.") || path.starts_with("infiniband.");
                let until = if is_many && !shown.contains(last) {
                    start
                } else {
                    now
                };
                writeln!(
                    plan,
                    "{full} {value} {rate} {start} {until} {reset} {gap} {end}"
                )
                .unwrap();
                paths.push(full);
            }
        }
        // Carbon makes the files, by the settings that are shipped.
        let mut lines = TcpStream::connect((Ipv4Addr::LOCALHOST, carbon.lines)).unwrap();
        lines.write_all(first.as_bytes()).unwrap();
        drop(lines);
        program::wait_until(|| paths.iter().rev().all(|path| carbon.file(path).exists()));
        carbon.stop();

        for node in 1..=MORE {
            for (path, value) in [
                ("load_avg.one", f64::from(node % 40)),
                ("cpu.cpu_count", 8.0),
                ("cpu.total.idle", 0.0),
                ("memory.total", 3e10),
                ("memory.usedWOBuffersCaches", 1e10),
                ("net.eth0.rx_bytes", 0.0),
                ("infiniband.port1.PortXmitData", 0.0),
                ("infiniband.port1.SymbolErrorCounter", 0.0),
            ] {
                let (rate, start) = (fleet::rate(path).unwrap_or_default(), now - SHORT);
                writeln!(
                    plan,
                    "node{node:03}.{path} {value} {rate} {start} {now} 0 0 0"
                )
                .unwrap();
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("plan");
        fs::write(&file, plan).unwrap();
        // It shows folders that are there when it starts.
        let web = GraphiteWeb::launch(&carbon.whisper())?;
        check_files(&fill(python, &carbon.whisper(), &file));
        Some(Self { carbon, web, now })
    }

    /// What a query shows of a node.
    fn ask(&self, query: &Query, node: &str) -> Vec<Series> {
        let target = query.text.replace("$node", node);
        let is_of_all = query.dashboard.contains("overview");
        let length = if is_of_all { SHORT } else { LENGTH };
        let answer = self.web.render(&target, self.now - length, self.now);
        answer.unwrap_or_else(|error| panic!("{query:?}: {error}"))
    }

    /// Values of a target, without those that are not there.
    fn values(&self, target: &str) -> Vec<f64> {
        let series = self
            .web
            .render(target, self.now - LENGTH, self.now)
            .unwrap();
        values(&series)
    }
}

/// The panels of the README's picture, in two columns, and how large each is.
const PICTURED: [&str; 6] = [
    "Load",
    "CPU",
    "Memory",
    "Network",
    "InfiniBand",
    "New InfiniBand errors",
];
const SIZE: (u32, u32) = (590, 290);

/// How busy the pictured node is in each of so many seconds, as a job comes and goes.
const SECONDS: u32 = 600;
const BUSY: [f64; 12] = [0.3, 0.4, 0.3, 0.9, 2.6, 3.0, 2.9, 3.1, 2.8, 1.2, 0.5, 0.4];

/// Gives the first node a past in which something happened: what does not count goes up and down,
/// counters grow faster and slower.
fn enliven(fleet: &Fleet) {
    let Some(python) = part::find("python3", &["/usr/bin/python3"]) else {
        return;
    };
    let mut plan = String::new();
    for (path, value) in Agents::new().paths() {
        let rate = fleet::rate(&path);
        let (mut base, mut start) = (value % 1e9, fleet.now - LENGTH);
        for busy in BUSY {
            let end = start + u64::from(SECONDS);
            let (value, rate) = match rate {
                // Where a counter stood when this began.
                Some(rate) => (base, rate * busy),
                None if path.ends_with("total") || path.ends_with("count") => (value, 0.0),
                None => (value * busy.min(1.0), 0.0),
            };
            base += rate * f64::from(SECONDS);
            let full = format!("{}.{path}", fleet::name(1));
            writeln!(plan, "{full} {value} {rate} {start} {end} 0 0 0").unwrap();
            start = end;
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), plan).unwrap();
    fill(python, &fleet.carbon.whisper(), file.path());
}

/// A dashboard of one node as graphite-web draws it, since Grafana is not at hand: for the README.
fn picture(fleet: &Fleet) {
    let Some(browser) = Browser::launch() else {
        return;
    };
    enliven(fleet);
    let dashboards = panels::dashboards("graphite");
    let panels = dashboards["venus-node-graphite"]["panels"]
        .as_array()
        .unwrap();
    let mut page =
        "<body style=\"margin:8px;display:grid;grid-template-columns:1fr 1fr\">".to_owned();
    for title in PICTURED {
        let panel = panels.iter().find(|panel| panel["title"] == title).unwrap();
        let targets = panel["targets"].as_array().unwrap().iter();
        let targets: Vec<String> = targets
            .map(|target| {
                target["target"]
                    .as_str()
                    .unwrap()
                    .replace("$node", &fleet::name(1))
            })
            .collect();
        let span = (fleet.now - LENGTH, fleet.now);
        let graph = fleet.web.graph(title, &targets, SIZE, span).unwrap();
        assert!(graph.contains("<svg"), "{title}: {graph}");
        let graph = BASE64_STANDARD.encode(graph);
        write!(page, "<img src=\"data:image/svg+xml;base64,{graph}\">").unwrap();
    }
    let file = tempfile::NamedTempFile::with_suffix(".html").unwrap();
    fs::write(file.path(), page).unwrap();
    browser.be_wide(1200);
    browser.open(&format!("file://{}", file.path().display()));
    let drawn = browser.run(
        "return [...document.images].filter(image => image.complete && image.naturalWidth).length",
    );
    assert_eq!(drawn, PICTURED.len());
    browser::keep_picture("dashboard.png", &browser.picture());
}

fn values(series: &[Series]) -> Vec<f64> {
    let points = series.iter().flat_map(|(_, points)| points);
    points.filter_map(|(value, _)| *value).collect()
}

fn fill(python: &Path, whisper: &Path, plan: &Path) -> String {
    let mut command = Command::new(python);
    command.args(["-c", FILL]).arg(whisper).arg(plan);
    let output = program::run(&mut command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Carbon keeps what Venus measures for two years, and of counters the highest, of nothing the sum.
fn check_files(found: &str) {
    assert!(found.lines().count() > 1000);
    for line in found.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [path, method, kept] = words[..] else {
            panic!("{line}");
        };
        assert_eq!(
            kept, "True",
            "{path}: other retentions than storage-schemas.conf has"
        );
        let (_, path) = path.split_once('.').unwrap();
        let is_counter = fleet::rate(path).is_some();
        assert_eq!(is_counter, method == "max", "{path}: {method}");
        assert_ne!(method, "sum", "{path}");
    }
}

#[test]
fn every_target_shows_what_it_promises() {
    let Some(fleet) = Fleet::with_history() else {
        return;
    };
    let queries = panels::queries("graphite");
    for query in &queries {
        let node = if query.dashboard.contains("infiniband") {
            "*"
        } else {
            "venus001"
        };
        let series = fleet.ask(query, node);
        let values = values(&series);
        assert!(!values.is_empty(), "nothing: {query:?}");
        for value in &values {
            assert!(query.is_plausible(*value), "{value} of {query:?}");
        }
        if query.is_limited() {
            assert!(series.len() <= 20, "{} series of {query:?}", series.len());
        }
        let mut names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
        for name in &names {
            assert!(!name.contains('('), "{name} is no legend: {query:?}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            names.len(),
            series.len(),
            "legends that are alike: {query:?}"
        );
    }
    println!(
        "Graphite: {} targets evaluated, {} not empty",
        queries.len(),
        queries.len()
    );

    known_values(&fleet, &queries);
    bad_input(&fleet, &queries);
    picture(&fleet);
}

fn find<'a>(queries: &'a [Query], dashboard: &str, panel: &str) -> &'a Query {
    let mut found = queries
        .iter()
        .filter(|query| query.dashboard.starts_with(dashboard) && query.panel == panel);
    found
        .next()
        .unwrap_or_else(|| panic!("{dashboard}: {panel}"))
}

fn is_near(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= expected.abs() * 1e-6
}

/// What was put in comes out, in the unit of the panel.
fn known_values(fleet: &Fleet, queries: &[Query]) {
    for (dashboard, panel, expected) in [
        // Counters of 4 octets.
        ("venus-node", "InfiniBand", 1e9),
        ("venus-infiniband", "Sent, top 20", 1e9),
        ("venus-node", "Disks busy", 30.0),
        ("venus-containers", "Processors", 0.5),
        ("venus-agent", "CPU of the agents, top 20", 1.0),
        ("venus-agent", "Runs left out, top 20", 0.01),
    ] {
        let shown = values(&fleet.ask(find(queries, dashboard, panel), "venus001"));
        assert!(
            shown.iter().all(|value| is_near(*value, expected)),
            "{panel}: {shown:?}"
        );
    }
    let cpu = fleet.ask(find(queries, "venus-node", "CPU"), "venus001");
    let (_, user) = cpu.iter().find(|(name, _)| name == "user").unwrap();
    assert!(
        user.iter()
            .filter_map(|(value, _)| *value)
            .all(|value| is_near(value, 25.0))
    );
    let nodes = values(&fleet.ask(find(queries, "venus-overview", "Nodes"), ""));
    assert!(
        is_near(*nodes.last().unwrap(), f64::from(NODES + MORE)),
        "{nodes:?}"
    );

    // Where points are joined, growth is added up: three ports with 12 counters and the other end of
    // one, at 0.1 a second; but the first point has nothing before it.
    let errors = values(&fleet.ask(find(queries, "venus-infiniband", "New errors"), "venus001"));
    let (all, least) = (errors.iter().sum::<f64>(), 4.0 * 12.0 * 0.1 * 7000.0);
    assert!(
        errors.len() <= 600 && all >= least,
        "{all} in {} points",
        errors.len()
    );

    // The variable `node`.
    let nodes = fleet.web.expand("*.load_avg");
    assert_eq!(nodes.len(), usize::try_from(NODES + MORE).unwrap());
    assert!(nodes.contains(&"venus001.load_avg".to_owned()));
}

fn bad_input(fleet: &Fleet, queries: &[Query]) {
    let load = find(queries, "venus-node", "Load");
    assert_eq!(values(&fleet.ask(load, "")), [] as [f64; 0]);
    // No pattern, as somebody may type.
    assert_eq!(values(&fleet.ask(load, "a{b")), [] as [f64; 0]);
    let of_node = |query: &&Query| query.text.contains("$node");
    for query in queries.iter().filter(of_node) {
        assert_eq!(
            values(&fleet.ask(query, "nobody")),
            [] as [f64; 0],
            "{query:?}"
        );
        let without = fleet.ask(query, &fleet::name(WITHOUT));
        let is_there = !values(&without).is_empty();
        assert_eq!(
            is_there,
            !query.text.contains("infiniband"),
            "a node without InfiniBand: {query:?}"
        );
        for node in [RESET, SILENT] {
            let series = fleet.ask(query, &fleet::name(node));
            for value in values(&series) {
                assert!(
                    query.is_plausible(value),
                    "{value} of node {node}: {query:?}"
                );
            }
        }
    }
    // Neither what was before the reset nor what came in a silent hour is a peak.
    for node in [RESET, SILENT] {
        let target = find(queries, "venus-node", "InfiniBand")
            .text
            .replace("$node", &fleet::name(node));
        let highest = fleet.values(&target).into_iter().fold(0.0, f64::max);
        assert!(highest < 1.001e9, "{highest} at node {node}");
    }
    let silent = fleet.ask(find(queries, "venus-node", "Load"), &fleet::name(SILENT));
    let (_, points) = &silent[0];
    let in_gap = points
        .iter()
        .filter(|(_, time)| (fleet.now - 5000..fleet.now - 2000).contains(time));
    assert!(in_gap.clone().count() > 100 && in_gap.clone().all(|(value, _)| value.is_none()));
    let silent = fleet.values(&find(queries, "venus-overview", "Silent nodes").text);
    assert!(
        silent.contains(&0.0) && silent.iter().any(|count| *count >= 1.0),
        "{silent:?}"
    );
}
