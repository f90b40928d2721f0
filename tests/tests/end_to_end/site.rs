//! The settings of an HPC site, as sensu-client has them, taken as they are.

use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use tempfile::TempDir;
use venus_tests::fixture;
use venus_tests::program::{self, Running};
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// What no message and no line of the log may hold.
const SECRETS: [&str; 3] = ["sensu-of-the-site", "bmc-of-the-site", "consul-of-the-site"];

/// The site's settings, but with a broker that is here.
fn site(vhost: &Vhost) -> (Command, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.json");
    let mut settings = fixture::json("site/config.json");
    for (key, value) in vhost.settings().as_object().unwrap() {
        settings["rabbitmq"][key] = value.clone();
    }
    fs::write(&config, settings.to_string()).unwrap();
    let mut command = Command::new(program::path("venus-agent"));
    command
        .arg("-c")
        .arg(config)
        .arg("-d")
        .arg(fixture::path("site/conf.d"));
    (command, dir)
}

/// Every check of the site, by its name.
fn checks() -> BTreeMap<String, Map<String, Value>> {
    let folder = fixture::path("site/conf.d/checks");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        for (name, check) in file["checks"].as_object().unwrap() {
            all.insert(name.clone(), check.as_object().unwrap().clone());
        }
    }
    all
}

/// A result has the shape of the captured ones: the definition as it stands in
/// the file, then what the run has added, in that order.
fn assert_shape(name: &str, definition: &Map<String, Value>, check: &Map<String, Value>) {
    let ran = check.contains_key("duration");
    let mut keys: Vec<&str> = definition.keys().map(String::as_str).collect();
    keys.extend(["name", "issued", "executed"]);
    if ran {
        keys.extend(["duration", "output", "status"]);
    } else {
        keys.extend(["output", "status", "handle"]);
    }
    let seen: Vec<&str> = check.keys().map(String::as_str).collect();
    assert_eq!(seen, keys, "{name}");
    for (key, value) in definition {
        let substituted =
            value.as_str().is_some_and(|text| text.contains(":::")) && key != "command";
        if key != "hooks" && !substituted {
            assert_eq!(&check[key], value, "{name}: {key}");
        }
    }
}

#[test]
fn the_standalone_checks_of_a_site_run_as_they_are() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let definitions = checks();
    assert_eq!(definitions.len(), 20);
    let (mut command, _dir) = site(&vhost);
    let output = program::run(command.arg("--once"));
    // The worst of them is critical.
    assert_eq!(output.status.code(), Some(2));
    let alone = definitions.iter();
    let alone = alone.filter(|(_, check)| check.get("standalone") == Some(&json!(true)));
    let alone: BTreeMap<_, _> = alone.collect();
    let mut results = BTreeMap::new();
    for _ in 0..alone.len() {
        let result = server.result();
        let payload = &result["payload"];
        let keys: Vec<_> = payload.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["client", "check", "signature"]);
        assert_eq!(payload["client"], "venus003");
        assert_eq!(payload["signature"], "nQ7mGzKp");
        let check = payload["check"].as_object().unwrap();
        let name = check["name"].as_str().unwrap().to_owned();
        assert_shape(&name, alone[&name], check);
        results.insert(name, payload["check"].clone());
    }
    assert_eq!(results.len(), alone.len(), "each has one result");
    for (name, output, status) in [
        ("memory", "MEM OK - system memory usage: 2%\n", 0),
        ("swap", "SWAP WARNING - used swap memory: 512 MB\n", 1),
        ("disk_scratch", "CheckDisk OK: /tmp below 80%\n", 0),
        ("bmc_sel", "SEL of 192.168.13.183 as root is empty\n", 0),
        ("firmware", "Unmatched client token(s): firmware.version", 3),
        ("ib_link", "mlx4_0 port 1 DOWN\n", 2),
        ("slurmd", "slurmd of docker is down\n", 2),
        ("input", "\"unit\":17\n", 0),
        ("hangs", "Execution timed out", 2),
        ("pdu_power", "pdu-r2 draws 2.1 kW\n", 0),
    ] {
        let check = &results[name];
        let seen = (check["output"].as_str().unwrap(), check["status"].as_i64());
        assert_eq!(seen, (output, Some(status)), "{name}");
    }
    // Tokens in what is published, but not in the commands, which hold secrets.
    assert_eq!(results["pdu_power"]["source"], "pdu-r2");
    assert_eq!(results["zombies"]["notification"], "zombies on venus003");
    assert_eq!(
        results["disk_scratch"]["runbook"],
        "https://wiki.venus.example/scratch#r2"
    );
    let command = results["bmc_sel"]["command"].as_str().unwrap();
    assert!(command.contains(":::bmc.password:::"));
    // Hooks have their outcome where they are defined, and only one has run.
    let hooks = &results["ib_link"]["hooks"];
    assert_eq!(
        hooks["critical"]["output"],
        "check the cable to ib-switch-1\n"
    );
    assert_eq!(
        hooks["critical"]["command"],
        "echo \"check the cable to :::infiniband.switch:::\""
    );
    assert_eq!(hooks["non-zero"], json!({"command": "echo never"}));
    let hooks = &results["ib_errors"]["hooks"];
    assert_eq!(hooks["1"]["output"], "\"name\":\"ib_errors\"\n");
    assert_eq!(hooks["warning"], json!({"command": "echo never"}));
    assert!(
        results["cpu_metrics"]["output"]
            .as_str()
            .unwrap()
            .starts_with("venus003.cpu.total.user ")
    );
    let text = serde_json::to_string(&results).unwrap();
    let log = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret) && !log.contains(secret));
    }
}

#[test]
fn a_site_keeps_alive_answers_requests_and_skips_what_is_subdued() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let (mut command, dir) = site(&vhost);
    let mut agent = Running::start(&mut command, Some(dir));
    let keepalive = server.keepalive();
    let client = fixture::json("site/conf.d/client.json");
    let mut expected = client["client"].clone();
    expected["subscriptions"]
        .as_array_mut()
        .unwrap()
        .push(json!("client:venus003"));
    expected["bmc"]["password"] = json!("REDACTED");
    expected["consul"]["token"] = json!("REDACTED");
    expected["version"] = json!("1.9.0");
    expected["timestamp"] = keepalive["payload"]["timestamp"].clone();
    assert_eq!(sorted(&keepalive["payload"]), sorted(&expected));

    agent.stdout_line("check execution was subdued");
    for (subscription, name, output) in [
        ("infiniband", "ib_probe", "mlx4_0 is there\n"),
        ("slurm", "slurm_node", "weight 1.5, maintenance false\n"),
        ("roundrobin:probes", "ib_probe", "mlx4_0 is there\n"),
        (
            "client:venus003",
            "switch_ping",
            "1 packets transmitted, 1 received\n",
        ),
    ] {
        // As a server sends it: only its name, the rest is known here.
        let request = json!({"name": name, "issued": 1_453_048_230, "command": "echo theirs"});
        server.request(subscription, &request);
        let result = server.result_of(name);
        assert_eq!(result["payload"]["check"]["output"], output);
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    let log = agent.seen();
    for secret in SECRETS {
        assert!(!log.contains(secret), "{log}");
    }
}

/// The attributes of an object, whatever their order.
fn sorted(object: &Value) -> BTreeMap<String, Value> {
    object.as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn a_site_can_be_examined() {
    let Some((vhost, _server)) = Server::alone() else {
        return;
    };
    let (mut command, _dir) = site(&vhost);
    let output = program::run(command.arg("doctor"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("FAIL  firmware: Unmatched client token(s): firmware.version"),
        "{text}"
    );
    assert!(
        text.contains("FAIL  slack: handler-slack.rb is not found"),
        "{text}"
    );
    assert!(text.contains("ok    login: as sensu"), "{text}");
}
