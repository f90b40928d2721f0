//! How the agent ends.

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::{Value, json};
use std::fs;
use venus_tests::program::Running;
use venus_tests::rabbitmq::{RabbitMq, Vhost};
use venus_tests::server::Server;

fn settings(vhost: &Vhost) -> Value {
    json!({
        "client": {"name": "one", "address": "192.0.2.1", "subscriptions": ["all"]},
        "rabbitmq": vhost.settings(),
    })
}

#[test]
fn h_a_stop_waits_for_the_running_check_and_delivers_its_result() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let Some((vhost, mut server)) = Server::alone() else {
            return;
        };
        let mut agent = Running::agent(&settings(&vhost));
        server.keepalive();
        let dir = tempfile::tempdir().unwrap();
        let [ready, gate] = ["ready", "gate"].map(|name| {
            let path = dir.path().join(name);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
            path
        });
        let command = format!("echo > {}; cat {}", ready.display(), gate.display());
        server.request("all", &json!({"name": "slow", "command": command}));
        fs::read(&ready).unwrap();
        agent.signal(signal);
        agent.stdout_line("received signal, stopping");
        fs::write(&gate, "done\n").unwrap();
        assert_eq!(server.result()["payload"]["check"]["output"], "done\n");
        assert_eq!(agent.wait().code(), Some(0));
    }
}

#[test]
fn h_a_check_that_does_not_end_does_not_hold_the_stop() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut agent = Running::agent(&settings(&vhost));
    server.keepalive();
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    mkfifo(&ready, Mode::S_IRWXU).unwrap();
    let command = format!("trap '' TERM; echo $$ > {}; sleep 1000", ready.display());
    server.request("all", &json!({"name": "endless", "command": command}));
    let pid = fs::read_to_string(&ready).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    agent.signal(Signal::SIGTERM);
    agent.stdout_line("stopped before everything was delivered");
    assert_eq!(agent.wait().code(), Some(0));
    // Gone, or a zombie that its new parent has not reaped yet.
    let state = fs::read_to_string(format!("/proc/{pid}/stat"));
    assert!(
        state.as_ref().map_or(true, |state| state.contains(") Z ")),
        "{state:?}, {:?}",
        kill(pid, None)
    );
}

#[test]
fn h_without_a_broker_it_stops_as_well() {
    let Some(broker) = RabbitMq::own() else {
        return;
    };
    let mut agent = Running::agent(&settings(&broker.vhost()));
    agent.stdout_line("not connected, trying again");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn h_nothing_new_starts_once_a_stop_was_asked_for() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut settings = settings(&vhost);
    settings["sensu"] = json!({"spawn": {"limit": 1}});
    let mut agent = Running::agent(&settings);
    server.keepalive();
    let dir = tempfile::tempdir().unwrap();
    let [ready, gate] = ["ready", "gate"].map(|name| {
        let path = dir.path().join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        path
    });
    let started = dir.path().join("started");
    let first = format!("echo > {}; cat {}", ready.display(), gate.display());
    let other = format!("touch {}", started.display());
    server.request("all", &json!({"name": "first", "command": first}));
    server.request("all", &json!({"name": "waits", "command": other}));
    // In order: when this one is refused, the others were taken.
    server.request("all", &json!({"name": "first", "command": "true"}));
    agent.stdout_line("previous check execution still in progress");
    fs::read(&ready).unwrap();
    agent.signal(Signal::SIGTERM);
    agent.stdout_line("received signal, stopping");
    server.request("all", &json!({"name": "late", "command": other}));
    fs::write(&gate, "done\n").unwrap();
    assert_eq!(server.result()["payload"]["check"]["name"], "first");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!started.exists());
}

#[test]
fn h_a_single_cycle_can_be_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let [ready, gate] = ["ready", "gate"].map(|name| {
        let path = dir.path().join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        path
    });
    let command = format!("echo > {}; cat {}", ready.display(), gate.display());
    let settings = json!({
        "client": {"name": "one"}, "venus": {"builtin_checks": false},
        "checks": {"slow": {"command": command, "standalone": true, "interval": 60}},
    });
    let (mut command, settings) = venus_tests::program::agent(&settings);
    let mut agent = Running::start(command.arg("--once"), Some(settings));
    fs::read(&ready).unwrap();
    agent.signal(Signal::SIGINT);
    agent.stderr_line("received signal, stopping");
    fs::write(&gate, "").unwrap();
    assert_eq!(agent.wait().code(), Some(0));
}
