//! With a bot's token: what an incident is told in.

use crate::queue::{of, once, told};
use crate::{assert_ends, from, run, run_with};
use serde_json::{Value, json};
use tempfile::TempDir;
use venus_tests::endpoint::{Answer, Endpoint, Request};

/// What Slack's Web API answers.
const POSTED: Answer = Answer::Http("200 OK", "", r#"{"ok":true,"channel":"C1","ts":"17.5"}"#);

#[test]
fn with_a_bot_an_incident_is_one_thread() {
    let endpoint = Endpoint::start(&[POSTED]);
    let folder = once(
        &endpoint,
        &json!({"token": "xoxb-topsecret", "api_url": endpoint.url()}),
    );
    for status in [1, 2, 0, 1] {
        assert_ends(&run(&folder, &of("a", status, &json!({}))), 0, "");
    }
    let requests = endpoint.requests();
    let calls: Vec<String> = requests
        .iter()
        .map(|request| {
            let method = request.line.split(['/', ' ']).rev().nth(2).unwrap();
            let body = &request.body;
            let thread = body.get("thread_ts").or(body.get("ts"));
            let to = body["channel"].as_str().unwrap();
            format!(
                "{method} {to} {}",
                thread.and_then(Value::as_str).unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            "chat.postMessage #sensu -",
            "chat.update C1 17.5",
            "chat.postMessage C1 17.5",
            "chat.update C1 17.5",
            "chat.postMessage C1 17.5",
            "chat.postMessage #sensu -",
        ]
    );
    let words = ["WARNING", "CRITICAL", "CRITICAL", "OK", "OK", "WARNING"];
    let told = told(&requests);
    assert_eq!(told, words.map(|word| format!("a {word}")));
}

#[test]
fn what_the_web_api_refuses_is_said_with_what_to_do() {
    let no = Answer::Http("200 OK", "", r#"{"ok":false,"error":"channel_not_found"}"#);
    let endpoint = Endpoint::start(&[no]);
    let folder = once(
        &endpoint,
        &json!({"token": "xoxb-topsecret", "api_url": endpoint.url()}),
    );
    let said = format!(
        "handler-slack: not delivered to 127.0.0.1: it answered 200 OK channel_not_found: \
         see the setting channel, and slack_channel of client and check; kept in {}/spool, with 0 behind it\n",
        folder.path().display()
    );
    assert_ends(&run(&folder, &of("a", 1, &json!({}))), 1, &said);
}

/// Settings of a bot at this endpoint.
fn bot(endpoint: &Endpoint) -> TempDir {
    let url = endpoint.url();
    once(
        endpoint,
        &json!({"token": "xoxb-topsecret", "api_url": url}),
    )
}

/// `post`, `answer` or `change`, for each.
fn acts(requests: &[Request]) -> Vec<&'static str> {
    let act = |request: &Request| match &request.body {
        body if body.get("thread_ts").is_some() => "answer",
        body if body.get("ts").is_some() => "change",
        _ => "post",
    };
    requests.iter().map(act).collect()
}

#[test]
fn what_cannot_be_changed_or_answered_to_is_told_all_the_same() {
    let no = |body| Answer::Http("200 OK", "", body);
    let too_old = no(r#"{"ok":false,"error":"edit_window_closed"}"#);
    let unknown = no(r#"{"ok":false,"error":"a_word_of_tomorrow"}"#);
    let no_thread = no(r#"{"ok":false,"error":"thread_not_found"}"#);
    let gone = no(r#"{"ok":false,"error":"message_not_found"}"#);
    for (answers, wanted) in [
        (
            vec![POSTED, too_old, POSTED],
            vec!["post", "change", "answer", "answer"],
        ),
        (
            vec![POSTED, unknown, POSTED],
            vec!["post", "change", "answer", "answer"],
        ),
        (
            vec![POSTED, unknown, no_thread, POSTED],
            vec!["post", "change", "answer", "post", "change", "answer"],
        ),
        (
            vec![POSTED, gone, POSTED],
            vec!["post", "change", "post", "change", "answer"],
        ),
    ] {
        let endpoint = Endpoint::start(&answers);
        let folder = bot(&endpoint);
        for status in [1, 2, 0] {
            assert_ends(&run(&folder, &of("a", status, &json!({}))), 0, "");
        }
        assert_eq!(acts(&endpoint.requests()), wanted);
    }
}

#[test]
fn a_token_that_is_gone_stops_all_until_it_is_mended() {
    let gone = Answer::Http("200 OK", "", r#"{"ok":false,"error":"token_revoked"}"#);
    let endpoint = Endpoint::start(&[POSTED, gone, POSTED]);
    let folder = bot(&endpoint);
    for (status, code) in [(1, 0), (2, 1), (0, 0)] {
        let event = of("a", status, &json!({}));
        assert_eq!(run(&folder, &event).status.code(), Some(code));
    }
    let requests = endpoint.requests();
    // What was refused comes before the next.
    let wanted = ["post", "change", "change", "answer", "change", "answer"];
    assert_eq!(acts(&requests), wanted);
    assert_eq!(told(&requests[4..]), ["a OK", "a OK"]);
}

#[test]
fn another_incident_is_another_thread_although_the_end_of_the_first_was_never_heard_of() {
    let both = |id: &str, last_ok: u32| json!({"id": id, "last_ok": last_ok});
    for [first, more_of_it, other] in [
        // Of an old server, of Sensu Go, of Sensu Core, and of the embedded agent.
        [
            json!({"id": "one"}),
            json!({"id": "one"}),
            json!({"id": "two"}),
        ],
        [
            json!({"last_ok": 1}),
            json!({"last_ok": 1}),
            json!({"last_ok": 2}),
        ],
        [both("one", 1), both("one", 1), both("two", 2)],
        [both("one", 1), both("another", 1), both("two", 2)],
    ] {
        let endpoint = Endpoint::start(&[POSTED]);
        let folder = bot(&endpoint);
        for (status, more) in [(1, &first), (2, &more_of_it), (1, &other), (0, &other)] {
            assert_ends(&run(&folder, &of("a", status, more)), 0, "");
        }
        let acts = acts(&endpoint.requests());
        assert_eq!(
            acts,
            ["post", "change", "answer", "post", "change", "answer"]
        );
    }
}

#[test]
fn a_token_without_a_channel_is_an_error_at_once() {
    let folder = crate::settings(&json!({"token": "xoxb-topsecret"}));
    assert_ends(
        &run_with(&from(&folder), of("a", 2, &json!({})).as_bytes()),
        2,
        "handler-slack: slack.token needs a channel: add \"channel\": \"#...\" to slack\n",
    );
}
