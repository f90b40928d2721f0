//! What others on a node may do and see; docs/security.md names these tests.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use venus_tests::part;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::rabbitmq::PASSWORD;
use venus_tests::server::Server;

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Settings of an agent that is alone, and does nothing by itself.
fn alone(client: &Value) -> Value {
    let closed = json!({"enabled": false});
    let mut settings = json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": closed, "http_socket": closed,
        },
        "venus": {"builtin_checks": false},
    });
    for (key, value) in client.as_object().unwrap() {
        settings["client"][key] = value.clone();
    }
    settings
}

#[test]
fn a_settings_file_with_secrets_that_everybody_can_read_is_said_at_the_start_and_by_doctor() {
    let [http] = port::free();
    let login = json!({"port": http, "user": "admin", "password": "s3cret"});
    let settings = alone(&json!({ "http_socket": login }));
    for (mode, is_said) in [(0o644, true), (0o600, false)] {
        let (mut command, dir) = program::agent(&settings);
        let file = dir.path().join("settings.json");
        // Without secrets, for everybody to read.
        fs::write(
            dir.path().join("plain.json"),
            "{\"client\": {\"rack\": \"r1\"}}",
        )
        .unwrap();
        allow(dir.path(), 0o755);
        allow(&file, mode);
        let doctor = program::run(program::agent_in(dir.path()).arg("doctor"));
        let doctor = String::from_utf8(doctor.stdout).unwrap();
        let mut agent = Running::start(&mut command, Some(dir));
        agent.stderr_line("venus-agent 0.1.0 starts");
        agent.signal(Signal::SIGTERM);
        agent.wait();
        let log = agent.seen();
        let file = file.to_str().unwrap();
        for text in [&log, &doctor] {
            let lines = text.lines().filter(|line| line.contains("can read"));
            let lines: Vec<_> = lines.collect();
            assert_eq!(lines.len(), usize::from(is_said), "{text}");
            let todo = format!("chmod 640 {file}");
            assert!(lines.iter().all(|line| line.contains(&todo)), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

/// What is answered to a message over a Unix socket.
fn send(path: &Path, message: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The same of another user, with the group of the same number and no other; what went wrong if
/// there is no answer.
fn send_as(user: u32, path: &Path, message: &str) -> String {
    const CLIENT: &str = "import socket, sys
stream = socket.socket(socket.AF_UNIX)
try:
    stream.connect(sys.argv[1])
    stream.sendall(sys.argv[2].encode())
except OSError as error:
    print(error.strerror, end='')
try:
    print(stream.recv(100).decode(), end='')
except OSError:
    pass
";
    let mut client = Command::new("/usr/bin/python3");
    client.args(["-c", CLIENT]).arg(path).arg(message);
    let answer = client.uid(user).gid(user).stderr(Stdio::inherit()).output();
    String::from_utf8(answer.unwrap().stdout).unwrap()
}

const RESULT: &str = "{\"name\": \"fromsock\", \"output\": \"hi\", \"status\": 1}";
/// Users that nobody is.
const FRIEND: u32 = 61_001;
const STRANGER: u32 = 61_002;

#[test]
fn g_a_unix_socket_takes_what_tcp_does_and_tells_who_is_there() {
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    if part::find("python3", &["/usr/bin/python3"]).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    allow(dir.path(), 0o755);
    // The folder is the agent's to make.
    let path = dir.path().join("venus/agent.sock");
    let start = |more: Value| {
        let mut settings = alone(&json!({ "unix_socket": { "path": path } }));
        for (key, value) in more.as_object().unwrap() {
            settings["client"]["unix_socket"][key] = value.clone();
        }
        settings["rabbitmq"] = vhost.settings();
        Running::agent(&settings)
    };
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let mut agent = start(json!({"max_size": 1000}));
    server.keepalive();
    assert_eq!(mode(), 0o660);
    assert_eq!(send(&path, "ping"), "pong");
    assert_eq!(send(&path, RESULT), "ok");
    assert_eq!(server.result()["payload"]["check"]["name"], "fromsock");
    assert_eq!(
        send(&path, "{\"name\": \"a b\", \"output\": \"\"}"),
        "invalid"
    );
    assert_eq!(send(&path, &" ".repeat(1001)), "invalid");
    // The file alone keeps strangers out, who could not say who they are otherwise.
    assert_eq!(send_as(STRANGER, &path, RESULT), "Permission denied");
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait().success());
    assert!(!path.exists());

    let mut agent = start(json!({"users": [FRIEND.to_string()]}));
    server.keepalive();
    assert_eq!(mode(), 0o666);
    assert_eq!(send(&path, "ping"), "pong");
    assert_eq!(send_as(FRIEND, &path, RESULT), "ok");
    assert_eq!(server.result()["payload"]["check"]["name"], "fromsock");
    let answer = send_as(STRANGER, &path, RESULT);
    assert_ne!(answer, "ok");
    let line: Value = serde_json::from_str(&agent.stdout_line("was sent away")).unwrap();
    assert_eq!(line["uid"], STRANGER);
    agent.signal(Signal::SIGTERM);
    agent.wait();

    let mut agent = start(json!({"groups": [FRIEND.to_string()]}));
    server.keepalive();
    assert_eq!(send_as(FRIEND, &path, "ping"), "pong");
    let answer = send_as(STRANGER, &path, RESULT);
    assert_ne!(answer, "ok");
    // Nothing of a stranger's has come through.
    assert_eq!(send(&path, "{\"name\": \"last\", \"output\": \"\"}"), "ok");
    assert_eq!(server.result()["payload"]["check"]["name"], "last");
    agent.signal(Signal::SIGTERM);
    agent.wait();
}

#[test]
fn g_the_socket_of_a_dead_agent_is_replaced_and_never_that_of_a_live_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let settings = alone(&json!({ "unix_socket": { "path": path } }));
    let answers = || path.exists() && send(&path, "ping") == "pong";
    let mut dead = Running::agent(&settings);
    wait_until(answers);
    dead.signal(Signal::SIGKILL);
    dead.wait();
    assert!(path.exists());
    let _live = Running::agent(&settings);
    wait_until(|| UnixStream::connect(&path).is_ok());
    let mut second = Running::agent(&settings);
    let line = second.stderr_line("local socket not opened");
    assert!(line.contains("another process listens there"), "{line}");
    second.signal(Signal::SIGTERM);
    second.wait();
    assert_eq!(send(&path, "ping"), "pong");
    // What is nobody's agent is left alone, too.
    let other = dir.path().join("other.sock");
    let _listener = UnixListener::bind(&other).unwrap();
    let mut third = Running::agent(&alone(&json!({ "unix_socket": { "path": other } })));
    third.stderr_line("another process listens there");
    let doctor = program::agent(&settings);
    let doctor = program::run({ doctor }.0.arg("doctor"));
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    let line = format!("ok    {} is taken, by a Sensu client", path.display());
    assert!(doctor.contains(&line), "{doctor}");
}

#[test]
fn g_sockets_that_are_turned_off_are_closed() {
    let [tcp, http] = port::free();
    let settings = |enabled: bool| {
        alone(&json!({
            "socket": {"port": tcp, "enabled": enabled},
            "http_socket": {"port": http, "enabled": enabled},
        }))
    };
    let free = || {
        [tcp, http].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
            == [true, true]
            && UdpSocket::bind((Ipv4Addr::LOCALHOST, tcp)).is_ok()
    };
    let (mut command, dir) = program::agent(&settings(true));
    let file = dir.path().join("settings.json");
    let mut agent = Running::start(&mut command, Some(dir));
    agent.stderr_line("venus-agent 0.1.0 starts");
    wait_until(|| !free());
    fs::write(&file, settings(false).to_string()).unwrap();
    agent.signal(Signal::SIGHUP);
    agent.stderr_line("settings reloaded");
    wait_until(free);
    let mut closed = Running::agent(&settings(false));
    closed.stderr_line("Ctrl-C stops");
    assert!(free());
    // The kernel knows of no socket of its own that listens.
    let (own, listening) = (format!("/proc/{}/fd", closed.pid()), "/proc/net/tcp");
    let inodes = fs::read_dir(own).unwrap();
    let inodes = inodes.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let inodes: Vec<_> = inodes.map(|link| link.display().to_string()).collect();
    let table = fs::read_to_string(listening).unwrap();
    for line in table.lines().filter(|line| line.contains(" 0A ")) {
        let inode = line.split_whitespace().nth(9).unwrap();
        assert!(!inodes.contains(&format!("socket:[{inode}]")), "{line}");
    }
}

/// What is answered to a message over TCP.
fn send_tcp(port: u16, message: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A figure of `GET /metrics`.
fn figure(port: u16, name: &str) -> u64 {
    let page = send_tcp(port, "GET /metrics HTTP/1.0\r\n\r\n");
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {page}"))
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn g_a_flood_from_a_neighbour_leaves_room_for_the_results_of_others() {
    let [tcp, http, broker] = port::free();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let mut settings = alone(&json!({
        "socket": {"port": tcp}, "http_socket": {"port": http}, "unix_socket": {"path": path},
    }));
    settings["rabbitmq"] = json!({"host": "127.0.0.1", "port": broker});
    settings["venus"]["spool"] = json!({"bytes": 1 << 20});
    let mut agent = Running::agent(&settings);
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok());
    // What would be the first to go, were there no room.
    let metric = json!({"name": "mine", "type": "metric", "output": "a 1 1"}).to_string();
    assert_eq!(send(&path, &metric), "ok");
    // Checks by the thousand, each of which fails: nothing is kept longer.
    let output = "x".repeat(1000);
    let flood = |round: usize| {
        let result = |number| json!({"name": format!("bad-{round}-{number}"), "output": output, "status": 2});
        json!((0..50).map(result).collect::<Vec<_>>()).to_string()
    };
    let answers: Vec<_> = (0..40).map(|round| send_tcp(tcp, &flood(round))).collect();
    assert_eq!(answers[0], "ok");
    assert_eq!(answers[39], "no room: too much waits");
    let body = flood(40);
    let request = format!(
        "POST /results HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(send_tcp(http, &request).contains(" 503 "));
    let line: Value = serde_json::from_str(&agent.stdout_line("no room for results")).unwrap();
    assert_eq!(
        (&line["level"], &line["full"]),
        (&json!("warn"), &json!("spool"))
    );
    // Those who are named have a share of their own, and nothing was given up for the flood.
    assert_eq!(send(&path, &metric), "ok");
    for class in ["metric", "ok", "state"] {
        let name = format!("venus_results_dropped_total{{class=\"{class}\"}}");
        assert_eq!(figure(http, &name), 0, "{class}");
    }
    assert!(figure(http, "venus_spool_bytes ") <= (1 << 20) / 2 + (64 << 10));
}

#[test]
fn g_a_result_that_is_huge_in_memory_pushes_nothing_out() {
    let [tcp, http, broker] = port::free();
    let mut settings = alone(&json!({"socket": {"port": tcp}, "http_socket": {"port": http}}));
    settings["rabbitmq"] = json!({"host": "127.0.0.1", "port": broker});
    settings["venus"]["spool"] = json!(false);
    let _agent = Running::agent(&settings);
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok());
    assert_eq!(send_tcp(tcp, RESULT), "ok");
    let zeros = vec![0; 400_000];
    let huge = json!({"name": "huge", "output": "", "zeros": zeros}).to_string();
    assert_eq!(send_tcp(tcp, &huge), "no room: too much waits");
    assert_eq!(figure(http, "venus_results_in_memory "), 1);
    assert_eq!(
        figure(http, "venus_results_dropped_total{class=\"state\"}"),
        0
    );
}

#[test]
fn g_results_that_come_too_fast_wait_over_tcp_and_are_dropped_over_udp() {
    let [tcp, http] = port::free();
    let settings = alone(&json!({
        "socket": {"port": tcp, "max_rate": 10}, "http_socket": {"port": http},
    }));
    let mut agent = Running::agent(&settings);
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok());
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = || figure(http, "venus_results_taken_total ");
    // What is saved up, 20 s of it, in one message, and then another.
    let many = |count: usize| {
        let result: Value = serde_json::from_str(RESULT).unwrap();
        json!(vec![result; count]).to_string()
    };
    let send = |count| {
        let to = (Ipv4Addr::LOCALHOST, tcp);
        datagrams.send_to(many(count).as_bytes(), to).unwrap();
    };
    send(205);
    wait_until(|| taken() == 205);
    send(100);
    agent.stderr_line("results come too fast and are dropped");
    // Over TCP one is taken, later: by then its turn has come.
    assert_eq!(send_tcp(tcp, RESULT), "ok");
    assert_eq!(taken(), 206);
}

#[test]
fn no_secret_of_the_settings_is_in_any_output() {
    const SECRET: &str = "hunter2";
    let Some((vhost, mut server)) = Server::alone() else {
        return;
    };
    let [http] = port::free();
    let deep = |key: &str| json!({"a": [[{key: {"b": SECRET}}], {"c": {key: SECRET}}]});
    let keys = [
        "password",
        "api_key",
        "secret",
        "routing_key",
        "community",
        "webhook_url",
    ];
    let db = json!({"password": SECRET});
    let mut client = json!({
        "http_socket": {"port": http, "user": "admin", "password": SECRET}, "db": db,
    });
    for key in keys {
        client[format!("with_{key}_")] = deep(key);
    }
    let mut settings = alone(&client);
    settings["rabbitmq"] = vhost.settings();
    settings["slack"] = json!({"token": SECRET, "deep": deep("token")});
    settings["handlers"] = json!({
        "x": {"type": "pipe", "command": format!("handler --token {SECRET} --api-key={SECRET}")},
    });
    let uses = "test -n ':::db.password:::' && exit 1";
    settings["checks"] = json!({
        "uses": {
            "command": uses, "subscribers": ["all"], "interval": 60,
            "hooks": {"1": {"command": ["test", "-n", ":::db.password:::"]}},
        },
        "missing": {
            "command": ["no-such-program", ":::db.password:::"], "subscribers": [], "interval": 60,
        },
    });
    let mut shown = Vec::new();
    let ask = |settings: &Value, arguments: &[&str]| {
        let (mut command, _dir) = program::agent(settings);
        let output = program::run(command.args(arguments));
        let text = [output.stdout, output.stderr].concat();
        format!("{arguments:?}: {}", String::from_utf8(text).unwrap())
    };
    for arguments in [
        &["-P"][..],
        &["doctor"],
        &["doctor", "--json"],
        &["--validate_config"],
    ] {
        shown.push(ask(&settings, arguments));
    }
    let mut wrong = settings.clone();
    wrong["client"]["subscriptions"] = json!(5);
    wrong["checks"]["uses"]["command"] = json!(["check", "--token", SECRET, 5]);
    wrong["rabbitmq"] = json!([{"port": 0, "password": SECRET}, format!("http://u:{SECRET}@h")]);
    for arguments in [&["doctor"][..], &["--validate_config"], &[]] {
        shown.push(ask(&wrong, arguments));
    }

    let (mut command, dir) = program::agent(&settings);
    let mut agent = Running::start(command.args(["-L", "debug"]), Some(dir));
    shown.push(server.keepalive().to_string());
    for name in ["uses", "missing"] {
        server.request("all", &json!({"name": name}));
        let result = server.result_of(name);
        let check = &result["payload"]["check"];
        assert_eq!(check["status"], if name == "uses" { 1 } else { 3 });
        shown.push(result.to_string());
    }
    // Requests that are logged: one that is cut off, and one that is whole and wrong.
    let cut = json!({"name": "cut", "password": SECRET}).to_string();
    server.publish("all", &cut.as_bytes()[..cut.len() - 2]);
    server.request(
        "all",
        &json!({"name": "wrong", "command": ["a", 5], "token": SECRET}),
    );
    agent.stdout_line("check command must be");
    let get = |path: &str| {
        send_tcp(
            http,
            &format!("GET {path} HTTP/1.0\r\nAuthorization: Basic YWRtaW46aHVudGVyMg==\r\n\r\n"),
        )
    };
    for path in ["/settings", "/info", "/metrics"] {
        shown.push(get(path));
    }
    assert!(get("/settings?redacted=false").contains(SECRET));
    agent.signal(Signal::SIGTERM);
    agent.wait();
    shown.push(agent.seen());
    for text in shown {
        let lines = text.lines().filter(|line| line.contains(SECRET));
        assert_eq!(lines.collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(!text.contains(PASSWORD), "{text}");
    }
}
