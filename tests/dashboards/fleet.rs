//! Eight nodes, what they measure, and how that goes on for two hours.
//!
//! What there is comes from the agent itself: its lines and its page, of the trees in the fixtures
//! and of this host. What these do not have is written down here as the pages in `docs/metrics`
//! describe it: the other end of a cable, a container with a network, the Sensu server's queues.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use venus_tests::program::{self, Running};
use venus_tests::{fixture, http, port};

/// The nodes of `fixtures/ib/venus.net`.
pub(crate) const NODES: u32 = 8;
/// One that has no `InfiniBand`.
pub(crate) const WITHOUT: u32 = 6;
/// One that starts anew half-way.
pub(crate) const RESET: u32 = 7;
/// One that says nothing for an hour.
pub(crate) const SILENT: u32 = 8;
/// How long it goes on.
pub(crate) const LENGTH: u64 = 7200;

/// What a node is called.
pub(crate) fn name(node: u32) -> String {
    format!("venus{node:03}")
}

/// Seconds since the epoch, in whole minutes.
#[expect(
    clippy::disallowed_methods,
    reason = "two hours that end now: Carbon keeps points of 10 s for a day"
)]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() / 60 * 60
}

/// Whether a node says something at this time, the last being 0.
pub(crate) fn speaks(node: u32, ago: u64) -> bool {
    node != SILENT || !(1800..5400).contains(&ago)
}

/// Two agents, one of the fixtures' node and one of this host.
pub(crate) struct Agents {
    settings: [Value; 2],
    _tree: TempDir,
}

impl Agents {
    pub(crate) fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        let sys = tree.path().join("sys");
        fs::create_dir_all(sys.join("class")).unwrap();
        fs::create_dir_all(sys.join("fs")).unwrap();
        for (from, to) in [
            ("plugins/venus001/proc", tree.path().join("proc")),
            ("plugins/venus001/sys/class/net", sys.join("class/net")),
            (
                "infiniband/sys/class/infiniband",
                sys.join("class/infiniband"),
            ),
            ("cgroup/v2/sys/fs/cgroup", sys.join("fs/cgroup")),
        ] {
            symlink(fixture::path(from), to).unwrap();
        }
        let settings = |checks: Value, roots: Value| {
            let mut venus = json!({"builtin_checks": true, "interval": 1});
            venus
                .as_object_mut()
                .unwrap()
                .extend(roots.as_object().unwrap().clone());
            json!({
                "client": {
                    "name": "venus001", "address": "127.0.0.1", "subscriptions": ["physical", "infiniband"],
                    "socket": {"enabled": false}, "http_socket": {"enabled": false},
                },
                "venus": venus,
                "checks": checks,
            })
        };
        let measured = |extension: &str, more: Value| {
            let mut check = json!({"extension": extension, "type": "metric", "standalone": true, "interval": 1});
            check
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            check
        };
        let of_tree = json!({
            "cgroup_metrics": measured("metrics-cgroup", json!({})),
            "disk_metrics": measured("metrics-disk", json!({})),
            "broken": {"command": "echo broken; exit 2", "standalone": true, "interval": 1},
        });
        let clock = format!(
            "{} metrics-clock --scheme venus001.clock",
            program::path("venus-checks").display()
        );
        let of_host = json!({
            "usage_metrics": measured("metrics-disk-usage", json!({"include_mount": "^/$"})),
            "process_metrics": measured("metrics-process", json!({"process_name": "venus-agent"})),
            "agent_metrics": measured("metrics-agent", json!({})),
            "clock_metrics": {"command": clock, "type": "metric", "standalone": true, "interval": 1},
        });
        let roots = json!({"proc_path": tree.path().join("proc"), "sys_path": sys});
        Self {
            settings: [settings(of_tree, roots), settings(of_host, json!({}))],
            _tree: tree,
        }
    }

    /// All paths behind the node's name, with a value each.
    pub(crate) fn paths(&self) -> Vec<(String, f64)> {
        let mut paths: Vec<(String, f64)> = Vec::new();
        let mut seen = BTreeSet::new();
        for settings in &self.settings {
            let (mut command, _dir) = program::agent(settings);
            let output = program::run(command.arg("--once"));
            let lines = String::from_utf8(output.stdout).unwrap();
            for line in lines.lines() {
                let mut words = line.split(' ');
                let path = words.next().and_then(|path| path.strip_prefix("venus001."));
                let (Some(path), Some(value)) = (path, words.next()) else {
                    continue;
                };
                // Each processor's own are on no dashboard of Graphite's.
                if !path.starts_with("cpu.cpu") || path == "cpu.cpu_count" {
                    assert!(!path.contains("..") && !path.is_empty(), "{line}");
                    if seen.insert(path.to_owned()) {
                        paths.push((path.to_owned(), value.parse().unwrap()));
                    }
                }
            }
        }
        let port = "infiniband.mlx4_0.port1.";
        let far: Vec<(String, f64)> = paths
            .iter()
            .filter_map(|(path, value)| Some((path.strip_prefix(port)?, *value)))
            .filter(|(counter, _)| counter.starts_with(char::is_uppercase))
            .map(|(counter, value)| (format!("{port}remote.{counter}"), value))
            .collect();
        paths.extend(far);
        for (path, value) in [
            ("net.container.hpcg1.eth0.rx_bytes", 1096.0),
            ("net.container.hpcg1.eth0.tx_bytes", 54.0),
            ("sensu.transport.results.messages", 3.0),
            ("sensu.transport.keepalives.messages", 0.0),
        ] {
            paths.push((path.to_owned(), value));
        }
        paths
    }

    /// Starts both with a page each, on these ports, and waits until they have something to say.
    pub(crate) fn start(&self) -> ([Running; 2], [u16; 2]) {
        let ports = port::free::<2>();
        let running = [0, 1].map(|place| {
            let mut settings = self.settings[place].clone();
            settings["client"]["http_socket"] = json!({"port": ports[place]});
            Running::agent(&settings)
        });
        let of_tree = [
            "venus_cpus",
            "venus_load1",
            "venus_memory_total_bytes",
            "venus_network_receive_bytes_total",
            "venus_infiniband_state",
            "venus_disk_read_bytes_total",
            "venus_cgroup_tasks",
            "venus_check_status{check=\"broken\"} 2",
        ];
        let of_host = ["venus_process_open_fds", "venus_filesystem_used_ratio"];
        for (port, signs) in ports.into_iter().zip([&of_tree[..], &of_host]) {
            let has_all = |page: String| signs.iter().all(|sign| page.contains(sign));
            program::wait_until(|| http::get(port, "/metrics").is_ok_and(has_all));
        }
        (running, ports)
    }
}

/// What a counter gains in a second, or nothing for what is no counter; by its Graphite path.
pub(crate) fn rate(path: &str) -> Option<f64> {
    let (_, last) = path.rsplit_once('.').unwrap();
    let begins = |part: &str| path.starts_with(part);
    if begins("cpu.total.") {
        // 800 ticks in all of 8 processors, half of them idle; a guest's are in user.
        let rate = match last {
            "idle" => 400.0,
            "user" => 200.0,
            "system" => 100.0,
            "iowait" => 40.0,
            "nice" | "softirq" => 20.0,
            "guest" | "guest_nice" => 0.0,
            _ => 10.0,
        };
        return Some(rate);
    }
    if begins("agent.") {
        let rate = match last {
            "results_taken" | "results_delivered" | "checks_started" => 1.0,
            "results_returned" | "results_spooled" | "checks_missed" => 0.01,
            "metric" | "ok" | "state" | "connections" => 0.001,
            _ => return None,
        };
        return Some(rate);
    }
    let rate = match last {
        // And sectors of 512 bytes.
        "intr" | "ctxt" | "sectorsRead" | "sectorsWritten" => 2e3,
        "processes" if begins("cpu.") => 5.0,
        "rx_packets" | "tx_packets" => 1e3,
        "ioTime" => 300.0,
        // A gigabyte, in units of 4 octets.
        "PortXmitData" | "PortRcvData" => 2.5e8,
        "rx_bytes" | "tx_bytes" | "rbytes" | "wbytes" | "PortXmitPkts" | "PortRcvPkts"
        | "PortXmitWait" => 1e6,
        "usage_usec" => 5e5,
        "throttled_usec" => 1e5,
        "ticks" => 1.0,
        "oom_kill" => 0.001,
        "rx_errors" | "tx_errors" => 0.1,
        "state" | "phys_state" | "lid" | "sm_lid" | "link_layer" | "width" | "speed" | "rate" => {
            return None;
        }
        _ if begins("infiniband.") => 0.1,
        _ if begins("disk.") && last != "ioInProgress" => 1.0,
        _ if path.contains(".cpu.") => 1.0,
        _ if path.contains(".io.") => 1.0,
        _ => return None,
    };
    Some(rate)
}
