//! `handler-graphite` with a real Carbon: what it has written is what counts.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;
use venus_tests::carbon::Carbon;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};

/// What whisper files hold, in seconds: more than any test puts into one.
const RETENTION: u64 = 120_000;

/// A handler with a spool of its own.
struct Handler {
    dir: TempDir,
}

impl Handler {
    fn new(section: &Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut section = section.clone();
        section["spool_dir"] = json!(dir.path().join("spool"));
        let settings = json!({ "graphite": section }).to_string();
        fs::write(dir.path().join("graphite.json"), settings).unwrap();
        Self { dir }
    }

    fn start(&self, event: &str) -> Child {
        let mut child = Command::new(program::path("handler-graphite"))
            .args(["-c", "/dev/null", "-d"])
            .arg(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(event.as_bytes()).unwrap();
        child
    }

    fn run(&self, event: &str) -> Output {
        self.start(event).wait_with_output().unwrap()
    }

    #[track_caller]
    fn deliver(&self, event: &str) {
        assert_ends(&self.run(event), 0, "");
    }
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stderr: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), stderr));
}

fn event(output: &str) -> String {
    json!({
        "client": {"name": "venus001", "address": "10.0.2.15", "subscriptions": []},
        "check": {"name": "load", "type": "metric", "status": 0, "output": output},
    })
    .to_string()
}

/// A whole second, so long ago that all that follows it is still the past.
fn start() -> u64 {
    let now = fs::metadata("/proc/self").unwrap().modified().unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() - RETENTION + 2_000
}

/// Points of one path in this many seconds from the start on; each has the value of its number.
fn lines(path: &str, start: u64, numbers: impl Iterator<Item = u64>) -> String {
    let mut lines = String::new();
    for number in numbers {
        lines.push_str(&format!("{path} {number} {}\n", start + number));
    }
    lines
}

/// Waits until the files hold these points, and nothing else.
fn wait_for(carbon: &Carbon, start: u64, expected: &BTreeMap<String, u64>) {
    for (path, count) in expected {
        wait_until(|| carbon.holds(path, start, *count));
        let points = carbon.points(path, start, start + count);
        let numbers = 0..*count;
        assert!(
            points
                .iter()
                .map(|(time, value)| (*time, value.to_bits()))
                .eq(numbers.map(|number| (
                    start + number,
                    f64::from(u32::try_from(number).unwrap()).to_bits()
                ))),
            "{path} has other points than were sent"
        );
    }
}

#[test]
fn a_million_points_are_in_the_files() {
    const SERIES: u64 = 10;
    const EACH: u64 = 100_000;
    let Some(carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let handler = Handler::new(&json!({"port": carbon.lines, "prefix": "site"}));
    let start = start();
    let mut expected = BTreeMap::new();
    for series in 0..SERIES {
        let path = format!("venus001.series{series}");
        // Side by side, as Sensu starts them.
        let part = |part: u64| lines(&path, start, part * 10_000..(part + 1) * 10_000);
        let running: Vec<Child> = (0..10)
            .map(|number| handler.start(&event(&part(number))))
            .collect();
        for child in running {
            assert_ends(&child.wait_with_output().unwrap(), 0, "");
        }
        expected.insert(format!("site.{path}"), EACH);
    }
    wait_for(&carbon, start, &expected);
}

#[test]
fn a_carbon_that_is_killed_in_between_costs_no_point() {
    let Some(mut carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let section = json!({"port": carbon.lines, "retry_limit": 0});
    let handler = Handler::new(&section);
    let start = start();
    let part = |path: &str, part: u64| event(&lines(path, start, part * 500..(part + 1) * 500));
    for number in 0..20 {
        handler.deliver(&part("a.b", number));
    }
    // What it has read and not written is gone with it.
    carbon.kill();
    for number in 20..30 {
        let output = handler.run(&part("a.b", number));
        assert_eq!(output.status.code(), Some(1));
    }
    carbon.relaunch();
    handler.deliver(&part("a.b", 30));
    // And while it is being sent to: some of these find it, some do not.
    let mut running: Vec<Child> = (0..20)
        .map(|number| handler.start(&part("c.d", number)))
        .collect();
    carbon.kill();
    for child in &mut running {
        let status = child.wait().unwrap();
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    }
    // Nobody has seen that it went, where all were done before: the next one does.
    assert_eq!(handler.run(&part("c.d", 20)).status.code(), Some(1));
    carbon.relaunch();
    handler.deliver(&part("c.d", 21));
    // An admin's way to end it costs points as well: it need not write what it holds.
    handler.deliver(&part("e", 0));
    carbon.stop();
    assert_eq!(handler.run(&part("e", 1)).status.code(), Some(1));
    carbon.relaunch();
    handler.deliver(&part("e", 2));
    let expected = [("a.b", 15_500), ("c.d", 11_000), ("e", 1_500)];
    let expected = expected.map(|(path, count)| (path.to_owned(), count));
    wait_for(&carbon, start, &BTreeMap::from(expected));
}

/// Through the agent that is its own server, which writes to Carbon itself.
#[test]
fn a_million_points_through_the_embedded_agent_and_a_carbon_that_dies() {
    const EACH: u64 = 100_000;
    let Some(mut carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let [port, http] = port::free();
    let mut agent = Running::agent(&json!({
        "client": {"name": "venus001", "socket": {"port": port}, "http_socket": {"port": http}},
        "transport": {"name": "embedded"},
        "venus": {"builtin_checks": false},
        "graphite": {"port": carbon.lines, "prefix": "site", "timeout": 5},
    }));
    agent.stderr_line("starts");
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let hand_in = |output: &str| {
        let result = json!({
            "name": "load", "type": "metric", "output": output, "handlers": ["graphite"],
        });
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(result.to_string().as_bytes()).unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ok");
    };
    let start = start();
    let mut expected = BTreeMap::new();
    for series in 0..10 {
        let path = format!("venus001.series{series}");
        for part in 0..10 {
            hand_in(&lines(&path, start, part * 10_000..(part + 1) * 10_000));
            if (series, part) == (5, 0) {
                carbon.kill();
            }
        }
        if series == 5 {
            agent.stderr_line("Carbon does not take metrics; they wait");
            carbon.relaunch();
        }
        expected.insert(format!("site.{path}"), EACH);
    }
    agent.stderr_line("Carbon takes metrics again");
    wait_for(&carbon, start, &expected);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn two_hundred_processes_side_by_side() {
    let Some(carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let handler = Handler::new(&json!({"port": carbon.lines}));
    let start = start();
    let running: Vec<Child> = (0..200)
        .map(|number| {
            handler.start(&event(&lines(
                "many",
                start,
                number * 20..(number + 1) * 20,
            )))
        })
        .collect();
    for child in running {
        assert_ends(&child.wait_with_output().unwrap(), 0, "");
    }
    wait_for(
        &carbon,
        start,
        &BTreeMap::from([("many".to_owned(), 4_000)]),
    );
    assert_eq!(waiting(&handler.dir.path().join("spool")), 0);
}

fn waiting(spool: &Path) -> usize {
    let entries = fs::read_dir(spool).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_str().unwrap().contains('-'))
        .count()
}

#[test]
fn pickles_and_datagrams_are_understood() {
    let Some(carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let start = start();
    let pickles = Handler::new(&json!({"port": carbon.pickles, "protocol": "pickle"}));
    pickles.deliver(&event(&lines("pickled", start, 0..10_000)));
    let datagrams = Handler::new(&json!({"port": carbon.datagrams, "protocol": "udp"}));
    datagrams.deliver(&event(&lines("datagram", start, 0..20)));
    let expected = BTreeMap::from([("pickled".to_owned(), 10_000), ("datagram".to_owned(), 20)]);
    wait_for(&carbon, start, &expected);
}

#[test]
fn what_other_formats_become_is_stored_and_bad_lines_are_counted() {
    let Some(carbon) = Carbon::launch(RETENTION) else {
        return;
    };
    let handler = Handler::new(&json!({"port": carbon.lines}));
    let time = start();
    let with = |format: &str, output: &str| {
        json!({
            "client": {"name": "venus001"},
            "check": {
                "name": "disk", "status": 0, "executed": time,
                "output_metric_format": format, "output": output,
            },
        })
        .to_string()
    };
    handler.deliver(&with("nagios_perfdata", "OK | /=2643MB;5948;5958;0;5968"));
    handler.deliver(&with(
        "influxdb_line",
        &format!("cpu,core=0 user=1.5 {time}000000000"),
    ));
    handler.deliver(&with(
        "opentsdb_line",
        &format!("put sys.load {time} 0.5 cpu=1"),
    ));
    handler.deliver(&with("prometheus_text", "up{job=\"x\"} 1\n"));
    let output = handler.run(&with(
        "graphite_plaintext",
        &format!("good 7 {time}\nno value {time}\nno/path 1 {time}\nlate 1 17\n"),
    ));
    assert_ends(
        &output,
        0,
        &format!(
            "handler-graphite: 3 of 4 lines left out, the first is \"no value {time}\": \
             its value is no finite number\n"
        ),
    );
    for (path, value) in [
        ("venus001.disk._", 2643.0),
        ("venus001.cpu.user.0", 1.5),
        ("venus001.sys.load.1", 0.5),
        ("venus001.up.x", 1.0),
        ("good", 7.0),
    ] {
        wait_until(|| carbon.points(path, time, time) == [(time, value)]);
    }
    assert!(!carbon.file("no").exists() && !carbon.file("late").exists());
}
