//! An encrypted connection to the broker.

use serde_json::{Value, json};
use venus_tests::certificates::Certificates;
use venus_tests::program::Running;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::server::Server;

fn settings(rabbitmq: &Value) -> Value {
    json!({
        "client": {"name": "one", "address": "192.0.2.1", "subscriptions": ["all"]},
        "rabbitmq": rabbitmq,
    })
}

#[test]
fn c_tls_is_verified_both_ways_unless_somebody_says_otherwise() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let port = broker.use_tls(&certificates);
    broker.launch();
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let encrypted = |ssl: &Value| {
        let mut rabbitmq = vhost.settings();
        rabbitmq["port"] = json!(port);
        rabbitmq["ssl"] = ssl.clone();
        rabbitmq
    };
    let trusting = certificates.client_with("cacert", json!(certificates.path("ca.pem")));
    for ssl in [&trusting, &certificates.client_with("verify", json!(false))] {
        let mut agent = Running::agent(&settings(&encrypted(ssl)));
        server.keepalive();
        server.request("all", &json!({"name": "probe", "command": "echo here"}));
        let result = server.result_of("probe");
        assert_eq!(result["payload"]["check"]["output"], "here\n");
        agent.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
    }

    let mut elsewhere = encrypted(&trusting);
    elsewhere["host"] = json!("localhost");
    let stranger = json!({"cacert": certificates.path("ca.pem")});
    let missing = certificates.client_with("private_key_file", json!("/nonexistent/key.pem"));
    for (rabbitmq, says) in [
        (elsewhere, "certificate not valid for name \"localhost\""),
        (
            encrypted(&json!({})),
            "see ssl.cacert in the rabbitmq settings",
        ),
        (
            encrypted(&stranger),
            "see ssl.cert_chain_file in the rabbitmq settings",
        ),
        (encrypted(&missing), "cannot use /nonexistent/key.pem"),
    ] {
        let mut agent = Running::agent(&settings(&rabbitmq));
        let line = agent.stdout_line("not connected, trying again");
        let line: Value = serde_json::from_str(&line).unwrap();
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(says), "{error}");
    }
}
