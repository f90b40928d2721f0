//! What the agent tells systemd. A socket of the test's own is in its place, as the one that has
//! booted a machine does not show what it was told; on booted machines are the tests of the packages.

use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use venus_tests::program::{self, Running};
use venus_tests::{DEADLINE, port};

/// How long it would wait for a sign of life.
const PATIENCE: Duration = Duration::from_millis(400);

struct Systemd {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Systemd {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, dir }
    }

    /// Starts an agent with the settings below a folder.
    fn start(&self, settings: &Path) -> Running {
        let mut command = program::agent_in(settings);
        command
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
            .env("WATCHDOG_USEC", PATIENCE.as_micros().to_string());
        Running::start(&mut command, None)
    }

    /// The next thing that it is told.
    fn hear(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next thing that is no sign of life.
    fn hear_news(&self) -> String {
        loop {
            let told = self.hear();
            if told != "WATCHDOG=1\n" {
                return told;
            }
        }
    }
}

fn settings(dir: &Path, http: u16, interval: u64) {
    let seen = dir.join("environment.txt");
    let settings = json!({
        "client": {"name": "one", "address": "192.0.2.1", "subscriptions": [],
            "socket": {"enabled": false}, "http_socket": {"port": http}},
        "checks": {"look": {"command": format!("env > {}", seen.display()),
            "standalone": true, "interval": interval}},
    });
    fs::write(dir.join("settings.json"), settings.to_string()).unwrap();
}

#[test]
fn systemd_hears_when_it_is_ready_that_it_works_on_and_that_it_stops() {
    let (systemd, dir) = (Systemd::new(), tempfile::tempdir().unwrap());
    let [http] = port::free();
    // Rarely a check: it is to be heard all the same.
    settings(dir.path(), http, 3600);
    let mut agent = systemd.start(dir.path());
    assert_eq!(systemd.hear(), "READY=1\n");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, http)).is_ok());
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(systemd.hear(), "WATCHDOG=1\n");
    }
    // The first comes at once.
    assert!(begun.elapsed() >= PATIENCE, "{:?}", begun.elapsed());

    settings(dir.path(), http, 1800);
    agent.signal(Signal::SIGHUP);
    let reloading = systemd.hear_news();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(systemd.hear_news(), "READY=1\n");
    // Settings that are wrong are no reason to wait for ever.
    fs::write(dir.path().join("settings.json"), "{").unwrap();
    agent.signal(Signal::SIGHUP);
    assert!(systemd.hear_news().starts_with("RELOADING=1\n"));
    assert_eq!(systemd.hear_news(), "READY=1\n");

    // A client that is to be silent works on.
    agent.signal(Signal::SIGUSR1);
    agent.stderr_line("paused");
    for _ in 0..4 {
        assert_eq!(systemd.hear(), "WATCHDOG=1\n");
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(systemd.hear_news(), "STOPPING=1\n");
    assert!(agent.wait().success());
}

#[test]
fn an_agent_that_hangs_gives_no_sign_of_life() {
    let (systemd, dir) = (Systemd::new(), tempfile::tempdir().unwrap());
    let [http] = port::free();
    settings(dir.path(), http, 3600);
    let agent = systemd.start(dir.path());
    assert_eq!(systemd.hear(), "READY=1\n");
    agent.signal(Signal::SIGSTOP);
    systemd.socket.set_nonblocking(true).unwrap();
    program::wait_until(|| {
        let state = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
        state.contains(") T ")
    });
    while systemd.socket.recv(&mut [0; 64]).is_ok() {}
    systemd.socket.set_nonblocking(false).unwrap();
    systemd.socket.set_read_timeout(Some(2 * PATIENCE)).unwrap();
    assert!(systemd.socket.recv(&mut [0; 64]).is_err(), "it cannot");
    agent.signal(Signal::SIGCONT);
    assert_eq!(systemd.hear(), "WATCHDOG=1\n");
}

#[test]
fn checks_do_not_speak_for_the_agent() {
    let (systemd, dir) = (Systemd::new(), tempfile::tempdir().unwrap());
    let [http] = port::free();
    settings(dir.path(), http, 1);
    let _agent = systemd.start(dir.path());
    let seen = dir.path().join("environment.txt");
    program::wait_until(|| fs::read_to_string(&seen).is_ok_and(|seen| seen.contains("PATH=")));
    let seen = fs::read_to_string(&seen).unwrap();
    for name in ["NOTIFY_SOCKET", "WATCHDOG"] {
        assert!(!seen.contains(name), "{seen}");
    }
}
