//! The agent over Redis.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use venus_tests::cable::Cable;
use venus_tests::certificates::Certificates;
use venus_tests::fixture;
use venus_tests::program::{Running, wait_until};
use venus_tests::redis::{PASSWORD, Redis};

const LOST: &str = "not connected, trying again";
const BACK: &str = "reconnected";

fn settings(name: &str, subscriptions: &[&str], redis: &Value) -> Value {
    json!({
        "client": {"name": name, "address": "192.0.2.1", "subscriptions": subscriptions},
        "transport": {"name": "redis"},
        "redis": redis,
    })
}

/// `echo here`, as everybody can run it.
fn probe() -> Value {
    json!({"name": "probe", "command": "echo here"})
}

#[test]
fn d_keepalives_and_results_are_the_captured_ones_in_the_lists_of_sensu() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let mut server = redis.server(3);
    let mut settings = fixture::json("wire/captured-with-client.json");
    settings["transport"] = json!({"name": "redis"});
    settings["redis"] = redis.settings();
    settings["redis"]["db"] = json!(3);
    settings.as_object_mut().unwrap().shift_remove("rabbitmq");
    let mut agent = Running::agent(&settings);
    let captured = fixture::json("wire/keepalive.json");
    let mut keepalive = server.keepalive();
    keepalive["timestamp"] = captured["payload"]["timestamp"].clone();
    assert_eq!(keepalive.to_string(), captured["payload"].to_string());
    let captured = fixture::json("wire/result-tok.json");
    let mut result = loop {
        let result = server.result();
        if result["check"]["name"] == "tok" {
            break result;
        }
    };
    for key in ["issued", "executed", "duration"] {
        result["check"][key] = captured["payload"]["check"][key].clone();
    }
    assert_eq!(result.to_string(), captured["payload"].to_string());
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    let said = agent.seen();
    assert!(!said.contains(PASSWORD), "{said}");
}

#[test]
fn d_every_client_of_a_subscription_answers_and_one_of_a_direct_one() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let mut server = redis.server(0);
    let url = json!(format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port));
    let subscriptions = ["all", "roundrobin:in-turn", "direct:one-of-us"];
    let _agents = ["one", "two"].map(|name| {
        let agent = Running::agent(&settings(name, &subscriptions, &url));
        server.keepalive();
        agent
    });
    assert_eq!(server.request("all", &probe()), 2);
    let other = json!({"name": "other", "command": "true"});
    assert_eq!(server.request("client:two", &other), 1);
    let mut clients = [(); 3].map(|()| server.result()["client"].as_str().unwrap().to_owned());
    clients.sort();
    assert_eq!(clients, ["one", "two", "two"]);
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..10 {
        for subscription in &subscriptions[1..] {
            let name = format!("{}-{number}", subscription.replace(':', "-"));
            let request = json!({"name": name, "command": "true"});
            server.request_one(subscription, &request);
        }
    }
    let mut turns: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..20 {
        let result = server.result();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        *answers.entry(text(&result["check"]["name"])).or_default() += 1;
        *turns.entry(text(&result["client"])).or_default() += 1;
    }
    assert!(answers.len() == 20 && answers.values().all(|answers| *answers == 1));
    assert_eq!(turns.len(), 2, "both take part");
}

#[test]
fn d_what_was_measured_while_redis_is_away_arrives_afterwards() {
    let Some(mut redis) = Redis::launch() else {
        return;
    };
    let mut with_checks = settings("one", &["all"], &redis.settings());
    with_checks["checks"] = json!({
        "beat": {"command": "echo beat", "standalone": true, "interval": 1},
    });
    let mut agent = Running::agent(&with_checks);
    redis.server(0).keepalive();
    redis.server(0).result();
    redis.kill();
    let line = agent.stdout_line(LOST);
    assert!(!line.contains(PASSWORD), "{line}");
    redis.relaunch();
    let mut server = redis.server(0);
    server.keepalive();
    let line: Value = serde_json::from_str(&agent.stdout_line(BACK)).unwrap();
    let waiting = line["waiting"].as_u64().unwrap();
    let mut issued = 0;
    for _ in 0..=waiting {
        let next = server.result()["check"]["issued"].as_u64().unwrap();
        assert!(next > issued, "in order, none twice");
        issued = next;
    }
    assert_eq!(server.request("all", &probe()), 1);
}

#[test]
fn d_a_network_that_swallows_everything_is_noticed() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let cable = Cable::to(redis.port);
    let mut through = redis.settings();
    through["port"] = json!(cable.port);
    let mut agent = Running::agent(&settings("one", &["all", "direct:x"], &through));
    let mut server = redis.server(0);
    server.keepalive();
    cable.stall();
    let line = agent.stdout_line(LOST);
    assert!(
        line.contains(&format!("redis 127.0.0.1:{}", cable.port)),
        "{line}"
    );
    cable.mend();
    agent.stdout_line(BACK);
    server.keepalive();
}

#[test]
fn d_sentinels_lead_to_the_server_that_has_taken_over() {
    let Some(mut redis) = Redis::launch() else {
        return;
    };
    let Some(replica) = redis.replica() else {
        return;
    };
    let Some(sentinel) = redis.sentinel() else {
        return;
    };
    let nobody = json!({"host": "127.0.0.1", "port": 1});
    let known = json!({"host": "127.0.0.1", "port": sentinel.port});
    let through = json!({
        "sentinels": [nobody, known], "master": "venus", "password": PASSWORD,
    });
    let mut agent = Running::agent(&settings("one", &["all"], &through));
    redis.server(0).keepalive();
    // The sentinel hears of the replica from the server.
    wait_until(|| sentinel.knows_a_replica());
    redis.kill();
    agent.stdout_line(LOST);
    agent.stdout_line(BACK);
    let mut server = replica.server(0);
    assert_eq!(server.keepalive()["name"], "one");
    assert_eq!(server.request("all", &probe()), 1);
    assert_eq!(server.result()["check"]["output"], "here\n");
}

#[test]
fn d_what_redis_refuses_is_said_with_what_to_do() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let Some(sentinel) = redis.sentinel() else {
        return;
    };
    let with = |key: &str, value: Value| {
        let mut settings = redis.settings();
        settings[key] = value;
        settings
    };
    let sentinels = json!([{"host": "127.0.0.1", "port": sentinel.port}]);
    for (redis, says) in [
        (
            with("password", json!("wrong-but-s3cret")),
            "see password in the redis settings",
        ),
        (
            with("password", Value::Null),
            "see password in the redis settings",
        ),
        (with("db", json!(99)), "DB index is out of range"),
        (
            with("port", json!(1)),
            "is Redis running and listening there?",
        ),
        (
            with("sentinels", sentinels),
            "it knows no master mymaster; see master in the redis settings",
        ),
    ] {
        let mut agent = Running::agent(&settings("one", &["all"], &redis));
        let line = agent.stdout_line(LOST);
        assert!(line.contains(says), "{line}");
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
        let said = agent.seen();
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn d_tls_is_verified_both_ways_unless_somebody_says_otherwise() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let Some((redis, port)) = Redis::with_tls(&certificates) else {
        return;
    };
    let mut server = redis.server(0);
    let through = |ssl: &Value| {
        let mut through = redis.settings();
        through["port"] = json!(port);
        through["ssl"] = ssl.clone();
        settings("one", &["all"], &through)
    };
    let trusting = certificates.client_with("cacert", json!(certificates.path("ca.pem")));
    for ssl in [&trusting, &certificates.client_with("verify", json!(false))] {
        let mut agent = Running::agent(&through(ssl));
        server.keepalive();
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
    }
    let unknown = certificates.client_with("cacert", Value::Null);
    let missing = certificates.client_with("private_key_file", json!("/nonexistent/key.pem"));
    for (ssl, says) in [
        (&unknown, "see ssl.cacert in the redis settings"),
        (&missing, "cannot use /nonexistent/key.pem"),
    ] {
        let mut agent = Running::agent(&through(ssl));
        let line = agent.stdout_line(LOST);
        assert!(line.contains(says), "{line}");
    }
}
