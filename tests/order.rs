//! `order FILE`: writes the order of functions in which `packaging/build` links the programs.
//!
//! The kernel maps 64 kB around each place of a program that is used, so that code which never runs is
//! resident where it lies between code that does. An agent runs for a while under callgrind; what it
//! ran goes to the front, and all else stays behind that, in the linker's own order.
//!
//! Names are written without what differs from build to build. A function that is not among them, as
//! it was written later, is where it was; only memory is lost by that, and `packaging/order` finds it.

#![allow(
    clippy::unwrap_used,
    reason = "it is run by hand, and fails loudly at the place where it fails"
)]

use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::fs::symlink;
use std::process::ExitCode;
use tempfile::TempDir;
use venus_tests::cable::Cable;
use venus_tests::callgrind::Counted;
use venus_tests::program;
use venus_tests::server::Server;
use venus_tests::{fixture, port};

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
    let Some((always, sometimes)) = ordinary_day() else {
        return ExitCode::FAILURE;
    };
    fs::write(file, script(&always, &sometimes)).unwrap();
    ExitCode::SUCCESS
}

/// The functions that each agent runs, and those that it runs when somebody wants something of it or
/// its broker was away; without those of other objects.
fn ordinary_day() -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let (vhost, mut server) = Server::alone()?;
    let cable = Cable::to(vhost.port);
    let mut rabbitmq = vhost.settings();
    rabbitmq["port"] = json!(cable.port);
    let [socket, http] = port::free();
    let sys = sys();
    let (command, dir) = program::agent(&json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["physical", "infiniband"],
            "socket": {"port": socket}, "http_socket": {"port": http},
        },
        "rabbitmq": rabbitmq,
        "checks": {
            "command": {"command": "echo :::name:::", "standalone": true, "interval": 1},
            "measured": {"extension": "metrics-memory", "standalone": true, "interval": 1},
        },
        "venus": {"builtin_checks": true, "interval": 1, "sys_path": sys.path()},
    }));
    let mut agent = Counted::start(&command, dir)?;
    for _ in 0..KEEPALIVES {
        server.keepalive();
    }
    server.result_of("measured");
    let always = functions(&agent.dump());

    for check in [
        json!({"name": "asked", "command": "echo asked"}),
        json!({"name": "asked", "extension": "metrics-uptime"}),
    ] {
        server.request("physical", &check);
        server.result_of("asked");
    }
    let result = r#"{"name": "handed-in", "output": "by somebody"}"#;
    assert_eq!(say(socket, result), "ok");
    server.result_of("handed-in");
    let length = result.len();
    let head = format!(
        "POST /results HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}"
    );
    let answer = say(http, &format!("{head}\r\n\r\n{result}"));
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    server.result_of("handed-in");
    for path in ["/", "/api/node", "/metrics", "/info"] {
        say(
            http,
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
    }
    cable.cut();
    agent.running.stdout_line(LOST);
    cable.mend();
    agent.running.stdout_line(BACK);
    server.keepalive();
    server.result_of("command");
    let mut sometimes = functions(&agent.dump());
    drop(agent);

    let (mut command, dir) = program::agent(&json!({
        "client": {"name": "two", "address": "192.0.2.2", "subscriptions": ["physical"]},
    }));
    command.env("RABBITMQ_URL", vhost.uri());
    let mut agent = Counted::start(&command, dir)?;
    while server.keepalive()["payload"]["name"] != "two" {}
    sometimes.append(&mut functions(&agent.dump()));
    Some((always, sometimes))
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

/// Says something to a port, and gives the answer.
fn say(port: u16, message: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The program's own functions in what callgrind wrote, as patterns.
fn functions(dump: &str) -> BTreeSet<String> {
    let mut is_own = false;
    let mut functions = BTreeSet::new();
    for line in dump.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_own = object.ends_with("/venus-agent");
        } else if let Some(name) = line.strip_prefix("fn=")
            && is_own
            && name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        {
            functions.insert(pattern(name));
        }
    }
    functions
}

/// A mangled name as a pattern: without what is of one build only (the hash at the end of a name, or
/// those of crates within one, and numbers of twins), and without what callgrind adds where a function
/// calls itself.
fn pattern(name: &str) -> String {
    let name = name.split('\'').next().unwrap();
    if name.starts_with("_ZN")
        && let Some((path, _hash)) = name.rsplit_once("17h")
    {
        return format!("{path}17h*");
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let name = name.split('.').next().unwrap();
    let mut parts = name.split("Cs");
    let mut pattern = parts.next().unwrap().to_owned();
    for part in parts {
        // Where no hash follows, it is a part of an identifier.
        let rest = part.split_once('_').map_or(part, |(_hash, rest)| rest);
        write!(pattern, "Cs*_{rest}").unwrap();
    }
    pattern.push('*');
    pattern
}

/// What the linker is told: these functions in this order, wherever the compiler has put them (`.text`
/// itself, or its part for what is unlikely).
fn script(always: &BTreeSet<String>, sometimes: &BTreeSet<String>) -> String {
    let mut script = String::from(
        "/* Which functions stand together at the front of a program, so that the others need no memory:\n   \
         first those that every agent runs, then those that it runs now and then. By packaging/order. */\n\
         SECTIONS\n{\n  .text.ordered :\n  {\n",
    );
    for name in always.iter().chain(sometimes.difference(always)) {
        writeln!(script, "    *(.text*.{name})").unwrap();
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    script
}
