//! Many events, many processes: in order, none lost, none twice, and what is kept back.

use crate::{assert_ends, end, event, from, run, sensu_channel, settings, start};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use tempfile::TempDir;
use venus_tests::endpoint::{Answer, Endpoint, OK, Request};
use venus_tests::port;
use venus_tests::program::wait_until;

/// Closed as soon as it is accepted.
pub(crate) const DOWN: Answer = Answer::Close;

/// An event of this client, like those of [`event`].
pub(crate) fn of(client: &str, status: i64, more: &Value) -> String {
    let mut whole: Value = serde_json::from_str(&event(status, "o")).unwrap();
    whole["client"]["name"] = json!(client);
    let more = more.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(more);
    whole.to_string()
}

/// Settings for this endpoint, and no second try.
pub(crate) fn once(endpoint: &Endpoint, more: &Value) -> TempDir {
    let mut section = sensu_channel(&endpoint.url());
    section["webhook_retries"] = json!(0);
    let more = more.as_object().unwrap().clone();
    section.as_object_mut().unwrap().extend(more);
    settings(&section)
}

/// The `CLIENT WORD` of each message: what its text begins with and its title ends with.
pub(crate) fn told(requests: &[Request]) -> Vec<String> {
    let attachments = requests
        .iter()
        .map(|request| &request.body["attachments"][0]);
    attachments
        .map(|attachment| {
            let text = attachment["text"].as_str().unwrap().trim_start();
            let title = attachment["title"].as_str().unwrap();
            let client = text.split('/').next().unwrap();
            format!("{client} {}", title.rsplit(' ').next().unwrap())
        })
        .collect()
}

#[test]
fn what_could_not_be_sent_goes_out_before_the_next_in_order() {
    let endpoint = Endpoint::start(&[DOWN, DOWN, OK]);
    let folder = once(&endpoint, &json!({}));
    for (client, behind) in [("a", 0), ("b", 1)] {
        let said = format!(
            "handler-slack: not delivered to 127.0.0.1: Peer disconnected; \
             kept in {}/spool, with {behind} behind it\n",
            folder.path().display()
        );
        assert_ends(&run(&folder, &of(client, 2, &json!({}))), 1, &said);
    }
    assert_ends(&run(&folder, &of("a", 0, &json!({}))), 0, "");
    let requests = endpoint.requests();
    assert_eq!(told(&requests[2..]), ["a CRITICAL", "b CRITICAL", "a OK"]);
}

/// Of each client in the order of its events, and each of them once.
#[test]
fn a_hundred_events_while_slack_is_away_all_come_afterwards() {
    let [port] = port::free();
    let mut section = sensu_channel(&format!("http://127.0.0.1:{port}/services/topsecret"));
    section["webhook_retries"] = json!(0);
    let folder = settings(&section);
    // Ten at a time, each of another client.
    let statuses = [1, 2, 0, 2, 0, 1, 0, 2, 1, 0];
    for status in statuses {
        let children: Vec<_> = (0..10)
            .map(|number| {
                let event = of(&format!("venus{number:03}"), status, &json!({}));
                start(&from(&folder), event.as_bytes())
            })
            .collect();
        for child in children {
            // Who had the turn could not deliver, the others left it to them.
            assert!(matches!(end(child).status.code(), Some(0 | 1)));
        }
    }
    let endpoint = Endpoint::start_at(port, &[OK]);
    assert_ends(&run(&folder, &of("last", 2, &json!({}))), 0, "");
    let mut of_clients: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for told in told(&endpoint.requests()) {
        let (client, word) = told.split_once(' ').unwrap();
        let words = of_clients.entry(client.to_owned()).or_default();
        words.push(word.to_owned());
    }
    assert_eq!(of_clients.remove("last").unwrap(), ["CRITICAL"]);
    assert_eq!(of_clients.len(), 10);
    let words =
        statuses.map(|status| ["OK", "WARNING", "CRITICAL"][usize::try_from(status).unwrap()]);
    for (client, told) in of_clients {
        assert_eq!(told, words, "{client}");
    }
}

#[test]
fn what_slack_refuses_for_what_it_is_stops_nobody() {
    let refusal = Answer::Http("400 Bad Request", "", "invalid_payload");
    let endpoint = Endpoint::start(&[DOWN, refusal, OK]);
    let folder = once(&endpoint, &json!({}));
    assert_eq!(run(&folder, &of("a", 2, &json!({}))).status.code(), Some(1));
    assert_ends(
        &run(&folder, &of("b", 2, &json!({}))),
        1,
        "handler-slack: not delivered to 127.0.0.1: it answered 400 Bad Request invalid_payload\n\
         handler-slack: 1 message was refused, and gone: a/keepalive CRITICAL\n",
    );
    let requests = endpoint.requests();
    assert_eq!(told(&requests[2..]), ["b CRITICAL"]);
}

#[test]
fn side_by_side_each_is_sent_once() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = once(&endpoint, &json!({}));
    let children: Vec<_> = (0..200)
        .map(|number| {
            let event = of(&format!("venus{number:03}"), 2, &json!({}));
            start(&from(&folder), event.as_bytes())
        })
        .collect();
    for child in children {
        assert_ends(&end(child), 0, "");
    }
    let mut told = told(&endpoint.requests());
    told.sort();
    let all: Vec<String> = (0..200)
        .map(|number| format!("venus{number:03} CRITICAL"))
        .collect();
    assert_eq!(told, all);
}

#[test]
fn an_end_is_told_if_the_beginning_was() {
    let endpoint = Endpoint::start(&[OK]);
    let folder = once(&endpoint, &json!({}));
    let silenced = json!({"silenced": true});
    for (client, status, more) in [
        // Silenced from its beginning to its end, or until just before.
        ("a", 2, &silenced),
        ("a", 0, &json!({})),
        ("b", 2, &json!({})),
        // Not by its severity, and nothing is left of it either.
        ("c", 3, &json!({})),
        ("c", 0, &json!({})),
        ("c", 2, &json!({})),
        ("b", 0, &json!({})),
        ("d", 2, &json!({"occurrences": 2})),
        ("e", 2, &json!({"action": "flapping"})),
        ("e", 2, &json!({"action": "flapping", "occurrences": 2})),
    ] {
        assert_ends(&run(&folder, &of(client, status, more)), 0, "");
    }
    let told = told(&endpoint.requests());
    assert_eq!(told, ["b CRITICAL", "c CRITICAL", "b OK", "e CRITICAL"]);
}

/// All clients of a cluster lose their keepalive at once, and get it back. However long it takes to
/// start them: the first message is not answered before all others have handed over.
#[test]
fn a_thousand_clients_at_once_are_one_story() {
    let endpoint = Endpoint::start(&[OK]);
    let more = json!({"group_window": 1, "message_prefix": null, "webhook_timeout": 3600});
    let folder = once(&endpoint, &more);
    for (status, word) in [(2, "CRITICAL"), (0, "OK")] {
        let before = endpoint.arrived();
        endpoint.hold();
        let children: Vec<_> = (1..=1000)
            .map(|number| {
                let event = of(&format!("venus{number:04}"), status, &json!({}));
                start(&from(&folder), event.as_bytes())
            })
            .collect();
        let children = RefCell::new(children);
        wait_until(|| {
            let mut children = children.borrow_mut();
            let ended = children
                .iter_mut()
                .filter_map(|child| child.try_wait().unwrap());
            ended.count() >= 999
        });
        endpoint.let_go();
        for child in children.into_inner() {
            assert_ends(&end(child), 0, "");
        }
        let messages = endpoint.arrived() - before;
        assert!((1..=3).contains(&messages), "{messages} messages {word}");
    }
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in endpoint.requests() {
        for attachment in request.body["attachments"].as_array().unwrap() {
            let text = attachment["text"].as_str().unwrap();
            let title = attachment["title"].as_str().unwrap();
            let (_, word) = title.rsplit_once(' ').unwrap();
            let these = match text.split_once(" keepalive: ") {
                Some((head, list)) => {
                    let these = venus_hostlist::expand(list).unwrap();
                    let (count, _) = head.split_once(" clients ").unwrap();
                    assert_eq!(these.len().to_string(), count);
                    these
                }
                // One that came alone.
                None => vec![text.split_once('/').unwrap().0.to_owned()],
            };
            names.entry(word.to_owned()).or_default().extend(these);
        }
    }
    for word in ["CRITICAL", "OK"] {
        let mut names = names.remove(word).unwrap();
        names.sort();
        let all: Vec<String> = (1..=1000)
            .map(|number| format!("venus{number:04}"))
            .collect();
        assert_eq!(names, all, "{word}");
    }
}

#[test]
fn a_group_names_its_clients_and_what_some_of_them_said() {
    let endpoint = Endpoint::start(&[DOWN, OK]);
    let folder = once(&endpoint, &json!({"group_window": 1}));
    // They wait together, as the first try fails.
    for (number, code) in [(1, 1), (2, 0)] {
        let event = of(&format!("venus{number:03}"), 2, &json!({}));
        assert_eq!(run(&folder, &event).status.code(), Some(code));
    }
    let requests = endpoint.requests();
    let attachment = &requests[1].body["attachments"][0];
    assert_eq!(attachment["title"], "2 clients - CRITICAL");
    assert_eq!(
        attachment["text"],
        " 2 clients CRITICAL keepalive: venus[001-002]"
    );
    let fields = json!([
        {"title": "venus001", "value": "o", "short": false},
        {"title": "venus002", "value": "o", "short": false},
    ]);
    assert_eq!(attachment["fields"], fields);
}
