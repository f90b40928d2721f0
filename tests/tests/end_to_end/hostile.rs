//! What a node's neighbours and its checks may do to the agent.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::Command;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// An agent with its sockets on these ports, connected.
fn client(vhost: &Vhost, server: &mut Server, [tcp, http]: [u16; 2]) -> Running {
    let agent = Running::agent(&json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": {"port": tcp}, "http_socket": {"port": http},
        },
        "rabbitmq": vhost.settings(),
        "venus": {"max_output": 1000},
    }));
    server.keepalive();
    agent
}

/// Resident memory in kB.
fn memory(agent: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let figure = line.unwrap().split_whitespace().nth(1).unwrap();
    figure.parse().unwrap()
}

/// Sends a message and gives the answer.
fn send(port: u16, message: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // An answer may come, and the connection end, before all of it is taken.
    stream.write_all(message).unwrap_or_default();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

/// Still there, and its sockets too.
fn assert_well(server: &mut Server, port: u16) {
    assert_eq!(send(port, b"{\"name\": \"well\", \"output\": \"\"}"), "ok");
    server.result_of("well");
}

#[test]
fn g_a_flood_costs_the_agent_no_memory_and_its_neighbours_no_service() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let ports = port::free();
    let agent = client(&vhost, &mut server, ports);
    let before = memory(&agent);
    // A gigabyte of nothing: refused at its first megabyte.
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
    let zeros = vec![b' '; 1 << 20];
    let taken = (0..1024).take_while(|_| stream.write_all(&zeros).is_ok());
    assert!(taken.count() < 100);
    // The same over HTTP, which says how much is to come.
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, ports[1])).unwrap();
    let head = "POST /results HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 1073741824\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let taken = (0..1024).take_while(|_| stream.write_all(&zeros).is_ok());
    assert!(taken.count() < 100);
    // A head that does not end.
    let endless = format!("GET /info HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    assert!(!send(ports[1], endless.as_bytes()).contains("200 OK"));
    // The largest datagram, and binary ones.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for datagram in [vec![b'{'; 65_507], vec![0; 1000], vec![0xff; 1]] {
        socket
            .send_to(&datagram, (Ipv4Addr::LOCALHOST, ports[0]))
            .unwrap();
    }
    let deep = "[".repeat(100_000);
    assert_eq!(send(ports[0], deep.as_bytes()), "invalid");
    let deep = format!("{{\"name\": \"x\", \"output\": \"\", \"a\": {deep}]}}");
    assert_eq!(send(ports[0], deep.as_bytes()), "invalid");
    assert_well(&mut server, ports[0]);
    let after = memory(&agent);
    assert!(after < before + 16 * 1024, "{before} kB, then {after} kB");
}

#[test]
fn g_ten_thousand_connections_wait_their_turn() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let ports = port::free();
    let mut agent = client(&vhost, &mut server, ports);
    let before = memory(&agent);
    let connect = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    for port in ports {
        // More than are answered at a time, none of which says a word.
        let idle: Vec<TcpStream> = (0..100).map(|_| connect(port)).collect();
        for _ in 0..5000 {
            drop(connect(port));
        }
        drop(idle);
    }
    assert_well(&mut server, ports[0]);
    let after = memory(&agent);
    assert!(after < before + 16 * 1024, "{before} kB, then {after} kB");
    let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    assert!(descriptors.count() < 200);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn g_a_neighbour_cannot_fill_the_log() {
    const BAD: usize = 5000;
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let ports = port::free();
    let mut agent = client(&vhost, &mut server, ports);
    for _ in 0..BAD {
        TcpStream::connect((Ipv4Addr::LOCALHOST, ports[0]))
            .unwrap()
            .write_all(b"}")
            .unwrap();
    }
    assert_well(&mut server, ports[0]);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    let log = agent.seen();
    let lines = log.matches("local socket").count();
    assert!((1..BAD / 4).contains(&lines), "{lines}");
}

#[test]
fn g_the_last_of_two_equal_keys_counts_as_in_ruby() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let ports = port::free();
    let _agent = client(&vhost, &mut server, ports);
    let twice = b"{\"name\": \"x\", \"output\": \"first\", \"output\": \"last\"}";
    assert_eq!(send(ports[0], twice), "ok");
    assert_eq!(server.result()["payload"]["check"]["output"], "last");
}

#[test]
fn f5_commands_that_misbehave_have_a_result_and_leave_nothing() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let agent = client(&vhost, &mut server, port::free());
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let orphan = format!(
        "(setsid sleep 1000 & echo $! > {}) ; echo left",
        pid_file.display()
    );
    let cut = |bytes: u64| {
        format!(
            "{}\n[{bytes} more bytes of output were cut]\n",
            "\0".repeat(1000)
        )
    };
    for (command, timeout, output, status) in [
        // A gigabyte, most of which nobody keeps.
        ("head -c 1G /dev/zero", 60.0, cut((1 << 30) - 1000), 0),
        ("sleep 1000", 0.2, "Execution timed out".to_owned(), 2),
        (
            "trap '' TERM; while :; do sleep 1; done",
            0.2,
            "Execution timed out".to_owned(),
            2,
        ),
        ("printf 'a\\377\\376b'", 60.0, "ab".to_owned(), 0),
        ("kill -SEGV $$", 60.0, String::new(), 11),
        ("/etc/passwd 2>/dev/null", 60.0, String::new(), 126),
        ("/nonexistent 2>/dev/null", 60.0, String::new(), 127),
        ("exit 300", 60.0, String::new(), 44),
        ("exec >&- 2>&-; sleep 0.1; exit 1", 60.0, String::new(), 1),
        (orphan.as_str(), 60.0, "left\n".to_owned(), 0),
    ] {
        let request = json!({"name": "bad", "command": command, "timeout": timeout});
        server.request("all", &request);
        let result = server.result();
        let check = &result["payload"]["check"];
        let seen = (check["output"].as_str().unwrap(), check["status"].as_i64());
        assert_eq!(seen, (output.as_str(), Some(status)), "{command}");
    }
    let memory = memory(&agent);
    assert!(memory < 64 * 1024, "{memory} kB");

    // What a check leaves behind is the agent's to reap.
    let left: i32 = fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let stat = || fs::read_to_string(format!("/proc/{left}/stat"));
    let parent = stat().unwrap();
    let parent = parent
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap();
    assert_eq!(parent, agent.pid().to_string());
    kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    wait_until(|| stat().is_err());
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    wait_until(|| fs::read_to_string(&children).unwrap().is_empty());
}

#[test]
fn f5_a_check_inherits_nothing() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let settings = json!({
        "client": {"name": "one", "address": "192.0.2.1", "subscriptions": ["all"]},
        "rabbitmq": vhost.settings(),
    });
    let (agent, dir) = program::agent(&settings);
    // Started by somebody who has left a file open.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec 9</dev/null; exec \"$@\"", "sh"])
        .arg(agent.get_program())
        .args(agent.get_args());
    let _agent = Running::start(&mut shell, Some(dir));
    server.keepalive();
    // Standard input, output, error, and what ls itself opens.
    let request = json!({"name": "open", "command": "ls /proc/self/fd"});
    server.request("all", &request);
    let result: Value = server.result();
    assert_eq!(result["payload"]["check"]["output"], "0\n1\n2\n3\n");
}
