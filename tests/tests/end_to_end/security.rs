//! What others on a node may do and see; docs/security.md names these tests.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use venus_tests::part;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
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
