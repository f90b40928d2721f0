//! The built-in checks of a node behind a broker.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;
use venus_tests::fixture;
use venus_tests::http;
use venus_tests::port;
use venus_tests::program::Running;
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// The built-in checks, and what the community's plugins print on this tree.
const EXPECTED: [(&str, &str); 5] = [
    ("cpu_metrics", "plugins/venus001/expected/metrics-cpu.txt"),
    ("load_metrics", "plugins/venus001/expected/metrics-load.txt"),
    (
        "mem_metrics",
        "plugins/venus001/expected/metrics-memory.txt",
    ),
    ("net_metrics", "plugins/venus001/expected/metrics-net.txt"),
    ("ib_metrics", "infiniband/expected/metrics-infiniband.txt"),
];

/// The kernel's trees of one node: that of the testbed, with InfiniBand.
fn node() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let class = tree.path().join("sys/class");
    fs::create_dir_all(&class).unwrap();
    for (from, to) in [
        ("plugins/venus001/proc", tree.path().join("proc")),
        ("plugins/venus001/sys/class/net", class.join("net")),
        ("infiniband/sys/class/infiniband", class.join("infiniband")),
    ] {
        symlink(fixture::path(from), to).unwrap();
    }
    tree
}

/// The client venus001, which runs the built-in checks every second.
fn settings(vhost: &Vhost, tree: &TempDir) -> Value {
    json!({
        "client": {
            "name": "venus001",
            "address": "192.168.12.181",
            "subscriptions": ["physical", "infiniband"],
        },
        "rabbitmq": vhost.settings(),
        "venus": {
            "builtin_checks": true,
            "interval": 1,
            "proc_path": tree.path().join("proc"),
            "sys_path": tree.path().join("sys"),
        },
    })
}

/// The first cycle: the check of each result, by name.
fn cycle(server: &mut Server, count: usize) -> BTreeMap<String, Value> {
    let results = (0..count).map(|_| server.result()["payload"]["check"].take());
    let named = results.map(|check| (check["name"].as_str().unwrap().to_owned(), check));
    named.collect()
}

fn lines(check: &Value) -> Vec<String> {
    let output = check["output"].as_str().unwrap();
    output.lines().map(fixture::without_time).collect()
}

#[test]
fn one_cycle_is_what_the_plugins_print_under_one_time_stamp() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let tree = node();
    let _agent = Running::agent(&settings(&vhost, &tree));
    let checks = cycle(&mut server, EXPECTED.len());
    let issued = &checks["cpu_metrics"]["issued"];
    for (name, expected) in EXPECTED {
        let check = &checks[name];
        assert_eq!(lines(check), fixture::expected_metrics(expected), "{name}");
        assert_eq!(check["status"], 0);
        assert_eq!(check["type"], "metric");
        assert_eq!(check["handlers"], json!(["graphite"]));
        assert_eq!(check["interval"], 1);
        assert_eq!(check["standalone"], true);
        assert_eq!((name, &check["issued"]), (name, issued));
        let time = format!(" {}\n", check["executed"]);
        assert!(check["output"].as_str().unwrap().ends_with(&time));
    }
}

#[test]
fn behind_a_broker_they_are_off_unless_asked_for() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let tree = node();
    let mut settings = settings(&vhost, &tree);
    settings["venus"]["builtin_checks"].take();
    let mut agent = Running::agent(&settings);
    server.keepalive();
    let hello: Value = serde_json::from_str(&agent.stdout_line("starts")).unwrap();
    assert_eq!(hello["checks"], json!([]));
    // The extension is there for whoever asks.
    let request = json!({"name": "cpu_metrics", "extension": "metrics-cpu"});
    server.request("physical", &request);
    assert_eq!(server.result()["payload"]["check"]["status"], 0);
}

#[test]
fn a_check_of_the_same_name_and_the_venus_settings_replace_what_is_built_in() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let tree = node();
    let mut settings = settings(&vhost, &tree);
    settings["client"]["subscriptions"] = json!(["physical"]);
    settings["venus"]["scheme"] = json!("hpc.rack 1");
    settings["venus"]["handlers"] = json!(["relay"]);
    settings["checks"] = json!({
        "cpu_metrics": {"command": "echo own", "standalone": true, "interval": 1},
        "net_metrics": {
            "extension": "metrics-net", "include_device": "^veth", "scheme": "n",
            "standalone": true, "interval": 1,
        },
    });
    let mut agent = Running::agent(&settings);
    agent.stdout_line("a character of venus.scheme becomes _");
    let mut checks = BTreeMap::new();
    while checks.len() < 4 {
        checks.append(&mut cycle(&mut server, 1));
    }
    assert_eq!(checks["cpu_metrics"]["output"], "own\n");
    assert_eq!(
        lines(&checks["load_metrics"])[0],
        "hpc.rack_1.load_avg.one 0.39"
    );
    assert_eq!(
        lines(&checks["mem_metrics"])[0],
        "hpc.rack_1.memory.total 29340794880"
    );
    assert_eq!(checks["mem_metrics"]["handlers"], json!(["relay"]));
    let net = lines(&checks["net_metrics"]);
    assert!(
        net.iter().all(|line| line.starts_with("n.veth2a24fb8.")),
        "{net:?}"
    );
}

#[test]
fn a_file_that_is_missing_costs_its_own_check_only() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let tree = node();
    let proc = tree.path().join("proc");
    fs::remove_file(&proc).unwrap();
    fs::create_dir(&proc).unwrap();
    fs::write(proc.join("meminfo"), "MemTotal: 29340794880 kB\nMemFr").unwrap();
    fs::copy(
        fixture::path("plugins/venus001/proc/loadavg"),
        proc.join("loadavg"),
    )
    .unwrap();
    let _agent = Running::agent(&settings(&vhost, &tree));
    let checks = cycle(&mut server, EXPECTED.len());
    for (name, says) in [
        ("cpu_metrics", "proc/stat"),
        ("mem_metrics", "proc/meminfo"),
        ("net_metrics", "proc/net/dev"),
    ] {
        let output = checks[name]["output"].as_str().unwrap();
        assert_eq!(checks[name]["status"], 3, "{name}: {output}");
        assert!(output.contains(says), "{output}");
        assert_eq!(output.lines().count(), 1, "{output}");
    }
    for name in ["load_metrics", "ib_metrics"] {
        assert_eq!(checks[name]["status"], 0, "{name}");
    }
}

#[test]
fn the_agent_counts_itself_for_graphite_as_it_does_for_prometheus() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let [port] = port::free();
    let agent_metrics = json!({"extension": "metrics-agent", "standalone": true, "interval": 1});
    let _agent = Running::agent(&json!({
        "client": {
            "name": "venus001", "address": "192.0.2.1", "subscriptions": ["physical"],
            "socket": {"enabled": false}, "http_socket": {"port": port},
        },
        "rabbitmq": vhost.settings(),
        "checks": {"agent_metrics": agent_metrics},
    }));
    server.result_of("agent_metrics");
    let check = server.result_of("agent_metrics")["payload"]["check"].take();
    let told: BTreeMap<String, f64> = lines(&check)
        .iter()
        .map(|line| {
            let (path, value) = line.split_once(' ').unwrap();
            (path.to_owned(), value.parse().unwrap())
        })
        .collect();
    // Each as its page shows it; but for the clock, which is asked later.
    let page = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/metrics/metrics-agent.md"
    ))
    .unwrap();
    let shown = page
        .lines()
        .filter_map(|line| line.strip_prefix("    venus001."));
    let shown = shown.map(|line| format!("venus001.{}", line.split(' ').next().unwrap()));
    let shown: Vec<String> = shown.filter(|path| !path.contains("clock")).collect();
    assert_eq!(shown.len(), 16);
    assert!(shown.iter().all(|path| told.contains_key(path)), "{told:?}");
    assert_eq!(told.len(), shown.len());
    assert_eq!(told["venus001.agent.connected"].to_bits(), 1_f64.to_bits());
    assert!(told["venus001.agent.results_delivered"] >= 1.0, "{told:?}");
    // And each as Prometheus has it; of these two it is known that they stay.
    let page = http::get(port, "/metrics").unwrap();
    for path in shown {
        let name = path.strip_prefix("venus001.agent.").unwrap();
        let name = match name.split_once('.') {
            Some((name, class)) => format!("venus_{name}_total{{class=\"{class}\"}} "),
            None => format!("venus_{name} "),
        };
        let total = name.replace(' ', "_total ");
        let is_there = |name: &str| page.lines().any(|line| line.starts_with(name));
        assert!(is_there(&name) || is_there(&total), "{name}");
    }
    for sample in ["venus_connected 1\n", "venus_connections_total 1\n"] {
        assert!(page.contains(sample), "{page}");
    }
}
