//! How the agent ends.

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::{Value, json};
use std::fs;
use venus_tests::gate::Gate;
use venus_tests::program::{Running, wait_until};
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
        let gate = Gate::default();
        server.request("all", &json!({"name": "slow", "command": gate.command()}));
        gate.wait();
        agent.signal(signal);
        agent.stdout_line("received signal, stopping");
        gate.open("done\n");
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
    agent.stdout_line("killing checks that do not end");
    let result = server.result();
    let check = &result["payload"]["check"];
    assert_eq!(
        (&check["name"], &check["status"]),
        (&json!("endless"), &json!(9))
    );
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
fn h_the_checks_of_an_agent_that_is_killed_end_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let long = |name: &str| format!("echo $$ > {}; exec sleep 1000", file(name));
    let check = |command: Value, hooks: Value| json!({"command": command, "standalone": true, "interval": 60, "hooks": hooks});
    let mut agent = Running::agent(&json!({
        "client": {
            "name": "one", "socket": {"enabled": false}, "http_socket": {"enabled": false},
        },
        "venus": {"builtin_checks": false},
        "checks": {
            "line": check(json!(long("line")), json!({})),
            "array": check(json!(["sh", "-c", long("array")]), json!({})),
            "hooked": check(json!("exit 1"), json!({"1": {"command": long("hook")}})),
        },
    }));
    let pids = || {
        let pids = ["line", "array", "hook"].map(|name| fs::read_to_string(file(name)));
        pids.map(|pid| pid.ok()?.trim().parse::<i32>().ok())
    };
    wait_until(|| pids().iter().all(Option::is_some));
    let states = pids().map(|pid| format!("/proc/{}/stat", pid.unwrap()));
    let is_alive =
        |stat: &String| fs::read_to_string(stat).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(states.iter().all(is_alive));
    agent.signal(Signal::SIGKILL);
    agent.wait();
    wait_until(|| !states.iter().any(is_alive));
}

#[test]
fn h_checks_leave_neither_zombies_nor_descriptors() {
    const CHECKS: usize = 50;
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let agent = Running::agent(&settings(&vhost));
    server.keepalive();
    let descriptors = || {
        let all = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
        all.count()
    };
    let mut round = |name: &str| {
        for number in 0..CHECKS {
            let name = format!("{name}-{number}");
            // One that cannot start, one that is too slow, one that leaves something behind.
            for (kind, command) in [
                ("none", json!(["no-such-program"])),
                ("slow", json!(["sleep", "1000"])),
                ("left", json!("sleep 0 & echo x")),
            ] {
                let name = format!("{name}-{kind}");
                let check = json!({"name": name, "command": command, "timeout": 0.05});
                server.request("all", &check);
            }
        }
        for _ in 0..3 * CHECKS {
            server.result();
        }
    };
    round("first");
    let before = descriptors();
    round("second");
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    wait_until(|| fs::read_to_string(&children).unwrap().is_empty());
    wait_until(|| descriptors() <= before);
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
    let gate = Gate::default();
    let dir = tempfile::tempdir().unwrap();
    let started = dir.path().join("started");
    let other = format!("touch {}", started.display());
    let first = gate.command();
    server.request("all", &json!({"name": "first", "command": first}));
    server.request("all", &json!({"name": "waits", "command": other}));
    // In order: when this one is refused, the others were taken.
    server.request("all", &json!({"name": "first", "command": "true"}));
    agent.stdout_line("previous check execution still in progress");
    gate.wait();
    agent.signal(Signal::SIGTERM);
    agent.stdout_line("received signal, stopping");
    server.request("all", &json!({"name": "late", "command": other}));
    gate.open("done\n");
    assert_eq!(server.result()["payload"]["check"]["name"], "first");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!started.exists());
}

#[test]
fn h_a_client_that_stops_leaves_requests_to_others() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let [mut one, _two] = ["one", "two"].map(|name| {
        let mut settings = settings(&vhost);
        settings["client"]["name"] = json!(name);
        settings["client"]["subscriptions"] = json!(["roundrobin:in-turn"]);
        let agent = Running::agent(&settings);
        server.keepalive();
        agent
    });
    let gate = Gate::default();
    let request = |name: &str, command: &str| json!({"name": name, "command": command});
    server.request("client:one", &request("slow", &gate.command()));
    gate.wait();
    one.signal(Signal::SIGTERM);
    one.stdout_line("received signal, stopping");
    // Its queue goes when it has unsubscribed.
    let queues = || {
        let broker = RabbitMq::shared().unwrap();
        broker.ctl(&["list_queues", "-p", &vhost.name, "name"])
    };
    wait_until(|| !queues().contains("one-"));
    for number in 0..10 {
        let request = request(&format!("in-turn-{number}"), "true");
        server.request("roundrobin:in-turn", &request);
    }
    for _ in 0..10 {
        assert_eq!(server.result()["payload"]["client"], "two");
    }
    gate.open("done\n");
    assert_eq!(server.result()["payload"]["check"]["output"], "done\n");
    assert_eq!(one.wait().code(), Some(0));
}

#[test]
fn h_the_server_hears_that_a_client_goes_and_nothing_after_it() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut settings = settings(&vhost);
    settings["client"]["deregister"] = json!(true);
    settings["client"]["deregistration"] = json!({
        "handler": "decommission", "status": 2, "output": "mine", "team": "hpc",
    });
    let mut agent = Running::agent(&settings);
    server.keepalive();
    let gate = Gate::default();
    server.request("all", &json!({"name": "slow", "command": gate.command()}));
    gate.wait();
    agent.signal(Signal::SIGTERM);
    agent.stdout_line("received signal, stopping");
    gate.open("done\n");
    assert_eq!(server.result()["payload"]["check"]["name"], "slow");
    let mut result = server.result();
    let check = &mut result["payload"]["check"];
    for time in ["issued", "executed"] {
        assert!(check[time].take().is_u64());
    }
    let expected = json!({
        "handler": "decommission", "status": 2, "output": "client initiated deregistration",
        "team": "hpc", "name": "deregistration", "issued": null, "executed": null,
    });
    assert_eq!(check.to_string(), expected.to_string());
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn h_a_paused_client_is_gone_until_it_is_resumed() {
    let Some(broker) = RabbitMq::shared() else {
        return;
    };
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let mut settings = settings(&vhost);
    settings["client"]["deregister"] = json!(true);
    let mut agent = Running::agent(&settings);
    server.keepalive();
    agent.signal(Signal::SIGUSR1);
    agent.stdout_line("paused");
    // Its queue goes with it, so that this reaches nobody.
    let queues = || broker.ctl(&["list_queues", "-p", &vhost.name, "name"]);
    wait_until(|| !queues().contains("one-"));
    server.request("all", &json!({"name": "missed", "command": "true"}));
    agent.signal(Signal::SIGUSR2);
    agent.stdout_line("resumed");
    server.keepalive();
    server.request("all", &json!({"name": "seen", "command": "true"}));
    assert_eq!(server.result()["payload"]["check"]["name"], "seen");
    // One that is paused can be stopped, and still says goodbye.
    agent.signal(Signal::SIGUSR1);
    agent.stdout_line("paused");
    agent.signal(Signal::SIGTERM);
    let result = server.result();
    assert_eq!(result["payload"]["check"]["name"], "deregistration");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn b_trap_turns_debugging_on_and_off() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut agent = Running::agent(&settings(&vhost));
    server.keepalive();
    for (state, seen) in [("on", true), ("off", false)] {
        agent.signal(Signal::SIGTRAP);
        agent.stdout_line(&format!("debugging is {state}"));
        let name = format!("while-{state}");
        server.request("all", &json!({"name": name, "command": "true"}));
        server.result_of(&name);
        if seen {
            agent.stdout_line("publishing check result");
        }
    }
    agent.signal(Signal::SIGTERM);
    agent.wait();
    assert!(!agent.rest_of_stdout().contains("while-off"));
}

#[test]
fn h_a_single_cycle_can_be_interrupted() {
    let gate = Gate::default();
    let settings = json!({
        "client": {"name": "one"}, "venus": {"builtin_checks": false},
        "checks": {"slow": {"command": gate.command(), "standalone": true, "interval": 60}},
    });
    let (mut command, settings) = venus_tests::program::agent(&settings);
    let mut agent = Running::start(command.arg("--once"), Some(settings));
    gate.wait();
    agent.signal(Signal::SIGINT);
    agent.stderr_line("received signal, stopping");
    gate.open("");
    assert_eq!(agent.wait().code(), Some(2));
}
