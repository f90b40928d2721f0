//! The built program, as Sensu starts it: event on standard input, settings in a
//! folder, and at the other end a stand-in for Slack (see `venus_tests::endpoint`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod bot;
mod channels;
mod once;
mod outage;
mod queue;

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_handler-slack");

/// Part of every webhook address here, and never to be seen outside of a request.
const SECRET: &str = "topsecret";

/// A folder with the settings `{"slack": section}`, and with the spool.
fn settings(section: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut section = section.clone();
    section["spool_dir"] = json!(folder.path().join("spool"));
    let all = json!({ "slack": section }).to_string();
    fs::write(folder.path().join("slack.json"), all).unwrap();
    folder
}

/// The settings of the project's #sensu channel.
fn sensu_channel(url: &str) -> Value {
    json!({
        "webhook_url": url, "channel": "#sensu", "bot_name": "sensu", "icon_emoji": ":sensu:",
        "message_prefix": "", "webhook_retry_sleep": 0,
    })
}

fn event(status: i64, output: &str) -> String {
    json!({
        "client": {"name": "docker1", "address": "10.0.2.15", "subscriptions": ["physical"]},
        "check": {"name": "keepalive", "status": status, "output": output},
        "occurrences": 1, "action": if status == 0 { "resolve" } else { "create" },
    })
    .to_string()
}

/// The host's own proxy settings would lead past the endpoint.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["all_proxy", "http_proxy", "https_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// Starts the program and gives it this input.
fn start(arguments: &[&str], input: &[u8]) -> Child {
    feed(command(PROGRAM).args(arguments), input)
}

/// Starts this and gives it the input.
fn feed(command: &mut Command, input: &[u8]) -> Child {
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

fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    end(start(arguments, input))
}

/// What it said, once it has ended.
fn end(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains(SECRET), "the secret is out: {text}");
    }
    output
}

/// The arguments that lead to the settings in a folder, and past the host's own.
fn from(folder: &TempDir) -> [&str; 4] {
    ["-c", "/dev/null", "-d", folder.path().to_str().unwrap()]
}

fn run(folder: &TempDir, input: &str) -> Output {
    run_with(&from(folder), input.as_bytes())
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stderr: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
