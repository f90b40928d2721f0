//! The built program, as Sensu starts it: event on standard input, settings in a folder, and at
//! the other end a stand-in for Carbon that can be made to misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod lines;
mod peer;
#[path = "../receiver/mod.rs"]
mod receiver;
mod spool;
mod tls;

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_handler-graphite");

/// Settings and spool of one handler.
struct Handler {
    dir: TempDir,
    section: Value,
}

impl Handler {
    /// Its section, and what is wanted beside a spool of its own and no pauses.
    fn new(port: u16, more: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        let mut section = json!({
            "port": port, "retry_delay": 0, "spool_dir": dir.path().join("spool"),
        });
        let more = more.as_object().unwrap().clone();
        section.as_object_mut().unwrap().extend(more);
        let mut handler = Self { dir, section };
        handler.set("x", &Value::Null);
        handler
    }

    fn set(&mut self, name: &str, value: &Value) {
        self.section[name] = value.clone();
        fs::create_dir_all(self.settings()).unwrap();
        let all = json!({ "graphite": self.section }).to_string();
        let all = all.replace(",\"x\":null", "");
        fs::write(self.settings().join("graphite.json"), all).unwrap();
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("settings")
    }

    fn start(&self, more: &[&str], input: &[u8]) -> Child {
        let mut command = Command::new(PROGRAM);
        // An empty file in the place of the host's own.
        command.args(["-c", "/dev/null", "-d"]).arg(self.settings());
        start(command.args(more), input)
    }

    fn run(&self, event: &str) -> Output {
        self.run_with(&[], event)
    }

    fn run_with(&self, more: &[&str], event: &str) -> Output {
        self.start(more, event.as_bytes())
            .wait_with_output()
            .unwrap()
    }

    /// How many portions of lines wait.
    fn waiting(&self) -> usize {
        let entries = fs::read_dir(self.dir.path().join("spool")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains('-')).count()
    }
}

fn start(command: &mut Command, input: &[u8]) -> Child {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses its arguments has ended without reading.
    stdin.write_all(input).unwrap_or_default();
    child
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stderr: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

fn event(output: &str) -> String {
    json!({
        "client": {"name": "venus001", "address": "10.0.2.15", "subscriptions": []},
        "check": {"name": "load", "type": "metric", "status": 0, "output": output},
        "action": "create",
    })
    .to_string()
}

fn line(number: u64) -> String {
    at("a.b", number)
}

fn at(path: &str, number: u64) -> String {
    format!("{path} {number} {}\n", 1_795_477_200 + number)
}
