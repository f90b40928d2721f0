//! Several channels, and those that Slack does not know.

use crate::queue::{DOWN, of, once, told};
use crate::{assert_ends, run};
use serde_json::{Value, json};
use venus_tests::endpoint::{Answer, Endpoint, OK, Request};

const NO_CHANNEL: Answer = Answer::Http("404 Not Found", "", "channel_not_found");

/// `CHANNEL CLIENT WORD` for each.
fn told_where(requests: &[Request]) -> Vec<String> {
    let told = told(requests).into_iter().zip(requests);
    told.map(|(told, request)| {
        let channel = request.body["channel"].as_str().unwrap_or("-");
        format!("{channel} {told}")
    })
    .collect()
}

/// An event of a client with channels of its own.
fn own(client: &str, channels: &str) -> String {
    let mut event: Value = serde_json::from_str(&of(client, 2, &json!({}))).unwrap();
    event["client"]["slack_channel"] = json!(channels);
    event.to_string()
}

#[test]
fn a_channel_that_is_wrong_costs_one_message_its_place_and_nobody_a_word() {
    let endpoint = Endpoint::start(&[NO_CHANNEL, OK]);
    let folder = once(&endpoint, &json!({}));
    let why = "not delivered to 127.0.0.1: it answered 404 Not Found channel_not_found: \
               see the setting channel, and slack_channel of client and check";
    let said = format!("handler-slack: #wrong: {why}\n");
    assert_ends(&run(&folder, &own("a", "#wrong")), 0, &said);
    assert_ends(&run(&folder, &of("b", 2, &json!({}))), 0, "");
    let requests = endpoint.requests();
    let wanted = [
        "#wrong a CRITICAL",
        "#sensu a CRITICAL",
        "#sensu b CRITICAL",
    ];
    assert_eq!(told_where(&requests), wanted);
    let word = &requests[1].body["attachments"][1]["text"];
    assert_eq!(*word, format!(" This was meant for #wrong: {why}"));
}

#[test]
fn an_empty_name_is_no_channel() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = once(&endpoint, &json!({}));
    for channels in ["#a,", " , ", ""] {
        assert_ends(&run(&folder, &own("a", channels)), 0, "");
    }
    let wanted = ["#a a CRITICAL", "#sensu a CRITICAL", "#sensu a CRITICAL"];
    assert_eq!(told_where(&endpoint.requests()), wanted);
}

#[test]
fn where_one_of_several_is_gone_the_others_get_each_event_once() {
    let endpoint = Endpoint::start(&[OK, NO_CHANNEL, OK, OK, NO_CHANNEL, OK]);
    let folder = once(&endpoint, &json!({"channel": ["#good", "#gone", "#fine"]}));
    for client in ["a", "b"] {
        let output = run(&folder, &of(client, 2, &json!({})));
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("handler-slack: #gone: "));
    }
    let wanted = ["a", "b"].map(|client| {
        ["#good", "#gone", "#fine"].map(|channel| format!("{channel} {client} CRITICAL"))
    });
    assert_eq!(told_where(&endpoint.requests()), wanted.concat());
}

#[test]
fn who_has_a_message_does_not_get_it_again_when_another_has_to_wait() {
    let endpoint = Endpoint::start(&[OK, DOWN, OK]);
    let folder = once(&endpoint, &json!({"channel": ["#a", "#b"]}));
    for (status, code) in [(2, 1), (0, 0)] {
        let event = of("x", status, &json!({}));
        assert_eq!(run(&folder, &event).status.code(), Some(code));
    }
    let wanted = [
        "#a x CRITICAL",
        "#b x CRITICAL",
        "#b x CRITICAL",
        "#a x OK",
        "#b x OK",
    ];
    assert_eq!(told_where(&endpoint.requests()), wanted);
}

#[test]
fn where_the_settings_own_channel_is_refused_all_wait() {
    let endpoint = Endpoint::start(&[NO_CHANNEL, NO_CHANNEL, OK]);
    let folder = once(&endpoint, &json!({}));
    assert_eq!(run(&folder, &own("a", "#wrong")).status.code(), Some(1));
    assert_eq!(run(&folder, &of("b", 2, &json!({}))).status.code(), Some(0));
    let wanted = [
        "#wrong a CRITICAL",
        "#sensu a CRITICAL",
        // Mended meanwhile.
        "#wrong a CRITICAL",
        "#sensu b CRITICAL",
    ];
    assert_eq!(told_where(&endpoint.requests()), wanted);
}
