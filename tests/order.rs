//! `order FILE`: writes the order of functions in which `packaging/build` links the programs.
//!
//! The kernel maps 64 kB around each place of a program that is used, so that code which never runs is
//! resident where it lies between code that does. An agent runs for a while under callgrind; what it
//! ran goes to the front, and all else stays behind that, in the linker's own order.
//!
//! Names are written without what differs from build to build. A function that is not among them, as
//! it was written later, is where it was; only memory is lost by that, and `packaging/order` finds it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is run by hand, and fails loudly at the place where it fails"
)]

use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::ExitCode;
use tempfile::TempDir;
use venus_tests::cable::Cable;
use venus_tests::callgrind::Counted;
use venus_tests::certificates::Certificates;
use venus_tests::link_order::Group;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::server::Server;
use venus_tests::{DEADLINE, fixture, http, link_order, port, program, socket};

/// How many keepalives show all that each agent does: one comes every 20 s, and its broker's clock is
/// asked after 30 s.
const KEEPALIVES: usize = 3;
/// What an agent says of its connection.
const LOST: &str = "not connected, trying again";
const BACK: &str = "reconnected";

#[expect(clippy::print_stderr, reason = "a program's message")]
fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: order FILE");
        return ExitCode::FAILURE;
    };
    // What is missing was said.
    let Some(groups) = ordinary_day() else {
        return ExitCode::FAILURE;
    };
    if let Err(error) = fs::write(&file, link_order::script(&groups)) {
        eprintln!("order: cannot write {}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The functions that each agent runs, those that it runs when somebody wants something of it or its
/// broker was away, and those for TLS; without those of other objects.
fn ordinary_day() -> Option<[Group; 3]> {
    let certificates = Certificates::make()?;
    let mut broker = RabbitMq::own()?;
    let encrypted = broker.use_tls(&certificates);
    broker.launch();
    let vhost = broker.vhost();
    let mut server = Server::connect(&vhost);
    let cable = Cable::to(vhost.port);
    let mut rabbitmq = vhost.settings();
    rabbitmq["port"] = json!(cable.port);
    let [tcp_port, http_port] = port::free();
    let sys = sys();
    let (command, dir) = program::agent(&json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["physical", "infiniband"],
            "socket": {"port": tcp_port}, "http_socket": {"port": http_port},
        },
        "rabbitmq": rabbitmq,
        "checks": {
            "command": {"command": "echo :::name:::", "standalone": true, "interval": 1},
            "own": {"extension": "metrics-agent", "standalone": true, "interval": 1},
            "measured": {"extension": "metrics-memory", "standalone": true, "interval": 1},
        },
        "venus": {"builtin_checks": true, "interval": 1, "sys_path": sys.path()},
    }));
    let mut agent = Counted::start(&command, dir)?;
    for _ in 0..KEEPALIVES {
        server.keepalive();
    }
    server.result_of("measured");
    let functions = |agent: &mut Counted| link_order::functions(&agent.dump(), "venus-agent");
    let always = functions(&mut agent);

    for check in [
        json!({"name": "asked", "command": "echo asked"}),
        json!({"name": "asked", "extension": "metrics-uptime"}),
    ] {
        server.request("physical", &check);
        server.result_of("asked");
    }
    let result = r#"{"name": "handed-in", "output": "by somebody"}"#;
    assert_eq!(socket::converse(tcp_port, result, DEADLINE).unwrap(), "ok");
    server.result_of("handed-in");
    let length = result.len();
    let head = format!(
        "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}"
    );
    let post = format!("{head}\r\n\r\n{result}");
    let answer = socket::converse(http_port, &post, DEADLINE).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    server.result_of("handed-in");
    for path in ["/", "/api/node", "/metrics", "/info"] {
        http::get(http_port, path).unwrap();
    }
    cable.cut();
    agent.running.stdout_line(LOST);
    cable.mend();
    agent.running.stdout_line(BACK);
    server.keepalive();
    server.result_of("command");
    let mut sometimes = functions(&mut agent);
    drop(agent);

    // By a URI, as in containers.
    let (mut command, dir) = program::agent(&json!({
        "client": {"name": "two", "address": "192.0.2.2", "subscriptions": ["physical"]},
    }));
    command.env("RABBITMQ_URL", vhost.uri());
    let mut agent = Counted::start(&command, dir)?;
    while server.keepalive()["payload"]["name"] != "two" {}
    sometimes.append(&mut functions(&mut agent));

    let mut rabbitmq = vhost.settings();
    rabbitmq["port"] = json!(encrypted);
    rabbitmq["ssl"] = certificates.client_with("cacert", json!(certificates.path("ca.pem")));
    let (command, dir) = program::agent(&json!({
        "client": {"name": "three", "address": "192.0.2.3", "subscriptions": ["physical"]},
        "rabbitmq": rabbitmq,
    }));
    let mut agent = Counted::start(&command, dir)?;
    while server.keepalive()["payload"]["name"] != "three" {}
    let tls = functions(&mut agent);
    Some([("always", always), ("sometimes", sometimes), ("tls", tls)])
}

/// A host with `InfiniBand`.
fn sys() -> TempDir {
    let sys = tempfile::tempdir().unwrap();
    let class = sys.path().join("class");
    fs::create_dir(&class).unwrap();
    symlink("/sys/class/net", class.join("net")).unwrap();
    let infiniband = fixture::path("infiniband/sys/class/infiniband");
    symlink(infiniband, class.join("infiniband")).unwrap();
    sys
}
