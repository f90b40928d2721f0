//! The built program, as Sensu starts it: event on standard input, settings in a
//! folder, and at the other end a stand-in for Slack (see `venus_tests::endpoint`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use venus_tests::endpoint::{Answer, Endpoint, OK};

const PROGRAM: &str = env!("CARGO_BIN_EXE_handler-slack");

/// Part of every webhook address here, and never to be seen outside of a request.
const SECRET: &str = "topsecret";

/// A folder with the settings `{"slack": section}`.
fn settings(section: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
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

fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that refuses its arguments has ended without reading.
    stdin.write_all(input).unwrap_or_default();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains(SECRET), "the secret is out: {text}");
    }
    output
}

fn run(folder: &TempDir, input: &str) -> Output {
    let dir = folder.path().to_str().unwrap();
    // An empty file in the place of the host's own.
    run_with(&["-c", "/dev/null", "-d", dir], input.as_bytes())
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, stderr: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(code), stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

/// Runs one event against these answers; gives the output and how many came.
fn deliver(answers: &[Answer], more: &Value) -> (Output, usize) {
    let endpoint = Endpoint::start(answers);
    let mut section = sensu_channel(&endpoint.url());
    let section_map = section.as_object_mut().unwrap();
    section_map.extend(more.as_object().unwrap().clone());
    let output = run(&settings(&section), &event(1, "o"));
    (output, endpoint.requests().len())
}

#[test]
fn the_messages_of_the_sensu_channel_to_the_letter() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = settings(&sensu_channel(&endpoint.url()));
    let late =
        |seconds, limit| format!("No keepalive sent from client for {seconds} seconds (>={limit})");
    let cases = [
        (1, late(148, 120), "WARNING", "#FFCC00"),
        (2, late(208, 180), "CRITICAL", "#FF0000"),
        (
            0,
            "Keepalive sent from client 5 seconds ago".to_owned(),
            "OK",
            "#36a64f",
        ),
        (3, late(148, 120), "UNKNOWN", "#6600CC"),
        (127, late(148, 120), "UNKNOWN", "#6600CC"),
    ];
    for (status, output, _, _) in &cases {
        assert_ends(&run(&folder, &event(*status, output)), 0, "");
    }
    let requests = endpoint.requests();
    assert_eq!(requests.len(), cases.len());
    for (request, (_, output, word, color)) in requests.iter().zip(&cases) {
        assert_eq!(request.line, "POST /services/T00/B00/topsecret HTTP/1.1");
        assert_eq!(request.content_type, "application/json; charset=utf-8");
        assert_eq!(
            request.body,
            json!({
                "icon_url": "https://raw.githubusercontent.com/sensu/sensu-logo/master/sensu1_flat%20white%20bg_png.png",
                "attachments": [{
                    "title": format!("10.0.2.15 - {word}"),
                    "text": format!(" docker1/keepalive: {output} : 10.0.2.15 : physical"),
                    "color": color,
                    "fields": [],
                }],
                "channel": "#sensu",
                "username": "sensu",
                "icon_emoji": ":sensu:",
            })
        );
    }
    assert_eq!(
        requests[0].body["attachments"][0]["text"],
        " docker1/keepalive: No keepalive sent from client for 148 seconds (>=120) \
         : 10.0.2.15 : physical"
    );
}

#[test]
fn a_server_error_is_tried_again() {
    let busy = Answer::Http("500 Internal Server Error", "", "");
    let (output, requests) = deliver(&[busy, Answer::Close, OK], &json!({}));
    assert_ends(&output, 0, "");
    assert_eq!(requests, 3);
}

#[test]
fn too_many_requests_are_tried_again_when_slack_says() {
    // Were `webhook_retry_sleep` taken, the test would last an hour.
    let limited = Answer::Http("429 Too Many Requests", "retry-after: 0\r\n", "");
    let (output, requests) = deliver(&[limited, OK], &json!({"webhook_retry_sleep": 3600}));
    assert_ends(&output, 0, "");
    assert_eq!(requests, 2);
}

#[test]
fn what_slack_refuses_is_not_tried_again() {
    let gone = Answer::Http("404 Not Found", "", "no_service");
    let (output, requests) = deliver(&[gone, OK], &json!({}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: it answered 404 Not Found no_service: \
         this webhook is gone, put a new one's address into webhook_url\n",
    );
    assert_eq!(requests, 1);
}

#[test]
fn an_error_page_that_repeats_the_address_is_not_shown() {
    let page = Answer::Http("403 Forbidden", "", "no /services/T00/B00/topsecret");
    let (output, _) = deliver(&[page], &json!({}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: it answered 403 Forbidden\n",
    );
}

#[test]
fn a_redirect_is_no_delivery() {
    let moved = Answer::Http("302 Found", "location: /login\r\n", "");
    let (output, requests) = deliver(&[moved, OK], &json!({}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: it answered 302 Found\n",
    );
    assert_eq!(requests, 1);
}

#[test]
fn a_connection_that_closes_is_tried_to_the_end() {
    let (output, requests) = deliver(&[Answer::Close], &json!({"webhook_retries": 2}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: Peer disconnected (3 tries)\n",
    );
    assert_eq!(requests, 3);
}

#[test]
fn an_endpoint_that_hangs_costs_the_timeout_and_no_more() {
    let more = json!({"webhook_timeout": 1, "webhook_retries": 1});
    let (output, requests) = deliver(&[Answer::Hang], &more);
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: no answer within 1 s (2 tries)\n",
    );
    assert_eq!(requests, 2);
}

#[test]
fn nobody_listening_is_one_line() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let section = sensu_channel(&format!("http://{address}/services/topsecret"));
    assert_ends(
        &run(&settings(&section), &event(1, "o")),
        1,
        "handler-slack: not delivered to 127.0.0.1: \
         Connection refused (os error 111) (6 tries)\n",
    );
}

#[test]
fn what_does_not_speak_http_is_one_line() {
    let (output, _) = deliver(
        &[Answer::Http("hello", "", "")],
        &json!({"webhook_retries": 0}),
    );
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: the answer is not HTTP\n",
    );
}

#[test]
fn a_broken_event_sends_nothing() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = settings(&sensu_channel(&endpoint.url()));
    for (input, said) in [
        (
            "",
            "the event is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "{\"client\":",
            "the event is not JSON: EOF while parsing a value at line 1 column 10",
        ),
        ("[]", "the event has no client (an object)"),
        (
            r#"{"client":{"name":"c"},"check":{"name":"k"}}"#,
            "the event has no check.status (a whole number)",
        ),
    ] {
        assert_ends(&run(&folder, input), 2, &format!("handler-slack: {said}\n"));
    }
    assert_eq!(endpoint.requests().len(), 0);
}

#[test]
fn a_misspelt_setting_is_named_and_the_message_sent() {
    let (output, requests) = deliver(&[OK], &json!({"chanel": "#x", "template": "/t.erb"}));
    assert_ends(
        &output,
        0,
        "handler-slack: slack.template is not supported yet: the default message is sent\n\
         handler-slack: slack.chanel is no setting: ignored\n",
    );
    assert_eq!(requests, 1);
}

#[test]
fn wrong_settings_are_one_line() {
    let folder = settings(&json!({"webhok_url": "http://127.0.0.1/topsecret"}));
    assert_ends(
        &run(&folder, &event(1, "o")),
        2,
        "handler-slack: the settings key \"slack\" has no \"webhook_url\", the https:// address \
         of Slack's incoming webhook (unknown there: webhok_url)\n",
    );
    let dir = folder.path().to_str().unwrap();
    assert_ends(
        &run_with(
            &["-c", "/dev/null", "-d", dir, "--json", "slack2"],
            event(1, "o").as_bytes(),
        ),
        2,
        &format!(
            "handler-slack: no settings key \"slack2\" in /dev/null and {dir}: add {{\"slack2\": \
             {{\"webhook_url\": \"https://hooks.slack.com/services/...\"}}}}\n"
        ),
    );
    let file = folder.path().join("slack.json");
    fs::write(&file, "{\"slack\": {\n  \"webhook_url\": topsecret}}").unwrap();
    assert_ends(
        &run(&folder, &event(1, "o")),
        2,
        &format!(
            "handler-slack: {} is not JSON: expected ident at line 2 column 19\n",
            file.display()
        ),
    );
}

#[test]
fn file_folders_and_another_key() {
    let endpoint = Endpoint::start(&[OK]);
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let file = folders[0].path().join("config.txt");
    let secret = json!({"other": {"webhook_url": endpoint.url(), "channel": "#file"}});
    fs::write(&file, secret.to_string()).unwrap();
    let write = |dir: &TempDir, channel: &str| {
        let section = json!({"other": {"channel": channel}}).to_string();
        fs::write(dir.path().join("x.json"), section).unwrap();
    };
    write(&folders[0], "#first");
    write(&folders[1], "#second");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let dirs = format!("{},{}", path(folders[0].path()), path(folders[1].path()));
    let arguments = ["-c", &path(&file), "--config_dir", &dirs, "-j", "other"];
    assert_ends(&run_with(&arguments, event(1, "o").as_bytes()), 0, "");
    assert_eq!(endpoint.requests()[0].body["channel"], "#second");
}

#[test]
fn an_unknown_option_is_one_line() {
    assert_ends(
        &run_with(&["--colour"], b""),
        2,
        "handler-slack: unexpected argument '--colour' found (see handler-slack --help)\n",
    );
}

#[test]
fn the_example_of_the_help_works() {
    let help = run_with(&["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, example) = help.split_once("Example, with ").unwrap();
    let (section, example) = example.split_once(" in try/slack.json:\n").unwrap();
    let endpoint = Endpoint::start(&[OK]);
    let section = section.replace("https://hooks.slack.com/services/...", &endpoint.url());
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("try")).unwrap();
    fs::write(folder.path().join("try/slack.json"), section).unwrap();
    let dir = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let status = command("sh")
        .args(["-c", &format!("PATH={dir}:$PATH; {example}")])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        endpoint.requests()[0].body["attachments"][0]["text"],
        "docker1/keepalive: a test : 10.0.2.15 : physical"
    );
}
