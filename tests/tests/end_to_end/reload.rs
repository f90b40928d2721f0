//! Settings that change under a running agent.

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use tempfile::TempDir;
use venus_tests::port;
use venus_tests::program::{self, Running};
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// An agent whose settings are in a folder that the test can change.
struct Node {
    agent: Running,
    settings: Value,
    dir: TempDir,
}

impl Node {
    fn start(vhost: &Vhost, checks: &Value) -> Self {
        let settings = json!({
            "client": {"name": "one", "address": "192.0.2.1", "subscriptions": ["all"]},
            "rabbitmq": vhost.settings(),
            "checks": checks,
        });
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &settings.to_string());
        let agent = Running::start(&mut program::agent_in(dir.path()), None);
        Self {
            agent,
            settings,
            dir,
        }
    }

    /// Puts these settings in the place of the old ones.
    fn reload(&mut self) -> String {
        write(self.dir.path(), &self.settings.to_string());
        self.agent.signal(Signal::SIGHUP);
        self.agent.stdout_line("settings reloaded")
    }
}

fn write(dir: &Path, settings: &str) {
    fs::write(dir.join("settings.json"), settings).unwrap();
}

fn check(command: &str) -> Value {
    json!({"command": command, "standalone": true, "interval": 1})
}

#[test]
fn b_checks_come_and_go_and_a_running_one_is_not_lost() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let fifos = tempfile::tempdir().unwrap();
    let gate = fifos.path().join("gate");
    mkfifo(&gate, Mode::S_IRWXU).unwrap();
    let old = check(&format!("echo running; cat {}", gate.display()));
    let mut node = Node::start(&vhost, &json!({"old": old}));
    server.keepalive();
    // Opens when the check runs; it waits until the end of the file.
    let mut running = fs::File::create(&gate).unwrap();
    node.settings["checks"] = json!({"new": check("echo new")});
    let line: Value = serde_json::from_str(&node.reload()).unwrap();
    assert_eq!(line["checks"], json!(["new"]));
    assert_eq!(
        server.result_of("new")["payload"]["check"]["output"],
        "new\n"
    );
    std::io::Write::write_all(&mut running, b"to its end\n").unwrap();
    drop(running);
    let result = server.result_of("old");
    assert_eq!(
        result["payload"]["check"]["output"],
        "running\nto its end\n"
    );
}

#[test]
fn b_wrong_settings_are_refused_and_the_old_ones_stay() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut node = Node::start(&vhost, &json!({"kept": check("echo kept")}));
    server.keepalive();
    for (settings, says) in [
        ("{\"client\": {", "is not JSON"),
        (
            "{\"client\": {\"name\": \"a b\"}}",
            "client name cannot contain spaces",
        ),
    ] {
        write(node.dir.path(), settings);
        node.agent.signal(Signal::SIGHUP);
        let line: Value = serde_json::from_str(&node.agent.stdout_line(says)).unwrap();
        assert_eq!(line["level"], "error");
        node.agent
            .stdout_line("settings not reloaded, the old ones stay");
        server.result_of("kept");
    }
}

#[test]
fn b_a_new_subscription_and_a_new_attribute_are_seen_by_the_server() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let mut node = Node::start(&vhost, &json!({}));
    server.keepalive();
    node.settings["client"]["subscriptions"] = json!(["all", "late"]);
    node.settings["client"]["rack"] = json!("r2");
    node.reload();
    let keepalive = server.keepalive();
    let subscriptions = json!(["all", "late", "client:one"]);
    assert_eq!(keepalive["payload"]["subscriptions"], subscriptions);
    assert_eq!(keepalive["payload"]["rack"], "r2");
    server.request(
        "late",
        &json!({"name": "probe", "command": "echo :::rack:::"}),
    );
    let result = server.result_of("probe");
    assert_eq!(result["payload"]["check"]["output"], "r2\n");
}

#[test]
fn b_sockets_with_other_limits_listen_on_the_same_ports() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let [tcp, http] = port::free();
    let mut node = Node::start(&vhost, &json!({}));
    server.keepalive();
    for max_size in [1000, 2000] {
        node.settings["client"]["socket"] = json!({"port": tcp, "max_size": max_size});
        node.settings["client"]["http_socket"] = json!({"port": http, "max_size": max_size});
        node.reload();
        for port in [tcp, http] {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
        let padding = " ".repeat(max_size - 100);
        let result = format!("{{\"name\": \"sized\", \"output\": \"\"{padding}}}");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, tcp)).unwrap();
        stream.write_all(result.as_bytes()).unwrap();
        server.result_of("sized");
    }
}

#[test]
fn b_reloading_makes_checks_run_neither_more_nor_less_often() {
    const CHECKS: usize = 100;
    const SECONDS: u64 = 8;
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let extension = json!({"extension": "metrics-load", "standalone": true, "interval": 1});
    let checks: serde_json::Map<_, _> = (0..CHECKS)
        .map(|number| (format!("check-{number}"), extension.clone()))
        .collect();
    let mut node = Node::start(&vhost, &json!(checks));
    server.keepalive();
    let mut issued: HashMap<String, Vec<u64>> = HashMap::new();
    let mut first = None;
    loop {
        let result = server.result();
        let check = &result["payload"]["check"];
        let at = check["issued"].as_u64().unwrap();
        if at - *first.get_or_insert(at) > SECONDS {
            break;
        }
        let name = check["name"].as_str().unwrap().to_owned();
        let times = issued.entry(name).or_default();
        times.push(at);
        // Ten reloads a second, at all phases.
        if issued.values().map(Vec::len).sum::<usize>() % (CHECKS / 10) == 0 {
            node.reload();
        }
    }
    assert_eq!(issued.len(), CHECKS);
    for (name, times) in issued {
        // A phase at the edge of a second may fall to either side of it.
        let span = times.last().unwrap() - times[0] + 1;
        let runs = u64::try_from(times.len()).unwrap();
        assert!(runs.abs_diff(span) <= 1, "{name}: {times:?}");
        let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(steps.max() <= Some(2), "{name}: {times:?}");
    }
}

#[test]
fn b_in_the_background_with_a_pid_file() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({
        "client": {"name": "one"}, "transport": {"name": "embedded"},
        "venus": {"builtin_checks": false},
    });
    let (mut command, _settings) = program::agent(&settings);
    let [log, pid] = ["log", "pid"].map(|name| dir.path().join(name));
    // As Sensu's own init script has them.
    command.args(["-e", "/etc/sensu/extensions", "-L", "info", "-v"]);
    command.args(["-b", "-l"]).arg(&log).arg("-p").arg(&pid);
    let output = program::run(&mut command);
    assert_eq!(output.status.code(), Some(0));
    program::wait_until(|| fs::read_to_string(&log).is_ok_and(|log| log.contains("starts")));
    let daemon = fs::read_to_string(&pid).unwrap();
    let daemon = nix::unistd::Pid::from_raw(daemon.trim().parse().unwrap());
    let session = nix::unistd::getsid(Some(daemon)).unwrap();
    assert_ne!(session, nix::unistd::getsid(None).unwrap());
    nix::sys::signal::kill(daemon, Signal::SIGTERM).unwrap();
    program::wait_until(|| !pid.exists());
    assert!(
        fs::read_to_string(&log)
            .unwrap()
            .contains("venus-agent stopped")
    );
}

#[test]
fn b_a_pid_file_that_cannot_be_written_is_said_while_somebody_listens() {
    let settings = json!({"client": {"name": "one"}, "transport": {"name": "embedded"}});
    let (mut command, _settings) = program::agent(&settings);
    let output = program::run(command.args(["-b", "-p", "/nonexistent/pid"]));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("cannot write the pid file") && said.contains("/nonexistent/pid"),
        "{said}"
    );
}
