//! Results that others on this node hand in.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use venus_tests::fixture;
use venus_tests::port;
use venus_tests::program::{Running, wait_until};
use venus_tests::rabbitmq::Vhost;
use venus_tests::server::Server;

/// A client with this socket (`socket` or `http_socket`) on a port of its own.
fn client(vhost: &Vhost, server: &mut Server, kind: &str, socket: &Value) -> (Running, u16) {
    let [port] = port::free();
    let mut settings = json!({
        "client": {
            "name": "venus001", "address": "192.0.2.1", "subscriptions": ["all"],
            kind: socket,
        },
        "rabbitmq": vhost.settings(),
    });
    settings["client"][kind]["port"] = json!(port);
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
    let (_agent, port) = client(&vhost, &mut server, "socket", &json!({}));
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

/// The answer to an HTTP request: its status, its head, and its JSON.
fn http(port: u16, request: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let length = body.len();
    let message = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    let answer = send(port, &[message.as_bytes()]);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    (status, head, serde_json::from_str(body).unwrap())
}

const JSON: &str = "Content-Type: application/json\r\n";
/// `admin:s3cret`
const ADMIN: &str = "Authorization: Basic YWRtaW46czNjcmV0\r\n";
/// `admin:wrong`
const STRANGER: &str = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";

#[test]
fn g_http_answers_as_sensu_does() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let socket = json!({"user": "admin", "password": "s3cret", "max_size": 1000});
    let (mut agent, port) = client(&vhost, &mut server, "http_socket", &socket);
    let get = |path: &str, headers: &str| http(port, &format!("GET {path}"), headers, "");

    let (status, _, mut info) = get("/info", "");
    assert_eq!(status, 200);
    // Beside what Sensu's has.
    let ours = info.as_object_mut().unwrap().remove("venus").unwrap();
    assert_eq!(ours["waiting"]["spool"]["results"], 0);
    let waiting = json!({"messages": 0, "consumers": 1});
    let expected = json!({
        "sensu": {"version": "1.9.0"},
        "transport": {
            "name": "rabbitmq", "connected": true, "keepalives": waiting, "results": waiting,
        },
    });
    assert_eq!(info.to_string(), expected.to_string());

    let captured = fixture::json("wire/result-fromhttp.json");
    let mut sent = captured["payload"]["check"].clone();
    for added in ["executed", "issued"] {
        sent.as_object_mut().unwrap().shift_remove(added);
    }
    let (status, _, answer) = http(port, "POST /results", JSON, &sent.to_string());
    assert_eq!((status, answer), (202, json!({"response": "ok"})));
    let result = server.result();
    for key in ["name", "output", "status", "handlers"] {
        assert_eq!(
            result["payload"]["check"][key],
            captured["payload"]["check"][key]
        );
    }

    let result_answer = |headers: &str, body: &str| {
        let (status, _, answer) = http(port, "POST /results", headers, body);
        (status, answer["response"].as_str().unwrap().to_owned())
    };
    let unreadable = (400, "Failed to parse JSON body".to_owned());
    for body in [
        "{\"name\": ",
        "5",
        "",
        "{\"name\": \"a b\", \"output\": \"\"}",
    ] {
        assert_eq!(result_answer(JSON, body), unreadable, "{body}");
    }
    assert_eq!(result_answer(JSON, &"x".repeat(1001)).0, 413);
    let (status, says) = result_answer("Content-Type: text/plain\r\n", "{}");
    assert_eq!((status, says.as_str()), (415, "Invalid content type"));

    for (headers, expected) in [("", 401), (STRANGER, 401), (ADMIN, 200)] {
        let (status, head, settings) = get("/settings", headers);
        assert_eq!(status, expected);
        if status == 401 {
            assert!(head.contains("www-authenticate: basic realm="), "{head}");
        } else {
            assert_eq!(settings["client"]["http_socket"]["password"], "REDACTED");
        }
    }
    let (_, _, settings) = get("/settings?redacted=false", ADMIN);
    assert_eq!(settings["client"]["http_socket"]["password"], "s3cret");

    assert_eq!(get("/brew", "").0, 418);
    let (status, _, answer) = http(port, "DELETE /results", "", "");
    let valid = json!({"response": "Valid methods for this endpoint: [\"POST\"]"});
    assert_eq!((status, answer), (405, valid));
    let (status, _, answer) = get("/else", "");
    assert_eq!(status, 404);
    let endpoints = answer["endpoints"].as_object().unwrap();
    let paths: Vec<_> = endpoints.keys().map(String::as_str).collect();
    let (theirs, of_the_page) = paths.split_at(5);
    assert_eq!(
        theirs,
        ["/info", "/metrics", "/results", "/settings", "/brew"]
    );
    let page = ["/", "/api/node", "/events", "/page.js"];
    assert_eq!(of_the_page, page);
    assert_eq!(endpoints["/results"]["methods"], json!(["POST"]));
    assert!(endpoints["/results"]["help"].is_string());

    // Asking while no server is there costs nobody anything.
    drop(server);
    wait_until(|| get("/info", "").2["transport"]["results"]["consumers"] == 0);
    let _server = Server::connect(&vhost);
    assert_eq!(get("/info", "").2["transport"]["results"]["consumers"], 1);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success());
    let log = agent.seen();
    assert!(
        !log.contains("s3cret") && !log.contains("czNjcmV0"),
        "{log}"
    );
    assert!(!log.contains("not connected"), "{log}");
}

#[test]
fn g_http_can_be_protected_and_is_not_shown_to_anybody_without_a_user() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let socket = json!({"user": "admin", "password": "s3cret", "protect_all_endpoints": true});
    let (_protected, port) = client(&vhost, &mut server, "http_socket", &socket);
    for request in ["GET /info", "POST /results", "GET /brew", "GET /else"] {
        assert_eq!(http(port, request, STRANGER, "").0, 401, "{request}");
    }
    assert_eq!(http(port, "GET /info", ADMIN, "").0, 200);
    let (_open, port) = client(&vhost, &mut server, "http_socket", &json!({}));
    for headers in ["", ADMIN, "Authorization: Basic Og==\r\n"] {
        assert_eq!(http(port, "GET /settings", headers, "").0, 401);
    }
    assert_eq!(http(port, "GET /info", "", "").0, 200);
}

#[test]
fn g_who_says_that_his_http_request_is_all_hears_the_answer() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let (_agent, port) = client(&vhost, &mut server, "http_socket", &json!({}));
    let body = json!({"name": "all", "output": ""}).to_string();
    let mut stream = connect(port);
    let head = format!(
        "POST /results HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{JSON}\r\n{body}").as_bytes())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = answer(stream);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer:?}");
    server.result_of("all");
}

#[test]
fn g_http_says_when_the_broker_is_away() {
    let [port, broker] = port::free();
    let _agent = Running::agent(&json!({
        "client": {
            "name": "venus001", "address": "192.0.2.1", "subscriptions": ["all"],
            "http_socket": {"port": port},
        },
        "rabbitmq": {"host": "127.0.0.1", "port": broker},
    }));
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let (status, _, info) = http(port, "GET /info", "", "");
    let unknown = json!({"messages": null, "consumers": null});
    let transport = json!({
        "name": "rabbitmq", "connected": false, "keepalives": unknown, "results": unknown,
    });
    assert_eq!((status, &info["transport"]), (200, &transport));
    let body = json!({"name": "kept", "output": "until it is back"}).to_string();
    assert_eq!(http(port, "POST /results", JSON, &body).0, 202);
}

#[test]
fn g_what_is_no_result_is_invalid_and_logged() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let limits = json!({"max_size": 1000, "max_connections": 2});
    let (mut agent, port) = client(&vhost, &mut server, "socket", &limits);
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
    let (_one, port) = client(&vhost, &mut server, "socket", &json!({}));
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
