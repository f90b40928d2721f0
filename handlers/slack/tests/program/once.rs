//! One event: what is sent, what is said, and how it ends.

use crate::{PROGRAM, assert_ends, command, event, run, run_with, sensu_channel, settings};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::thread::JoinHandle;
use tempfile::TempDir;
use venus_tests::certificates::Certificates;
use venus_tests::endpoint::{Answer, Endpoint, OK};

/// Runs one event against these answers; gives the output, in which the folder is `DIR`, and how
/// many came.
fn deliver(answers: &[Answer], more: &Value) -> (Output, usize) {
    let endpoint = Endpoint::start(answers);
    let mut section = sensu_channel(&endpoint.url());
    let section_map = section.as_object_mut().unwrap();
    section_map.extend(more.as_object().unwrap().clone());
    let folder = settings(&section);
    let mut output = run(&folder, &event(1, "o"));
    let said = String::from_utf8(output.stderr).unwrap();
    let dir = folder.path().to_str().unwrap();
    output.stderr = said.replace(dir, "DIR").into_bytes();
    (output, endpoint.requests().len())
}

#[test]
fn the_messages_of_the_sensu_channel_to_the_letter() {
    let endpoint = Endpoint::start(&[OK]);
    let mut section = sensu_channel(&endpoint.url());
    section["severities"] = json!(["warning", "critical", "unknown"]);
    let folder = settings(&section);
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
         this webhook is gone, put a new one's address into webhook_url; kept in DIR/spool, with 0 behind it\n",
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
        "handler-slack: not delivered to 127.0.0.1: it answered 403 Forbidden; kept in DIR/spool, with 0 behind it\n",
    );
}

#[test]
fn a_redirect_is_no_delivery() {
    let moved = Answer::Http("302 Found", "location: /login\r\n", "");
    let (output, requests) = deliver(&[moved, OK], &json!({}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: it answered 302 Found; kept in DIR/spool, with 0 behind it\n",
    );
    assert_eq!(requests, 1);
}

#[test]
fn a_connection_that_closes_is_tried_to_the_end() {
    let (output, requests) = deliver(&[Answer::Close], &json!({"webhook_retries": 2}));
    assert_ends(
        &output,
        1,
        "handler-slack: not delivered to 127.0.0.1: Peer disconnected (3 tries); kept in DIR/spool, with 0 behind it\n",
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
        "handler-slack: not delivered to 127.0.0.1: no answer within 1 s (2 tries); kept in DIR/spool, with 0 behind it\n",
    );
    assert_eq!(requests, 2);
}

#[test]
fn nobody_listening_is_one_line() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let section = sensu_channel(&format!("http://{address}/services/topsecret"));
    let folder = settings(&section);
    assert_ends(
        &run(&folder, &event(1, "o")),
        1,
        &format!(
            "handler-slack: not delivered to 127.0.0.1: Connection refused (os error 111) \
             (6 tries); kept in {}/spool, with 0 behind it\n",
            folder.path().display()
        ),
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
        "handler-slack: not delivered to 127.0.0.1: the answer is not HTTP; kept in DIR/spool, with 0 behind it\n",
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
fn a_misspelt_setting_or_a_template_that_is_not_there_is_named_and_the_message_sent() {
    let (output, requests) = deliver(&[OK], &json!({"chanel": "#x", "template": "/t.erb"}));
    assert_ends(
        &output,
        0,
        "handler-slack: slack.chanel is no setting: ignored\n\
         handler-slack: cannot read the template /t.erb: No such file or directory (os error 2): \
         the default message is sent\n",
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
    let spool = folders[0].path().join("spool");
    let secret = json!({
        "other": {"webhook_url": endpoint.url(), "channel": "#file", "spool_dir": spool},
    });
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
    let spool = json!({"slack": {"spool_dir": folder.path().join("spool")}});
    fs::write(folder.path().join("try/spool.json"), spool.to_string()).unwrap();
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

#[test]
fn a_dry_run_shows_the_payload_or_why_there_is_none() {
    let folder = settings(&json!({"webhook_url": "https://h/topsecret", "bot_name": "sensu"}));
    let dry = |input: &str| {
        run_with(
            &[&crate::from(&folder)[..], &["--dry-run"]].concat(),
            input.as_bytes(),
        )
    };
    let shown = dry(&event(1, "o"));
    let payload: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(payload["username"], "sensu");
    assert_eq!(shown.status.code(), Some(0));
    assert_ends(
        &dry(&event(3, "o")),
        0,
        "handler-slack: nothing would be sent: its severity is not one of severities\n",
    );
    assert!(!folder.path().join("spool").exists());
    // As the real run would do with a template that fails.
    let folder = settings(&json!({"webhook_url": "https://h/topsecret", "template": "/t.erb"}));
    let shown = run_with(
        &[&crate::from(&folder)[..], &["--dry-run"]].concat(),
        event(1, "o").as_bytes(),
    );
    let payload: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(payload["attachments"][0]["text"].is_string());
    assert_eq!(shown.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&shown.stderr),
        "handler-slack: cannot read the template /t.erb: No such file or directory (os error 2): \
         the default message is sent\n"
    );
}

#[test]
fn a_test_message_says_that_it_is_one() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = settings(&sensu_channel(&endpoint.url()));
    let output = run_with(&[&crate::from(&folder)[..], &["--test"]].concat(), b"");
    assert_ends(&output, 0, "");
    let text = endpoint.requests()[0].body["attachments"][0]["text"].to_string();
    assert!(
        text.contains("/handler-slack: a test, nothing is wrong"),
        "{text}"
    );
}

#[test]
fn the_environment_wins_over_the_settings() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = settings(&sensu_channel("http://127.0.0.1:1/topsecret"));
    let mut child = command(PROGRAM);
    child
        .args(crate::from(&folder))
        .env("SLACK_WEBHOOK_URL", endpoint.url())
        .env("SLACK_CHANNEL", "#env")
        .stdin(fs::File::open(write(&folder, "event", &event(1, "o"))).unwrap());
    assert!(child.status().unwrap().success());
    assert_eq!(endpoint.requests()[0].body["channel"], "#env");
}

fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn without_a_spool_the_message_is_sent_all_the_same() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = settings(&sensu_channel(&endpoint.url()));
    // A file in the place of the folder.
    write(&folder, "spool", "");
    let output = run(&folder, &event(1, "o"));
    let said = format!(
        "handler-slack: cannot make the spool {}/spool: File exists (os error 17): \
         delivered at once, or not at all\n",
        folder.path().display()
    );
    assert_ends(&output, 0, &said);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn tls_is_verified() {
    let (Some(certificates), Some(others)) = (Certificates::make(), Certificates::make()) else {
        return;
    };
    let endpoint = Endpoint::with_tls(&[OK], &certificates);
    let try_it = |url: &str, cacert: Option<&Path>| {
        let mut section = sensu_channel(url);
        section["cacert"] = json!(cacert);
        if cacert.is_none() {
            section.as_object_mut().unwrap().remove("cacert");
        }
        let folder = settings(&section);
        let output = run(&folder, &event(1, "o"));
        let said = String::from_utf8(output.stderr).unwrap();
        let dir = folder.path().to_str().unwrap();
        (output.status.code().unwrap(), said.replace(dir, "DIR"))
    };
    let ours = certificates.path("ca.pem");
    assert_eq!(try_it(&endpoint.url(), Some(&ours)), (0, String::new()));
    let kept = "; kept in DIR/spool, with 0 behind it\n";
    let no = |why: &str| (1, format!("handler-slack: not delivered to {why}{kept}"));
    // Mozilla's authorities have not signed it, nor have others.
    for (unknown, why) in [
        (None, "UnknownIssuer"),
        (Some(others.path("ca.pem")), "BadSignature"),
    ] {
        assert_eq!(
            try_it(&endpoint.url(), unknown.as_deref()),
            no(&format!(
                "127.0.0.1: TLS: invalid peer certificate: {why}: see the setting cacert"
            ))
        );
    }
    let by_name = endpoint.url().replace("127.0.0.1", "localhost");
    let (code, said) = try_it(&by_name, Some(&ours));
    let wrong_name = "localhost: TLS: invalid peer certificate: certificate not valid for name";
    assert!(code == 1 && said.contains(wrong_name), "{said}");
    assert_eq!(
        try_it(&endpoint.url(), Some(Path::new("/dev/null"))),
        no("127.0.0.1: cannot use /dev/null of the setting cacert: it holds no certificate")
    );
    let plain = Endpoint::start(&[OK]);
    let url = plain.url().replace("http:", "https:");
    let (code, said) = try_it(&url, Some(&ours));
    assert!(code == 1 && said.contains("127.0.0.1: "), "{said}");
    assert_eq!(plain.requests().len(), 0);
    assert_eq!(endpoint.requests().len(), 1);
}

/// A proxy that lets one connection through, to this endpoint whatever is asked for; gives the head
/// of the request for it.
fn proxy(to: &Endpoint) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = to.url();
    let target = url.split('/').nth(2).unwrap().to_owned();
    let thread = std::thread::spawn(move || {
        let (mut near, _) = listener.accept().unwrap();
        let mut head = String::new();
        let mut reader = BufReader::new(near.try_clone().unwrap());
        while reader.read_line(&mut head).unwrap() > 2 {}
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let far = TcpStream::connect(target).unwrap();
        let (mut from, mut to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let back = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        std::io::copy(&mut near, &mut &far).unwrap();
        back.join().unwrap().unwrap();
        head
    });
    (port, thread)
}

#[test]
fn through_a_proxy() {
    let endpoint = Endpoint::start(&[OK]);
    let (port, proxy) = proxy(&endpoint);
    let mut section = sensu_channel("http://slack.invalid/services/topsecret");
    section["proxy_address"] = json!("127.0.0.1");
    section["proxy_port"] = json!(port);
    section["proxy_username"] = json!("sensu");
    section["proxy_password"] = json!("topsecret");
    let output = run(&settings(&section), &event(1, "o"));
    assert_ends(&output, 0, "");
    let head = proxy.join().unwrap();
    assert!(
        head.starts_with("CONNECT slack.invalid:80 HTTP/1.1\r\n"),
        "{head}"
    );
    // sensu:topsecret
    let login = "Basic c2Vuc3U6dG9wc2VjcmV0\r\n";
    assert!(
        head.to_lowercase().contains("proxy-authorization"),
        "{head}"
    );
    assert!(head.contains(login), "{head}");
    assert_eq!(endpoint.requests().len(), 1);
}
