//! Every expression, by Prometheus; its rules and what promtool says.

use crate::fleet::{self, Agents, LENGTH, NODES, RESET, SILENT, WITHOUT};
use crate::panels::{self, Query};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use venus_tests::prometheus::{self, Prometheus, Promtool, Series};
use venus_tests::{http, program};

/// How many nodes there are besides those of the fixture, for the overview.
const MORE: u32 = 492;
/// For how long they have said something.
const SHORT: u64 = 1200;
/// Seconds between two points of the past, and of what is asked for.
const STEP: u64 = 60;

/// The pages of both agents as one: lines of families that the first has not come from the second.
fn samples(pages: &[String]) -> Vec<(String, f64)> {
    let mut all: Vec<(String, f64)> = Vec::new();
    for page in pages {
        let family = |sample: &str| sample.split('{').next().unwrap().to_owned();
        let known: Vec<String> = all.iter().map(|(sample, _)| family(sample)).collect();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            // Two processors are enough.
            let is_one_of_many = sample.contains("cpu=\"cpu")
                && !sample.contains("cpu=\"cpu0\"")
                && !sample.contains("cpu=\"cpu1\"");
            if !known.contains(&family(sample)) && !is_one_of_many {
                all.push((sample.to_owned(), value.parse().unwrap()));
            }
        }
    }
    let port = "device=\"mlx4_0\",port=\"1\",end=\"local\",counter";
    let far: Vec<(String, f64)> = all
        .iter()
        .filter(|(sample, _)| sample.contains(port))
        .map(|(sample, value)| (sample.replace("end=\"local\"", "end=\"remote\""), *value))
        .collect();
    all.extend(far);
    for (sample, value) in [
        (
            "venus_network_receive_bytes_total{interface=\"container.hpcg1.eth0\"}",
            1096.0,
        ),
        (
            "venus_network_transmit_bytes_total{interface=\"container.hpcg1.eth0\"}",
            54.0,
        ),
        // Told where there is a broker.
        ("venus_clock_offset_seconds", -2.0),
        ("up", 1.0),
    ] {
        all.push((sample.to_owned(), value));
    }
    all
}

/// What a counter gains in a second, or nothing for what is no counter.
fn rate(sample: &str) -> Option<f64> {
    let name = sample.split('{').next().unwrap();
    let unit = name.strip_suffix("_total")?;
    let rate = match unit {
        "venus_cpu_seconds" if sample.contains("mode=\"idle\"") => 0.5,
        "venus_cpu_seconds" if sample.contains("mode=\"guest") => 0.0,
        "venus_cpu_seconds" => 0.5 / 7.0,
        "venus_infiniband_port_events"
        | "venus_network_receive_errors"
        | "venus_network_transmit_errors"
        | "venus_cgroup_cpu_throttled_seconds" => 0.1,
        "venus_process_cpu_seconds" => 0.01,
        "venus_disk_io_time_seconds" => 0.3,
        "venus_cgroup_memory_oom_kills" => 0.001,
        _ if unit.starts_with("venus_infiniband_") && unit.ends_with("_bytes") => 1e9,
        _ if unit.ends_with("_bytes") => 1e6,
        _ if unit.ends_with("_seconds") => 0.5,
        _ => 1.0,
    };
    Some(rate)
}

/// With the name of the node, and of the job.
fn of_node(sample: &str, node: &str) -> String {
    let labels = format!("instance=\"{node}\",job=\"venus\"");
    match sample.split_once('{') {
        Some((name, rest)) => format!("{name}{{{labels},{rest}"),
        None => format!("{sample}{{{labels}}}"),
    }
}

/// The past, in the format that promtool takes.
fn history(samples: &[(String, f64)], now: u64) -> String {
    let mut text = String::new();
    let labelled: Vec<Vec<String>> = (1..=NODES)
        .map(|node| {
            samples
                .iter()
                .map(|(sample, _)| of_node(sample, &fleet::name(node)))
                .collect()
        })
        .collect();
    for ago in (0..=LENGTH / STEP).rev().map(|step| step * STEP) {
        let time = now - ago;
        for (node, names) in (1..=NODES).zip(&labelled) {
            if !fleet::speaks(node, ago) {
                continue;
            }
            for ((sample, value), name) in samples.iter().zip(names) {
                if node == WITHOUT && sample.contains("infiniband") {
                    continue;
                }
                let half = LENGTH / 2;
                let (base, since) = if node == RESET && ago <= half {
                    (0, half - ago)
                } else {
                    (1, LENGTH - ago)
                };
                let value = match rate(sample) {
                    Some(rate) => {
                        (value % 1e9) * f64::from(base)
                            + rate * f64::from(u32::try_from(since).unwrap())
                    }
                    None => *value,
                };
                writeln!(text, "{name} {value} {time}").unwrap();
            }
        }
        if ago > SHORT {
            continue;
        }
        for node in 1..=MORE {
            let name = format!("node{node:03}");
            let since = f64::from(u32::try_from(SHORT - ago).unwrap());
            for (sample, value) in [
                ("venus_load1", f64::from(node % 40)),
                ("venus_cpus", 8.0),
                (
                    "venus_cpu_seconds_total{cpu=\"cpu0\",mode=\"idle\"}",
                    since / 2.0,
                ),
                ("venus_memory_total_bytes", 3e10),
                ("venus_memory_available_bytes", 1e10),
                (
                    "venus_network_receive_bytes_total{interface=\"eth0\"}",
                    since * 1e6,
                ),
                (
                    "venus_network_transmit_bytes_total{interface=\"eth0\"}",
                    since * 1e6,
                ),
                (
                    "venus_infiniband_transmit_bytes_total{port=\"1\",end=\"local\"}",
                    since * 1e9,
                ),
                (
                    "venus_infiniband_receive_bytes_total{port=\"1\",end=\"local\"}",
                    since * 1e9,
                ),
                ("venus_connected", 1.0),
                ("venus_spool_results", f64::from(node)),
            ] {
                writeln!(text, "{} {value} {time}", of_node(sample, &name)).unwrap();
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

struct Fleet {
    server: Prometheus,
    now: u64,
}

impl Fleet {
    /// A server with this past, which goes on to ask these agents by the settings that are shipped.
    fn with_history(
        promtool: &Promtool,
        samples: &[(String, f64)],
        ports: [u16; 2],
    ) -> Option<Self> {
        let (dir, data) = prometheus::folder();
        let now = fleet::now();
        let past = dir.path().join("past");
        fs::write(&past, history(samples, now)).unwrap();
        let arguments = ["tsdb", "create-blocks-from", "openmetrics", "--quiet"];
        let files = [past.to_str().unwrap(), data.to_str().unwrap()];
        promtool.approves(&[&arguments[..], &files].concat(), None);
        let settings = panels::text("prometheus/prometheus.yml");
        let targets = format!("\"127.0.0.1:{}\", \"localhost:{}\"", ports[0], ports[1]);
        let settings = settings
            .replace("\"venus001:3031\", \"venus002:3031\"", &targets)
            .replace("15s", "1s");
        assert!(settings.contains(&targets));
        fs::write(dir.path().join("prometheus.yml"), settings).unwrap();
        fs::copy(
            panels::root().join("prometheus/alerts.yml"),
            dir.path().join("alerts.yml"),
        )
        .unwrap();
        let server = Prometheus::launch(dir)?;
        Some(Self { server, now })
    }

    /// What a query shows of a node, with Grafana's variables as it would set them.
    fn ask(&self, query: &Query, node: &str) -> Result<Vec<Series>, String> {
        let expr = query.text.replace("$node", node);
        let expr = expr
            .replace("$__rate_interval", "4m")
            .replace("$__range", "2h");
        // Rates begin where there are enough points for them.
        self.server
            .range(&expr, self.now - LENGTH + 600, self.now, STEP)
    }
}

fn values(series: &[Series]) -> impl Iterator<Item = f64> {
    series
        .iter()
        .flat_map(|(_, points)| points)
        .map(|(value, _)| *value)
}

#[test]
fn every_expression_shows_what_it_promises() {
    let Some(promtool) = Promtool::find() else {
        return;
    };
    let agents = Agents::new();
    let (_running, ports) = agents.start();
    let pages = ports.map(|port| http::get(port, "/metrics").unwrap());
    // Of names, units and help, the conventions.
    for page in &pages {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page");
        fs::write(&file, page).unwrap();
        promtool.approves(&["check", "metrics"], Some(&file));
    }
    let Some(fleet) = Fleet::with_history(&promtool, &samples(&pages), ports) else {
        return;
    };
    let queries = panels::queries("prometheus");
    for query in &queries {
        let node = if query.dashboard.contains("infiniband") {
            ".+"
        } else {
            "venus001"
        };
        let series = fleet
            .ask(query, node)
            .unwrap_or_else(|error| panic!("{query:?}: {error}"));
        assert!(!series.is_empty(), "nothing: {query:?}");
        for value in values(&series) {
            assert!(query.is_plausible(value), "{value} of {query:?}");
        }
        if query.is_limited() && !query.text.starts_with("bottomk") {
            assert!(series.len() <= 20, "{} series of {query:?}", series.len());
        }
    }
    println!(
        "Prometheus: {} expressions evaluated, {} not empty",
        queries.len(),
        queries.len()
    );

    known_values(&fleet, &queries);
    bad_input(&fleet, &queries);
    now(&fleet);
}

fn known_values(fleet: &Fleet, queries: &[Query]) {
    for (dashboard, panel, expected) in [
        ("venus-node", "InfiniBand", 1e9),
        ("venus-infiniband", "Sent, top 20", 1e9),
        ("venus-node", "Disks busy", 30.0),
        ("venus-node", "File systems", f64::NAN),
        ("venus-agent", "CPU of the agents, top 20", 1.0),
    ] {
        let is_it = |query: &&Query| query.dashboard.starts_with(dashboard) && query.panel == panel;
        let query = queries.iter().find(is_it).unwrap();
        let mut series = fleet.ask(query, "venus001").unwrap();
        series.retain(|(labels, _)| labels["instance"] == "venus001");
        let shown: Vec<f64> = values(&series).collect();
        let is_near =
            |value: &f64| expected.is_nan() || (value - expected).abs() <= expected * 1e-6;
        assert!(
            !shown.is_empty() && shown.iter().all(is_near),
            "{panel}: {shown:?}"
        );
    }
}

fn bad_input(fleet: &Fleet, queries: &[Query]) {
    let of_node = queries.iter().filter(|query| query.text.contains("$node"));
    for query in of_node {
        let always = query.text.contains("or vector(0)");
        let nobody = fleet
            .ask(query, "nobody")
            .unwrap_or_else(|error| panic!("{query:?}: {error}"));
        assert_eq!(nobody.is_empty(), !always, "{query:?}");
        // No pattern, as somebody may type: an answer with the reason.
        let refused = fleet.ask(query, "(").unwrap_err();
        assert!(refused.starts_with("HTTP/1.0 400"), "{refused}");
        let without = fleet.ask(query, &fleet::name(WITHOUT)).unwrap();
        let is_empty = query.text.contains("infiniband") && !always;
        assert_eq!(
            without.is_empty(),
            is_empty,
            "a node without InfiniBand: {query:?}"
        );
        for node in [RESET, SILENT] {
            let series = fleet.ask(query, &fleet::name(node)).unwrap();
            for value in values(&series) {
                assert!(
                    query.is_plausible(value),
                    "{value} of node {node}: {query:?}"
                );
            }
        }
    }
    // Neither what was before the reset nor what came in a silent hour is a peak.
    let sent = "rate(venus_infiniband_transmit_bytes_total{instance=~\"venus00[78]\"}[4m])";
    let series = fleet
        .server
        .range(sent, fleet.now - LENGTH, fleet.now, STEP)
        .unwrap();
    assert!(series.len() > 1 && values(&series).all(|value| value < 1.001e9));
    let (from, until) = (fleet.now - 5000, fleet.now - 2000);
    let silent = fleet
        .server
        .range("venus_load1{instance=\"venus008\"}", from, until, STEP)
        .unwrap();
    assert!(silent.is_empty(), "{silent:?}");
}

/// It asks agents that run, and its rules can be evaluated.
fn now(fleet: &Fleet) {
    let count = |expr: &str| {
        let data = fleet.server.ask("query", &[("query", expr)]).unwrap();
        data["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    // The host's names, without their ports.
    let live = "count(up{job=\"venus\",instance=~\"127.0.0.1|localhost\"} == 1)";
    program::wait_until(|| count(live).as_deref() == Some("2"));
    program::wait_until(|| {
        count("count(venus_load1{instance=~\"127.0.0.1|localhost\"})").as_deref() == Some("2")
    });
    program::wait_until(|| {
        fleet
            .server
            .rules()
            .iter()
            .all(|rule| rule["health"] != "unknown")
    });
    let rules = fleet.server.rules();
    assert!(rules.len() >= 10);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

#[test]
fn rules_fire_when_they_should_and_not_otherwise() {
    let Some(promtool) = Promtool::find() else {
        return;
    };
    let path = |name: &str| {
        let path = panels::root().join("prometheus").join(name);
        fs::canonicalize(path).unwrap().display().to_string()
    };
    promtool.approves(&["check", "rules", &path("alerts.yml")], None);
    promtool.approves(&["check", "config", &path("prometheus.yml")], None);
    promtool.approves(&["test", "rules", &path("alerts_test.yml")], None);
    // Each of them fires in the test above.
    let rules = panels::text("prometheus/alerts.yml");
    let tests = panels::text("prometheus/alerts_test.yml");
    for rule in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(
            tests.contains(&format!("\"{rule}\"")),
            "{rule} is not tested"
        );
    }
}

/// A metric that does not keep the conventions is told apart, so that the check above means something.
#[test]
fn promtool_finds_a_counter_that_is_not_named_as_one() {
    let Some(promtool) = Promtool::find() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("page");
    fs::write(
        &file,
        "# HELP venus_x X.\n# TYPE venus_x counter\nvenus_x 1\n",
    )
    .unwrap();
    let output = promtool.run(&["check", "metrics"], Some(Path::new(&file)));
    assert!(!output.status.success());
}
