//! `venus-top`, in a terminal.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use tempfile::TempDir;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::tmux::Terminal;

const WIDE: (u16, u16) = (110, 30);

/// An agent without a broker, and the folder of its settings.
struct Node {
    agent: Option<Running>,
    port: u16,
    socket: u16,
    dir: TempDir,
}

impl Node {
    fn start() -> Self {
        let [port, socket] = port::free();
        let dir = tempfile::tempdir().unwrap();
        let settings = json!({
            "client": {
                "name": "venus001", "address": "192.0.2.1", "subscriptions": ["physical"],
                "socket": {"port": socket, "max_rate": 2000},
                "http_socket": {"port": port, "user": "u", "password": "hunter2",
                    "protect_all_endpoints": true},
            },
            "checks": {
                "disk": {"command": "printf 'full \\033[31m\\007 up\\n'; exit 2", "standalone": true,
                    "interval": 1},
            },
            "venus": {"interval": 1},
        });
        fs::write(dir.path().join("settings.json"), settings.to_string()).unwrap();
        let mut node = Self {
            agent: None,
            port,
            socket,
            dir,
        };
        node.run();
        node
    }

    fn run(&mut self) {
        let agent = Running::start(&mut program::agent_in(self.dir.path()), None);
        self.agent = Some(agent);
        wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    fn hand_in(&self, results: &Value) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.socket)).unwrap();
        stream.write_all(results.to_string().as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "ok");
    }

    /// The command line that shows it.
    fn top(&self) -> String {
        let (top, dir) = (program::path("venus-top"), self.dir.path());
        format!(
            "{} -i 1 -c {}/.none -d {}",
            top.display(),
            dir.display(),
            dir.display()
        )
    }
}

#[test]
fn it_shows_the_node_and_its_checks_the_worst_first_and_as_they_change() {
    let node = Node::start();
    let Some(terminal) = Terminal::start(WIDE, &node.top()) else {
        return;
    };
    for text in [
        "venus001  192.0.2.1  physical, client:venus001",
        "embedded: no broker is needed; 0 results wait",
        "processors",
        "CRITICAL  disk",
        "full  [31m  up",
        "OK        cpu_metrics",
        "q ends",
    ] {
        terminal.wait_for(text);
    }
    let screen = terminal.screen();
    assert!(screen.find("CRITICAL") < screen.find("OK  "), "{screen}");
    assert!(!screen.contains("hunter2"), "{screen}");
    node.hand_in(&json!({"name": "backup", "output": "late\nand more", "status": 1}));
    terminal.wait_for("WARNING   backup");
    assert!(
        terminal.screen().contains("  late"),
        "{}",
        terminal.screen()
    );
    assert!(!terminal.screen().contains("and more"));
    // A mark for each run, and a time to the next.
    wait_until(|| {
        let screen = terminal.screen();
        screen
            .lines()
            .any(|line| line.contains("disk") && line.contains("███"))
    });
}

#[test]
fn keys_scroll_it_and_leave_the_terminal_as_it_was() {
    let node = Node::start();
    let results: Vec<Value> = (0..200)
        .map(|number| json!({"name": format!("check-{number:03}"), "output": "", "status": 0}))
        .collect();
    node.hand_in(&json!(results));
    let Some(terminal) = Terminal::start(WIDE, &node.top()) else {
        return;
    };
    terminal.wait_for("check-000");
    assert!(!terminal.screen().contains("check-199"));
    terminal.press(&["G"]);
    terminal.wait_for("check-199");
    assert!(!terminal.screen().contains("check-000"));
    terminal.press(&["PPage"]);
    wait_until(|| !terminal.screen().contains("check-199"));
    terminal.press(&["g"]);
    terminal.wait_for("CRITICAL  disk");
    terminal.press(&["Down"]);
    wait_until(|| !terminal.screen().contains("disk"));
    terminal.press(&["k"]);
    terminal.wait_for("CRITICAL  disk");
    assert_eq!(terminal.state("alternate_on"), "1");
    terminal.press(&["q"]);
    terminal.wait_for("ended 0");
    assert_eq!(terminal.state("alternate_on"), "0");
    assert_eq!(terminal.state("cursor_flag"), "1");
}

#[test]
fn a_signal_and_control_c_leave_the_terminal_as_it_was() {
    let node = Node::start();
    for ends_it in [None, Some(Signal::SIGTERM), Some(Signal::SIGHUP)] {
        // In the foreground, to get keys, or in the background, to be known by its pid.
        let command = match ends_it {
            None => node.top(),
            Some(_) => format!("{} & wait $!", node.top()),
        };
        let Some(terminal) = Terminal::start(WIDE, &command) else {
            return;
        };
        terminal.wait_for("venus001");
        match ends_it {
            None => terminal.press(&["C-c"]),
            Some(signal) => {
                let shell = terminal.pid();
                let children = format!("/proc/{shell}/task/{shell}/children");
                let top = fs::read_to_string(children).unwrap();
                let top = top.split_whitespace().next().unwrap().parse().unwrap();
                kill(Pid::from_raw(top), signal).unwrap();
            }
        }
        terminal.wait_for("ended 0");
        assert_eq!(terminal.state("alternate_on"), "0", "{ends_it:?}");
        assert_eq!(terminal.state("cursor_flag"), "1", "{ends_it:?}");
    }
}

#[test]
fn it_fits_any_size() {
    let node = Node::start();
    let Some(terminal) = Terminal::start((80, 24), &node.top()) else {
        return;
    };
    terminal.wait_for("CRITICAL  disk");
    for size in [(200, 60), (40, 10), (20, 4), (1, 1), (3, 2), (500, 3)] {
        terminal.resize(size);
    }
    // A line of figures where there is no room for more.
    terminal.resize((70, 12));
    terminal.wait_for("processors");
    terminal.wait_for("CRITICAL  disk");
    assert!(!terminal.screen().contains("HISTORY"));
    terminal.resize(WIDE);
    terminal.wait_for("HISTORY");
}

#[test]
fn an_agent_that_is_away_is_said_and_so_is_its_return() {
    let mut node = Node::start();
    let Some(terminal) = Terminal::start(WIDE, &node.top()) else {
        return;
    };
    terminal.wait_for("CRITICAL  disk");
    node.agent = None;
    terminal.wait_for("no answer since");
    let screen = terminal.screen();
    assert!(
        screen.contains("CRITICAL  disk"),
        "what it said stays: {screen}"
    );
    node.run();
    terminal.wait_for("q ends");
}

#[test]
fn colours_are_there_unless_nobody_wants_them() {
    let node = Node::start();
    let coloured = |command: &str| {
        let terminal = Terminal::start(WIDE, command)?;
        terminal.wait_for("CRITICAL  disk");
        Some(terminal.coloured().contains("38;5;1m"))
    };
    let Some(with) = coloured(&node.top()) else {
        return;
    };
    assert!(with);
    let without = coloured(&format!("export NO_COLOR=1; {}", node.top()));
    assert_eq!(without, Some(false));
}

#[test]
fn where_it_cannot_be_shown_one_line_says_why() {
    let top = || Command::new(program::path("venus-top"));
    let said = |command: &mut Command| {
        let output = program::run(command);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    assert_eq!(
        said(&mut top()),
        (
            Some(2),
            "venus-top: standard output is no terminal; `venus-agent status` prints the same once\n"
                .to_owned()
        )
    );
    for arguments in [&["-i", "0"][..], &["-i", "soon"], &["now"], &["--colour"]] {
        let (status, said) = said(top().args(arguments));
        assert_eq!(status, Some(2), "{said}");
        assert!(said.ends_with(" (see venus-top --help)\n"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let mut node = Node::start();
    node.agent = None;
    let Some(terminal) = Terminal::start(WIDE, &node.top()) else {
        return;
    };
    terminal.wait_for("ended 2");
    let screen = terminal.screen().replace('\n', "");
    assert!(
        screen.contains("is the agent running, with these settings?"),
        "{screen}"
    );
}
