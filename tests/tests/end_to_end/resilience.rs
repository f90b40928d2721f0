//! A broker that is away, refuses, hangs, or was tampered with.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use venus_tests::cable::Cable;
use venus_tests::program::Running;
use venus_tests::rabbitmq::{PASSWORD, RabbitMq, Vhost};
use venus_tests::server::Server;

const LOST: &str = "not connected, trying again";
const BACK: &str = "reconnected";

fn settings(rabbitmq: &Value) -> Value {
    json!({
        "client": {"name": "one", "address": "192.0.2.1", "subscriptions": ["all"]},
        "rabbitmq": rabbitmq,
    })
}

/// Sends a request and waits for its answer: the subscriptions are there.
fn assert_answers(server: &mut Server) {
    server.request("all", &json!({"name": "probe", "command": "echo here"}));
    let result = server.result_of("probe");
    assert_eq!(result["payload"]["check"]["output"], "here\n");
}

#[test]
fn a_broker_that_starts_late_and_dies_is_found_each_time() {
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let vhost = broker.vhost();
    let mut agent = Running::agent(&settings(&vhost.settings()));
    let line = agent.stdout_line(LOST);
    assert!(line.contains("is RabbitMQ running"), "{line}");
    for end in [RabbitMq::kill, RabbitMq::stop] {
        broker.launch();
        let mut server = Server::connect(&vhost);
        server.keepalive();
        assert_answers(&mut server);
        agent.stdout_line(BACK);
        end(&mut broker);
        agent.stdout_line(LOST);
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    // One line for each state, however often it was tried.
    let lines = agent.rest_of_stdout();
    assert!(lines.matches(LOST).count() <= 1, "{lines}");
}

#[test]
fn c_another_broker_of_a_cluster_takes_over() {
    let Some(mut nodes) = RabbitMq::cluster() else {
        return;
    };
    // The other one knows the virtual host as well.
    let vhost = nodes[0].vhost();
    let vhosts = [0, 1].map(|node| Vhost {
        port: nodes[node].port(),
        ..vhost.clone()
    });
    let both = json!([vhosts[0].settings(), vhosts[1].settings()]);
    let mut agent = Running::agent(&settings(&both));
    Server::connect(&vhosts[0]).keepalive();
    let connections = nodes[0].ctl(&["list_connections", "pid", "client_properties"]);
    let ours = connections
        .lines()
        .find(|line| line.contains("venus-agent"));
    let ours = ours.unwrap();
    let used = usize::from(ours.contains(nodes[1].name()));
    let mut server = Server::connect(&vhosts[1 - used]);
    nodes[used].kill();
    agent.stdout_line(LOST);
    server.keepalive();
    assert_answers(&mut server);
}

#[test]
fn c_a_broker_may_have_an_ipv6_address() {
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    let port = broker.use_ipv6();
    broker.launch();
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let mut rabbitmq = vhost.settings();
    rabbitmq["host"] = json!("::1");
    rabbitmq["port"] = json!(port);
    let uri = vhost.uri();
    let uri = uri.replace(
        &format!("127.0.0.1:{}", vhost.port),
        &format!("[::1]:{port}"),
    );
    for rabbitmq in [rabbitmq, json!(uri)] {
        let mut agent = Running::agent(&settings(&rabbitmq));
        agent.stdout_line(&format!("sensu@[::1]:{port}"));
        server.keepalive();
        assert_answers(&mut server);
    }
}

#[test]
fn a_broker_that_hangs_is_noticed_and_left() {
    let Some(mut broker) = RabbitMq::own() else {
        return;
    };
    broker.launch();
    let vhost = broker.vhost();
    let mut rabbitmq = vhost.settings();
    rabbitmq["heartbeat"] = json!(1);
    let mut agent = Running::agent(&settings(&rabbitmq));
    let mut server = Server::connect(&vhost);
    server.keepalive();
    broker.signal(Signal::SIGSTOP);
    agent.stdout_line(LOST);
    broker.signal(Signal::SIGCONT);
    agent.stdout_line(BACK);
    server.keepalive();
    assert_answers(&mut server);
}

#[test]
fn what_was_measured_without_a_connection_arrives_in_order_afterwards() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let cable = Cable::to(vhost.port);
    let dir = tempfile::tempdir().unwrap();
    let [count, runs] = ["count", "runs"].map(|name| dir.path().join(name));
    fs::write(&count, "0").unwrap();
    nix::unistd::mkfifo(&runs, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut rabbitmq = vhost.settings();
    rabbitmq["port"] = json!(cable.port);
    let mut settings = settings(&rabbitmq);
    // Each run waits until the test reads its number.
    let command = format!(
        "n=$(($(cat {count}) + 1)); echo $n > {count}; echo $n > {runs}; echo run $n",
        count = count.display(),
        runs = runs.display()
    );
    settings["checks"] = json!({
        "counted": {"command": command, "standalone": true, "interval": 1},
    });
    let mut agent = Running::agent(&settings);
    server.keepalive();
    let run = || fs::read_to_string(&runs).unwrap().trim().to_owned();
    assert_eq!(run(), "1");
    let output = |result: &Value| result["payload"]["check"]["output"].clone();
    assert_eq!(output(&server.result()), "run 1\n");
    cable.cut();
    agent.stdout_line(LOST);
    for number in 2..=5 {
        assert_eq!(run(), number.to_string());
    }
    cable.mend();
    server.keepalive();
    for number in 2..=5 {
        assert_eq!(output(&server.result()), format!("run {number}\n"));
    }
    let line: Value = serde_json::from_str(&agent.stdout_line(BACK)).unwrap();
    assert!(line["waiting"].as_u64() >= Some(3), "{line}");
}

#[test]
fn a_network_that_swallows_everything_is_noticed_by_the_heartbeat() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let cable = Cable::to(vhost.port);
    let mut rabbitmq = vhost.settings();
    rabbitmq["port"] = json!(cable.port);
    rabbitmq["heartbeat"] = json!(1);
    let mut agent = Running::agent(&settings(&rabbitmq));
    server.keepalive();
    cable.stall();
    agent.stdout_line(LOST);
    cable.mend();
    agent.stdout_line(BACK);
    server.keepalive();
    assert_answers(&mut server);
}

#[test]
fn what_the_broker_refuses_is_said_in_one_line_without_the_password() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let mut wrong_password = vhost.settings();
    wrong_password["password"] = json!("wrong-but-s3cret");
    let mut wrong_vhost = vhost.settings();
    wrong_vhost["vhost"] = json!("/nowhere");
    let wrong_uri = json!(vhost.uri().replace(PASSWORD, "wrong-but-s3cret"));
    let see_user = "see user, password and permissions in the rabbitmq settings";
    for (rabbitmq, advice) in [
        (&wrong_password, see_user),
        (&wrong_uri, see_user),
        (&wrong_vhost, "see vhost in the rabbitmq settings"),
    ] {
        let mut agent = Running::agent(&settings(rabbitmq));
        let line = agent.stdout_line(LOST);
        assert!(line.contains(advice), "{line}");
        assert!(line.contains(&format!("sensu@127.0.0.1:{}", vhost.port)));
        agent.signal(Signal::SIGTERM);
        assert_eq!(agent.wait().code(), Some(0));
        let said = agent.seen();
        assert!(said.contains("venus-agent stopped"));
        for secret in ["wrong-but-s3cret", PASSWORD] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_vhost_that_is_deleted_and_made_again_is_found_again() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let mut agent = Running::agent(&settings(&vhost.settings()));
    server.keepalive();
    broker.ctl(&["delete_vhost", &vhost.name]);
    agent.stdout_line(LOST);
    broker.ctl(&["add_vhost", &vhost.name]);
    broker.ctl(&[
        "set_permissions",
        "-p",
        &vhost.name,
        "sensu",
        ".*",
        ".*",
        ".*",
    ]);
    let mut server = Server::connect(&vhost);
    agent.stdout_line(BACK);
    server.keepalive();
    assert_answers(&mut server);
}

#[test]
fn an_exchange_and_a_queue_that_are_deleted_are_declared_again() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut settings = settings(&vhost.settings());
    settings["client"]["subscriptions"] = json!(["all", "direct:mine"]);
    let mut agent = Running::agent(&settings);
    server.keepalive();
    // The queue of the subscription: the broker says so at once.
    server.delete_queue("direct:mine");
    agent.stdout_line(LOST);
    agent.stdout_line(BACK);
    server.keepalive();
    // The exchange of the results: that is found when the next one is sent.
    server.delete_exchange("results");
    server.request("all", &json!({"name": "sent", "command": "true"}));
    agent.stdout_line(LOST);
    server.bind_results();
    agent.stdout_line(BACK);
    assert_answers(&mut server);
}

#[test]
fn a_server_that_comes_after_the_agent_gets_a_keepalive_at_once() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let mut settings = settings(&vhost.settings());
    settings["checks"] = json!({"a": {"command": "true", "standalone": true, "interval": 1}});
    let mut agent = Running::agent(&settings);
    // The first keepalive went nowhere, and the next is due after 20 s.
    agent.stdout_line("no Sensu server has a queue for results");
    let mut server = Server::connect(&vhost);
    server.keepalive_within(Duration::from_secs(10));
}
