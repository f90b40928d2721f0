//! Results that others on this node hand in.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use venus_tests::fixture;
use venus_tests::program::Running;
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// A client with these `client.socket` settings, on a port that was free.
fn client(vhost: &Vhost, server: &mut Server, socket: &Value) -> (Running, u16) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut settings = json!({
        "client": {
            "name": "venus001", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": socket,
        },
        "rabbitmq": vhost.settings(),
    });
    settings["client"]["socket"]["port"] = json!(port);
    let agent = Running::agent(&settings);
    server.keepalive();
    (agent, port)
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
}

/// What is answered to these pieces, before the connection is closed.
fn send(port: u16, pieces: &[&[u8]]) -> String {
    let mut stream = connect(port);
    for piece in pieces {
        stream.write_all(piece).unwrap();
    }
    answer(stream)
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn g_a_result_over_tcp_or_udp_is_published_as_sensu_does() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let (_agent, port) = client(&vhost, &mut server, &json!({}));
    assert_eq!(send(port, &[b"ping"]), "pong");
    let captured = fixture::json("wire/result-fromsock.json");
    let result = br#"{"name": "fromsock", "output": "hi", "status": 1}"#;
    let check_published = |server: &mut Server| {
        let mut result = server.result();
        let check = &mut result["payload"]["check"];
        for key in ["executed", "issued"] {
            assert!(check[key].as_u64() > captured["payload"]["check"][key].as_u64());
            check[key] = captured["payload"]["check"][key].clone();
        }
        assert_eq!(result.to_string(), captured.to_string());
    };
    assert_eq!(send(port, &[result]), "ok");
    check_published(&mut server);
    let (first, second) = result.split_at(20);
    assert_eq!(send(port, &[first, second, b"\n"]), "ok");
    check_published(&mut server);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.send_to(result, (Ipv4Addr::LOCALHOST, port)).unwrap();
    check_published(&mut server);
}

#[test]
fn g_what_is_no_result_is_invalid_and_logged() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let limits = json!({"max_size": 1000, "max_connections": 2});
    let (mut agent, port) = client(&vhost, &mut server, &limits);
    let deep = [b'['; 900];
    let large = [b' '; 1001];
    for (message, says) in [
        (&b"{\"name\": \"half\""[..], "the message breaks off"),
        (b"", "the message breaks off"),
        (b"\xff\xfe}", "expected value"),
        (
            b"{\"name\": \"a b\", \"output\": \"\"}",
            "check name cannot contain",
        ),
        (&deep, "recursion limit exceeded"),
        (&large, "the message is too large"),
    ] {
        assert_eq!(send(port, &[message]), "invalid");
        let line: Value = serde_json::from_str(&agent.stdout_line(says)).unwrap();
        assert_eq!(line["level"], "warn");
    }
    // The good ones before the first bad one count.
    let array =
        br#"[{"name": "good", "output": ""}, {"name": "bad"}, {"name": "late", "output": ""}]"#;
    assert_eq!(send(port, &[array]), "invalid");
    assert_eq!(server.result()["payload"]["check"]["name"], "good");
    // Whoever sends nothing holds his place for half a second, and nobody else's.
    let idle: Vec<_> = (0..20).map(|_| connect(port)).collect();
    assert_eq!(send(port, &[b"ping"]), "pong");
    for stream in idle {
        assert_eq!(answer(stream), "invalid");
    }
    let gone = connect(port);
    gone.shutdown(Shutdown::Both).unwrap();
    assert_eq!(
        send(port, &[b"[{\"name\": \"last\", \"output\": \"\"}]"]),
        "ok"
    );
    assert_eq!(server.result()["payload"]["check"]["name"], "last");
}

#[test]
fn g_a_port_that_is_taken_is_said_and_done_without() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let (_one, port) = client(&vhost, &mut server, &json!({}));
    let settings = json!({
        "client": {
            "name": "two", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": {"port": port},
        },
        "rabbitmq": vhost.settings(),
    });
    let mut two = Running::agent(&settings);
    let line = two.stdout_line("local socket not opened");
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert_eq!(server.keepalive()["payload"]["name"], "two");
}
