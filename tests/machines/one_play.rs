//! From empty machines to monitored ones; what a second play does, and one with a mistake in it.

use crate::site::{self, with_variable};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use venus_tests::ansible::Ansible;
use venus_tests::machine::Machine;
use venus_tests::rabbitmq::PASSWORD;
use venus_tests::server::Server;

const NAMES: [&str; 3] = ["venus001", "venus002", "venus003"];
/// How soon after the end of the play all of it is there.
const SOON: Duration = Duration::from_secs(30);
/// Of each collector that runs by itself, a metric.
const METRICS: [&str; 4] = [
    "cpu.total.user",
    "load_avg.one",
    "memory.total",
    "net.host0.rx_bytes",
];

#[test]
fn one_play_makes_empty_machines_monitored_ones() {
    site::with(|site| {
        let machines: Vec<Machine> = (1..)
            .zip(NAMES)
            .map(|(number, name)| site.machines.boot(name, number, &[]))
            .collect();
        let Some(ansible) = Ansible::new(site.machines, &machines.iter().collect::<Vec<_>>())
        else {
            return;
        };
        site.broker.launch();
        let mut server = Server::connect(&site.vhost);
        let tick = json!({"command": ["check-load"], "standalone": true, "interval": 2});
        let variables = with_variable(&site.variables(), "venus_checks", json!({"tick": tick}));

        let report = ansible.play(&variables, &["--check", "--diff"]).success();
        let changed = report.changed();
        assert!(changed.keys().eq(&NAMES) && changed.values().all(|changed| *changed > 0));
        for machine in &machines {
            assert!(!machine.try_sh("which venus-agent").status.success());
            assert!(!machine.try_sh("ls /etc/sensu").status.success());
        }

        let report = ansible.play(&variables, &[]).success();
        wait_for_all(&mut server);
        // A module writes what it was given to the node's log, unless it is told not to.
        let logged = machines[0].sh("journalctl");
        assert!(logged.contains("Invoked with"), "modules log no more");
        for said in [report.output, logged] {
            assert!(!said.contains(PASSWORD), "the password is in:\n{said}");
        }

        let report = ansible.play(&variables, &[]).success();
        let none: BTreeMap<String, u32> = NAMES.map(|name| (name.to_owned(), 0)).into();
        assert_eq!(report.changed(), none, "{}", report.output);

        // A reload, and no run is missed.
        let pids = || {
            machines
                .iter()
                .map(|machine| machine.unit("venus-agent", "MainPID"))
        };
        let before: Vec<String> = pids().collect();
        let more = json!({"tick": tick, "more": {"command": ["check-load"], "standalone": true, "interval": 1}});
        let changed = with_variable(&variables, "venus_checks", more);
        let one = ["--limit", NAMES[0]];
        let report = ansible.play(&changed, &one).success();
        assert!(report.output.contains("Reload venus-agent"));
        assert!(!report.output.contains("Restart venus-agent"));
        assert_eq!(pids().collect::<Vec<_>>(), before);
        let mut ticks = BTreeMap::<String, Vec<u64>>::new();
        loop {
            let payload = server.result()["payload"].take();
            let client = payload["client"].as_str().unwrap();
            if payload["check"]["name"] == "tick" {
                let issued = payload["check"]["issued"].as_u64().unwrap();
                ticks.entry(client.to_owned()).or_default().push(issued);
            } else if payload["check"]["name"] == "more" {
                assert_eq!(client, NAMES[0]);
                break;
            }
        }
        for (client, ticks) in ticks {
            let gaps: Vec<u64> = ticks.windows(2).map(|two| two[1] - two[0]).collect();
            // To the second, and so one more or less.
            assert!(gaps.iter().all(|gap| *gap <= 3), "{client}: {gaps:?}");
            let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
            let runs = u64::try_from(ticks.len()).unwrap();
            assert!(runs >= (last - first) / 2, "{client}: {ticks:?}");
        }

        // Settings alone, of an agent that is not to run: it is not started.
        machines[1].sh("systemctl stop venus-agent");
        ansible
            .play(&changed, &["--limit", NAMES[1], "--tags", "venus_config"])
            .success();
        assert_eq!(machines[1].unit("venus-agent", "ActiveState"), "inactive");

        // A mistake stays without consequences.
        let settings = || machines[0].sh("cat /etc/sensu/conf.d/*.json");
        let were = settings();
        let wrong = json!({"tick": {"comand": "true", "standalone": true, "interval": 1}});
        let report = ansible.play(&with_variable(&variables, "venus_checks", wrong), &one);
        report.failure(&["tick", "command"]);
        assert_eq!(settings(), were);
        assert_eq!(pids().next().as_ref(), before.first());
    });
}

/// Waits for keepalives and metrics of all nodes.
fn wait_for_all(server: &mut Server) {
    let began = Instant::now();
    let mut waiting = BTreeSet::from(NAMES);
    while !waiting.is_empty() {
        let keepalive = server.keepalive_within(SOON.saturating_sub(began.elapsed()));
        let client = &keepalive["payload"];
        let name = client["name"].as_str().unwrap();
        if waiting.remove(name) {
            assert_eq!(
                client["subscriptions"],
                json!(["physical", format!("client:{name}")])
            );
            let number = name.trim_start_matches("venus00");
            assert_eq!(client["address"], format!("10.99.0.{number}"));
        }
    }
    let mut waiting: BTreeSet<(String, &str)> = NAMES
        .iter()
        .flat_map(|name| METRICS.map(|metric| (format!("{name}.{metric} "), metric)))
        .collect();
    while !waiting.is_empty() {
        assert!(began.elapsed() < SOON, "missing: {waiting:?}");
        let result: Value = server.result()["payload"].take();
        let output = result["check"]["output"].as_str().unwrap();
        waiting.retain(|(metric, _)| !output.contains(metric.as_str()));
    }
    eprintln!("monitored {:?} after the play", began.elapsed());
}
