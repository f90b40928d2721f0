//! What is on the wire, against what a real sensu-client 1.9 put there.

use serde_json::{Value, json};
use venus_tests::fixture;
use venus_tests::program::Running;
use venus_tests::rabbitmq::{RabbitMq, Vhost};
use venus_tests::server::Server;

/// The settings of the client that was captured.
fn captured_settings(vhost: &Vhost) -> Value {
    let mut settings = fixture::json("wire/captured-with-client.json");
    settings["rabbitmq"] = vhost.settings();
    settings
}

/// Puts the captured value in the place of one that differs from run to run, if
/// it has the same type.
fn settle(seen: &mut Value, captured: &Value, keys: &[&str]) {
    for key in keys {
        let (Some(seen), Some(captured)) = (seen.get_mut(key), captured.get(key)) else {
            continue;
        };
        assert_eq!(seen.is_u64(), captured.is_u64(), "{key}: {seen}");
        assert_eq!(seen.is_f64(), captured.is_f64(), "{key}: {seen}");
        *seen = captured.clone();
    }
}

#[test]
fn e_a_keepalive_is_the_captured_one() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let _agent = Running::agent(&captured_settings(&vhost));
    let captured = fixture::json("wire/keepalive.json");
    let mut keepalive = server.keepalive();
    settle(
        &mut keepalive["payload"],
        &captured["payload"],
        &["timestamp"],
    );
    assert_eq!(keepalive.to_string(), captured.to_string());
}

#[test]
fn e_no_secret_is_in_a_keepalive_and_results_are_signed() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let _agent = Running::agent(&json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
            "signature": "from-one", "redact": ["password", "pin"], "api_key": "shown",
            "deep": [{"password": "hunter2"}, {"safe": {"pin": 1234, "colour": "grey"}}],
        },
        "rabbitmq": vhost.settings(),
    }));
    let keepalive = server.keepalive();
    let client = &keepalive["payload"];
    let deep = json!([{"password": "REDACTED"}, {"safe": {"pin": "REDACTED", "colour": "grey"}}]);
    assert_eq!(
        (&client["deep"], &client["api_key"]),
        (&deep, &json!("shown"))
    );
    server.request("all", &json!({"name": "x", "command": "true"}));
    assert_eq!(server.result()["payload"]["signature"], "from-one");
}

#[test]
fn f_results_are_the_captured_ones_at_the_captured_phases() {
    const NAMES: [&str; 6] = ["load_metrics", "plain", "tok", "badtok", "slow", "hooked"];
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let _agent = Running::agent(&captured_settings(&vhost));
    let mut missing = NAMES.to_vec();
    while !missing.is_empty() {
        let mut result = server.result();
        let name = result["payload"]["check"]["name"].clone();
        let name = name.as_str().unwrap();
        missing.retain(|other| *other != name);
        let captured = fixture::json(&format!("wire/result-{name}.json"));
        let check = &mut result["payload"]["check"];
        let expected = &captured["payload"]["check"];
        let issued = check["issued"].as_u64().unwrap();
        let late = (issued + 10 - expected["issued"].as_u64().unwrap() % 10) % 10;
        assert!(late <= 1, "{name} is {late} s after its phase");
        let duration = check["duration"].as_f64().unwrap_or(0.0);
        let millis = duration * 1000.0;
        assert!((millis - millis.round()).abs() < 1e-6, "{duration}");
        if name == "slow" {
            assert!(duration >= 1.0, "{duration}");
        }
        settle(check, expected, &["issued", "executed", "duration"]);
        if let Some(hook) = check.pointer_mut("/hooks/critical") {
            let expected = &expected["hooks"]["critical"];
            settle(hook, expected, &["executed", "duration"]);
        }
        if name == "load_metrics" {
            let output = check["output"].as_str().unwrap();
            let expected = expected["output"].as_str().unwrap();
            assert_eq!(
                fixture::without_time(output),
                fixture::without_time(expected)
            );
            check["output"] = json!(expected);
        }
        assert_eq!(result.to_string(), captured.to_string());
    }
}

#[test]
fn c_exchanges_queues_and_bindings_are_the_captured_ones() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let _agent = Running::agent(&captured_settings(&vhost));
    server.keepalive();
    let list = |what: &str, columns: &[&str]| {
        let mut arguments = vec![what, "-p", &vhost.name];
        arguments.extend(columns);
        let lines = broker.ctl(&arguments);
        let lines = lines.lines().map(str::trim_end);
        // AMQP's own, which are in every virtual host.
        let ours = lines.filter(|line| !line.starts_with("amq.") && !line.starts_with('\t'));
        ours.map(without_epoch).collect::<Vec<_>>()
    };
    let mut seen = list(
        "list_exchanges",
        &["name", "type", "durable", "auto_delete"],
    );
    let columns = ["name", "durable", "auto_delete", "exclusive"];
    seen.extend(list("list_queues", &columns));
    let columns = ["source_name", "destination_name", "routing_key"];
    seen.extend(list("list_bindings", &columns));
    seen.retain(|line| !line.is_empty() && !line.starts_with("direct\t"));
    seen.sort();
    let captured = fixture::text("wire/topology.txt");
    let captured = captured.lines().filter(|line| !line.starts_with('#'));
    let mut captured: Vec<String> = captured.map(str::trim_end).map(without_epoch).collect();
    captured.sort();
    assert_eq!(seen, captured);
}

/// The client's queue has the time of its start in its name.
fn without_epoch(line: &str) -> String {
    let words = line.split('\t').map(|word| match word.rsplit_once('-') {
        Some((name, digits)) if digits.parse::<u64>().is_ok_and(|time| time > 1_000_000) => {
            format!("{name}-EPOCH")
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join("\t")
}
