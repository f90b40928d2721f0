//! The agent without a broker: its own server, on the terminal of a newcomer.

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use venus_tests::endpoint::{Endpoint, OK};
use venus_tests::fixture;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};

/// What the built-in checks print of the tree of [`settings`], in their order.
const EXPECTED: [&str; 5] = [
    "plugins/venus001/expected/metrics-cpu.txt",
    "plugins/venus001/expected/metrics-load.txt",
    "plugins/venus001/expected/metrics-memory.txt",
    "plugins/venus001/expected/metrics-net.txt",
    "infiniband/single/expected/metrics-infiniband.txt",
];

/// The testbed's node venus001, with one InfiniBand port. The folder is its `/sys`.
fn settings() -> (Value, TempDir) {
    let sys = tempfile::tempdir().unwrap();
    fs::create_dir(sys.path().join("class")).unwrap();
    for (from, name) in [
        ("plugins/venus001/sys/class/net", "net"),
        ("infiniband/single/sys/class/infiniband", "infiniband"),
    ] {
        symlink(fixture::path(from), sys.path().join("class").join(name)).unwrap();
    }
    let settings = json!({
        "client": {"name": "venus001", "address": "192.168.12.181", "password": "hunter2"},
        "venus": {
            "interval": 1,
            "proc_path": fixture::path("plugins/venus001/proc"),
            "sys_path": sys.path(),
        },
    });
    (settings, sys)
}

/// Only this check, a standalone one of interval 1.
fn only(check: &Value) -> Value {
    let mut check = check.clone();
    check["standalone"] = json!(true);
    check["interval"] = json!(1);
    json!({
        "client": {"name": "venus001", "address": "192.168.12.181", "password": "hunter2"},
        "venus": {"builtin_checks": false},
        "checks": {"probe": check},
    })
}

fn fifo(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    path
}

#[test]
fn once_prints_what_the_plugins_print_and_logs_elsewhere() {
    let (settings, _sys) = settings();
    let (mut command, _dir) = program::agent(&settings);
    let output = program::run(command.arg("--once"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = stdout.lines().map(fixture::without_time).collect();
    let expected: Vec<_> = EXPECTED
        .iter()
        .flat_map(|name| fixture::expected_metrics(name))
        .collect();
    assert_eq!(lines, expected);
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    for line in stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn it_prints_every_interval_until_a_signal() {
    let (settings, _sys) = settings();
    let mut agent = Running::agent(&settings);
    let hello: Value = serde_json::from_str(&agent.stderr_line("starts")).unwrap();
    assert_eq!(
        hello["subscriptions"],
        json!(["physical", "infiniband", "client:venus001"])
    );
    let time = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
    let first = time(&agent.stdout_line("venus001.load_avg.one 0.39 "));
    let second = time(&agent.stdout_line("venus001.load_avg.one 0.39 "));
    assert!((1..=2).contains(&(second - first)), "{first} {second}");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    agent.stderr_line("venus-agent stopped");
}

#[test]
fn once_ends_with_the_worst_status() {
    for (exit, expected) in [(0, 0), (1, 1), (2, 2), (3, 3), (127, 3)] {
        let settings = only(&json!({"command": format!("exit {exit}")}));
        let (mut command, _dir) = program::agent(&settings);
        let output = program::run(command.arg("--once"));
        assert_eq!(output.status.code(), Some(expected), "check exits {exit}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (settings, _sys) = settings();
    let (mut command, _dir) = program::agent(&settings);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut agent = command.spawn().unwrap();
    let mut stdout = BufReader::new(agent.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    let mut stderr = String::new();
    agent.stderr.unwrap().read_to_string(&mut stderr).unwrap();
    assert!(!stderr.contains("fatal"), "{stderr}");
}

#[test]
fn an_output_that_takes_nothing_is_fatal_and_said() {
    let (settings, _sys) = settings();
    let (mut command, _dir) = program::agent(&settings);
    let full = fs::File::create("/dev/full").unwrap();
    command.arg("--once").stdin(Stdio::null()).stdout(full);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let says = "cannot write metrics to standard output: No space left on device";
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn i_a_handler_gets_the_event_of_a_failure_and_that_of_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let status = dir.path().join("status");
    fs::write(&status, "2").unwrap();
    let events = fifo(&dir, "events");
    let mut settings = only(&json!({
        "command": format!("echo is $(cat {0}); exit $(cat {0})", status.display()),
        "handlers": ["file"], "team": "hpc",
    }));
    settings["handlers"] = json!({
        "file": {"type": "pipe", "command": format!("cat > {}", events.display())},
    });
    let mut agent = Running::agent(&settings);
    let event = || -> Value {
        let text = fs::read_to_string(&events).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let created = event();
    assert_eq!(
        keys(&created),
        keys(&fixture::json("wire/event-create.json"))
    );
    assert_eq!(created["action"], "create");
    assert_eq!(created["occurrences"], 1);
    assert_eq!(created["client"]["name"], "venus001");
    assert_eq!(created["client"]["password"], "REDACTED");
    assert_eq!(created["check"]["output"], "is 2\n");
    assert_eq!(created["check"]["status"], 2);
    assert_eq!(created["check"]["team"], "hpc");
    fs::write(&status, "0").unwrap();
    // As many as were on their way, then the one that ends it.
    let resolved = loop {
        let event = event();
        if event["action"] != "create" {
            break event;
        }
    };
    assert_eq!(resolved["action"], "resolve");
    assert_eq!(resolved["check"]["status"], 0);
    let history = resolved["check"]["history"].as_array().unwrap();
    assert_eq!(
        (&history[0], history.last()),
        (&json!("2"), Some(&json!("0")))
    );
    // Well again is no event.
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn i_a_set_tells_each_of_its_handlers_once_and_only_those_that_want_it() {
    let dir = tempfile::tempdir().unwrap();
    let told = fifo(&dir, "told");
    let tells = |name: &str| {
        let command = format!("cat > {0}.{name}; echo {name} > {0}", told.display());
        json!({"type": "pipe", "command": command})
    };
    let mut settings = only(&json!({"command": "exit 2", "handlers": ["all", "one"]}));
    settings["handlers"] = json!({
        "all": {"type": "set", "handlers": ["one", "warnings", "others", "all"]},
        "one": tells("one"),
        "warnings": tells("warnings"),
        "others": tells("others"),
    });
    settings["handlers"]["warnings"]["severities"] = json!(["warning"]);
    settings["handlers"]["others"]["filters"] = json!(["others"]);
    settings["filters"] = json!({
        "others": {"attributes": {"client": {"name": "venus001"}}, "negate": true},
    });
    let (mut command, _dir) = program::agent(&settings);
    command.arg("--once");
    let agent = Running::start(&mut command, None);
    assert_eq!(fs::read_to_string(&told).unwrap(), "one\n");
    drop(agent);
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 2, "the fifo, and what one was told");
}

#[test]
fn i_metrics_go_to_a_tcp_handler_as_the_check_printed_them() {
    let carbon = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut settings = only(&json!({
        "command": "echo venus001.a 1 1453048230", "type": "metric", "handlers": ["carbon"],
    }));
    settings["handlers"] = json!({"carbon": {
        "type": "tcp", "mutator": "only_check_output",
        "socket": {"host": "127.0.0.1", "port": carbon.local_addr().unwrap().port()},
    }});
    let mut agent = Running::agent(&settings);
    for _ in 0..2 {
        let mut got = String::new();
        let (mut stream, _) = carbon.accept().unwrap();
        stream.read_to_string(&mut got).unwrap();
        assert_eq!(got, "venus001.a 1 1453048230\n");
    }
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn i_a_restart_neither_repeats_an_alert_nor_forgets_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let status = dir.path().join("status");
    let events = fifo(&dir, "events");
    let mut settings = only(&json!({
        "command": format!("exit $(cat {})", status.display()), "handlers": ["file"],
    }));
    settings["handlers"] = json!({
        "file": {"type": "pipe", "command": format!("cat > {}", events.display())},
    });
    settings["venus"]["state_dir"] = json!(dir.path().join("state"));
    let event =
        || -> Value { serde_json::from_str(&fs::read_to_string(&events).unwrap()).unwrap() };
    fs::write(&status, "2").unwrap();
    let mut before = 0;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut agent = Running::agent(&settings);
        let event = event();
        assert_eq!(event["action"], "create");
        let occurrences = event["occurrences"].as_u64().unwrap();
        assert!(occurrences > before, "{occurrences} after {before}");
        before = occurrences;
        agent.signal(signal);
        agent.wait();
    }
    fs::write(&status, "0").unwrap();
    let mut agent = Running::agent(&settings);
    let resolved = event();
    assert_eq!(resolved["action"], "resolve");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn i_a_kill_before_an_alert_is_written_down_repeats_it_and_never_loses_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let events = dir.path().join("events");
    let told = || fs::read_to_string(&events).unwrap_or_default();
    let mut settings = only(&json!({"command": "exit 2", "handlers": ["file"]}));
    settings["handlers"] = json!({"file": {
        "type": "pipe", "filter": "occurrences",
        "command": format!("cat >> {0}; echo >> {0}", events.display()),
    }});
    settings["venus"]["state_dir"] = json!(state);
    // A file that nobody reads: the agent stops in the middle of writing it.
    let unfinished = state.join("events.json.new");
    mkfifo(&unfinished, Mode::S_IRWXU).unwrap();
    let mut agent = Running::agent(&settings);
    wait_until(|| told().ends_with('\n'));
    agent.signal(Signal::SIGKILL);
    agent.wait();
    fs::remove_file(&unfinished).unwrap();
    let mut agent = Running::agent(&settings);
    wait_until(|| told().lines().count() == 2);
    for line in told().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&event["action"], &event["occurrences"]),
            (&json!("create"), &json!(1))
        );
    }
    // From then on it is known, and nobody else's business.
    let written = state.join("events.json");
    wait_until(|| written.exists());
    agent.signal(Signal::SIGKILL);
    agent.wait();
    assert_eq!(fs::metadata(&written).unwrap().mode() & 0o777, 0o600);
    let mut agent = Running::agent(&settings);
    agent.stderr_line("starts");
    let known = || fs::read_to_string(&written).unwrap();
    let before = known();
    wait_until(|| known() != before);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    assert_eq!(told().lines().count(), 2, "{}", told());
}

#[test]
fn i_a_result_with_a_source_is_of_that_client_and_has_what_the_settings_say_of_its_check() {
    let dir = tempfile::tempdir().unwrap();
    let events = fifo(&dir, "events");
    let [port] = port::free();
    let settings = json!({
        "client": {"name": "venus001", "socket": {"port": port}, "http_socket": {"enabled": false}},
        "venus": {"builtin_checks": false},
        "checks": {"link": {
            "command": "true", "subscribers": [], "interval": 60, "team": "network",
            "handlers": ["file"],
        }},
        "handlers": {"file": {"type": "pipe", "command": format!("cat > {}", events.display())}},
    });
    let mut agent = Running::agent(&settings);
    agent.stderr_line("starts");
    let result = json!({"name": "link", "source": "switch1", "status": 2, "output": "down"});
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(result.to_string().as_bytes()).unwrap();
    let event: Value = serde_json::from_str(&fs::read_to_string(&events).unwrap()).unwrap();
    assert_eq!(event["client"]["name"], "switch1");
    assert_eq!(event["client"]["address"], "unknown");
    assert_eq!(event["client"]["type"], "proxy");
    assert_eq!(event["check"]["origin"], "venus001");
    assert_eq!(event["check"]["team"], "network");
    assert_eq!(event["check"]["output"], "down");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn i_a_mutator_makes_what_the_handler_gets_and_one_that_fails_gives_it_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let told = |name: &str| dir.path().join(name);
    let writes = |name: &str, mutator: &str| {
        let command = format!("cat > {}", told(name).display());
        json!({"type": "pipe", "mutator": mutator, "command": command})
    };
    let mut settings = only(&json!({
        "command": "echo down; exit 2", "handlers": ["output", "words", "never", "nobody", "array"],
    }));
    settings["handlers"] = json!({
        "output": writes("output", "only_check_output"), "words": writes("words", "words"),
        "never": writes("never", "fails"), "nobody": writes("nobody", "missing"),
        // No shell sees either of its commands, so that a blank is no end of a word.
        "array": {"type": "pipe", "mutator": "array", "command": ["tee", told("an array")]},
    });
    settings["mutators"] = json!({
        "words": {"command": "grep -o occurrences_watermark..1"},
        "fails": {"command": "echo oh no; exit 1"},
        "array": {"command": ["grep", "-o", "\"output\":\"[^,]*\\|no such"]},
    });
    let (mut command, _dir) = program::agent(&settings);
    let output = program::run(command.arg("--once"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(fs::read_to_string(told("output")).unwrap(), "down\n");
    assert_eq!(
        fs::read_to_string(told("words")).unwrap(),
        "occurrences_watermark\":1\n"
    );
    assert_eq!(
        fs::read_to_string(told("an array")).unwrap(),
        "\"output\":\"down\\n\"\n"
    );
    assert!(!told("never").exists() && !told("nobody").exists());
    for says in ["mutator failed", "oh no", "no mutator of this name"] {
        assert!(stderr.contains(says), "{says}: {stderr}");
    }
}

#[test]
fn i_what_only_a_sensu_server_has_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("told");
    let mut settings = only(&json!({"command": "exit 2", "handlers": ["one", "pipe", "ruby"]}));
    settings["handlers"] = json!({
        "one": {"type": "set", "handlers": ["two"]},
        "two": {"type": "set", "handlers": ["three", "told"]},
        "three": {"type": "set", "handlers": ["pipe"]},
        "told": {"type": "pipe", "command": format!("echo >> {}", told.display())},
        "pipe": {"type": "transport", "pipe": {"type": "direct", "name": "events"}},
        "ruby": {"type": "pipe", "command": "true", "filter": "ruby"},
    });
    settings["filters"] = json!({
        "ruby": {"attributes": {"occurrences": "eval: value == 1"}, "negate": true},
    });
    let mut agent = Running::agent(&settings);
    let lines = || {
        fs::read_to_string(&told)
            .unwrap_or_default()
            .lines()
            .count()
    };
    wait_until(|| lines() >= 3);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    let said = agent.seen();
    for says in [
        "sets of handlers are too deep in each other",
        "no handler of this type: it needs a Sensu server",
        "Ruby of a filter is not run",
    ] {
        assert_eq!(said.matches(says).count(), 1, "{says}: {said}");
    }
}

#[test]
fn a_warning_and_its_end_arrive_in_slack() {
    let endpoint = Endpoint::start(&[OK]);
    let dir = tempfile::tempdir().unwrap();
    let slack = json!({"slack": {
        "webhook_url": endpoint.url(), "channel": "#sensu", "message_prefix": "",
        "spool_dir": dir.path().join("spool"),
    }});
    fs::write(dir.path().join("slack.json"), slack.to_string()).unwrap();
    let status = dir.path().join("status");
    fs::write(&status, "1").unwrap();
    let mut settings = only(&json!({
        "command": format!("printf 'load is high'; exit $(cat {})", status.display()),
        "handler": "slack", "refresh": 600,
    }));
    settings["handlers"] = json!({"slack": {
        "type": "pipe",
        "filter": "occurrences",
        "command": format!("handler-slack -c /dev/null -d {}", dir.path().display()),
    }});
    let mut agent = Running::agent(&settings);
    agent.stderr_line("handler has run");
    fs::write(&status, "0").unwrap();
    agent.stderr_line("handler has run");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
    let sent: Vec<_> = endpoint
        .requests()
        .iter()
        .map(|request| {
            let attachment = &request.body["attachments"][0];
            ["title", "text", "color"].map(|key| attachment[key].as_str().unwrap().to_owned())
        })
        .collect();
    let text = " venus001/probe: load is high : 192.168.12.181 : physical,client:venus001";
    assert_eq!(
        sent,
        [
            ["192.168.12.181 - WARNING", text, "#FFCC00"],
            ["192.168.12.181 - OK", text, "#36a64f"],
        ]
    );
}

#[test]
fn a_handler_that_hangs_or_is_missing_is_said_and_holds_nothing() {
    let mut settings = only(&json!({"command": "exit 1", "handlers": ["hangs", "nobody"]}));
    settings["handlers"] = json!({
        "hangs": {"type": "pipe", "command": "sleep 1000", "timeout": 0.2},
    });
    let (mut command, _dir) = program::agent(&settings);
    let output = program::run(command.arg("--once"));
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let line = |text: &str| -> Value {
        let line = stderr.lines().find(|line| line.contains(text));
        serde_json::from_str(line.unwrap_or_else(|| panic!("no {text:?} in {stderr}"))).unwrap()
    };
    let failed = line("handler failed");
    assert_eq!(failed["handler"], "hangs");
    assert_eq!(failed["output"], "Execution timed out");
    let unknown = line("no handler of this name");
    assert_eq!(
        (&unknown["handler"], &unknown["check"]),
        (&json!("nobody"), &json!("probe"))
    );
}

#[test]
fn on_a_terminal_it_writes_words_and_colours_for_a_person() {
    for no_color in [false, true] {
        let (settings, _sys) = settings();
        let (mut command, _dir) = program::agent(&settings);
        let shown = on_a_terminal(command.arg("--once"), no_color);
        assert_eq!(shown.contains("\x1b["), !no_color, "{shown}");
        let words = without_colours(&shown);
        assert!(words.contains("venus001.load_avg.one 0.39"), "{words}");
        let has_summary = words.contains("load 0.39  memory 22.2 of 27.3 GiB");
        assert_eq!(has_summary, !no_color, "{words}");
        assert!(words.contains("info  venus-agent stopped"), "{words}");
    }
}

fn without_colours(shown: &str) -> String {
    let parts = shown.split("\x1b[").enumerate();
    let parts = parts.map(|(number, part)| match part.split_once('m') {
        Some((_, text)) if number > 0 => text,
        _ => part,
    });
    parts.collect()
}

/// Everything that a command writes to its terminal.
fn on_a_terminal(command: &mut Command, no_color: bool) -> String {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let output = || Stdio::from(terminal.slave.try_clone().unwrap());
    command
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(output())
        .stderr(output());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.spawn().unwrap();
    // The command keeps ends of its own, and so does `command`.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(terminal.slave);
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    let mut master = fs::File::from(terminal.master);
    // The end of a terminal is an error (EIO).
    while let Ok(count @ 1..) = master.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..count]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
}
