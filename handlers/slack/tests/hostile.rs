//! Events that mean harm, or nothing: a payload that is data, or one clear line.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_slack::message::{self, Message};
use handler_slack::settings::Settings;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use venus_event::Event;
use venus_settings::Sources;

fn settings(more: &Value) -> Settings {
    let mut section = json!({"webhook_url": "https://h/", "fields": ["x", "tags", "y.z"]});
    let more = more.as_object().unwrap().clone();
    section.as_object_mut().unwrap().extend(more);
    let all = json!({ "slack": section }).as_object().unwrap().clone();
    Settings::from_section(all, "slack", &Sources::default(), &|_| None).unwrap()
}

/// What means something to Slack, to JSON, to a terminal, or to nobody.
const PIECES: [&str; 28] = [
    "<!channel>",
    "<!here>",
    "<@U123>",
    "<#C1>",
    "<http://x|y>",
    "@here",
    "@channel",
    "```",
    "`",
    ">",
    "\n> ",
    "&lt;",
    "&",
    "*",
    "_",
    "~",
    "\"",
    "\\",
    "\u{0}",
    "\u{1b}[31m",
    "\t",
    "{{ x }}",
    "{% if %}",
    "é",
    "☃\u{fe0f}",
    "\u{202e}",
    "plain",
    ",n[1-3],",
];

/// Text that is made of these, now and then very long.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        20 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => Just("long ".repeat(2000)),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// What an attribute may be: at most a list, or an object of one of them.
fn attribute() -> impl Strategy<Value = Value> {
    let list = || prop::collection::vec(text(), 0..4);
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
        list().prop_map(Value::from),
        (text(), list())
            .prop_map(|(text, list)| json!({"containers": list, "jobs": text, "z": text})),
    ]
}

/// An event of this client.
fn named(client: &str) -> Event {
    let event = json!({"client": {"name": client}, "check": {"name": "k", "status": 2}});
    Event::from_json(event.to_string().as_bytes()).unwrap()
}

prop_compose! {
    fn event()(
        names in [text(), text()],
        status in any::<i64>(),
        output in text(),
        more in [attribute(), attribute(), attribute(), attribute()],
    ) -> Event {
        let [client, check] = names;
        let [address, subscriptions, tags, context] = more;
        let event = json!({
            "client": {
                "name": client, "address": address, "subscriptions": subscriptions, "x": tags,
            },
            "check": {"name": check, "status": status, "output": output, "context": context},
        });
        Event::from_json(event.to_string().as_bytes()).unwrap()
    }
}

/// Nothing in it that Slack would obey, and no more than Slack takes.
fn is_data(message: &Message) -> Result<(), TestCaseError> {
    let attachments = message.payload["attachments"].as_array().unwrap();
    prop_assert!(attachments.len() <= 100);
    for attachment in attachments {
        let mut texts = vec![&attachment["title"], &attachment["text"]];
        for field in attachment["fields"].as_array().unwrap() {
            texts.push(&field["value"]);
        }
        for text in texts.into_iter().filter_map(Value::as_str) {
            prop_assert!(text.chars().count() <= 4000, "{}", text.chars().count());
            prop_assert!(!text.contains('<') && !text.contains('`'), "{text}");
            prop_assert!(
                !text.contains("@here") && !text.contains("@channel"),
                "{text}"
            );
        }
    }
    Ok(())
}

/// A template whose every value is the event's.
fn template(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// All that a payload would show.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(object) => object.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Without what the admin has put around each text.
fn without_surround(mut message: Message, surround: &str) -> Message {
    for attachment in message.payload["attachments"].as_array_mut().unwrap() {
        let text = attachment["text"].as_str().unwrap();
        let inside = text.strip_prefix(surround).unwrap();
        attachment["text"] = json!(inside.strip_suffix(surround).unwrap());
    }
    message
}

#[test]
fn how_many_have_no_room_in_a_group_is_said() {
    // Names that have nothing in common.
    let letters = |number: u32| -> String {
        let digits = number.to_string().into_bytes().into_iter();
        digits
            .map(|digit| char::from(digit - b'0' + b'a'))
            .collect()
    };
    let events: Vec<Event> = (0..3001)
        .map(|number| named(&format!("{}{}", letters(number), "x".repeat(180))))
        .collect();
    let message = &message::of_group(&events, &settings(&json!({})))[0];
    let attachments = message.payload["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 99);
    let (last, others) = attachments.split_last().unwrap();
    let names: usize = others
        .iter()
        .map(|one| one["text"].as_str().unwrap().split(',').count())
        .sum();
    let said = format!(
        "and {} more, for whose names there is no room",
        3001 - names
    );
    assert_eq!(last["text"], said);
}

proptest! {
    #[test]
    fn nothing_of_an_event_is_obeyed(event in event()) {
        let settings = settings(&json!({"link_names": 1, "surround": "*"}));
        let ticks = Settings { surround: Some("*`*".to_owned()), ..settings };
        for message in message::of_event(&event, &ticks).unwrap() {
            is_data(&without_surround(message, "*`*"))?;
        }
    }

    #[test]
    fn nor_through_a_template(event in event()) {
        let all = "{{ event.client.name }} {{ event.check.output }} {{ event.client.x }} {{ event }}";
        let file = template(all);
        let settings = settings(&json!({
            "link_names": 1, "surround": "`", "template": file.path(),
        }));
        for message in message::of_event(&event, &settings).unwrap() {
            is_data(&without_surround(message, "`"))?;
        }
    }

    #[test]
    fn nor_through_the_template_of_a_payload(event in event()) {
        let file = template(
            r#"{"text": "{{ event.client.name }}{{ event.check.output }}{{ event }}", "parse": "full"}"#,
        );
        let settings = settings(&json!({"payload_template": file.path()}));
        for message in message::of_event(&event, &settings).unwrap() {
            for text in strings(&message.payload) {
                prop_assert!(!text.contains('<') && !text.contains("@here"), "{text}");
                prop_assert!(!text.contains("@channel"), "{text}");
            }
        }
    }

    #[test]
    fn of_a_group_all_names_can_be_read(
        numbers in prop::collection::btree_set((0..5_usize, 0..3000_u32), 2..300),
        surround in 0..1900_usize,
    ) {
        let name = |(kind, number): (usize, u32)| match kind {
            0 => format!("venus{number:04}"),
            1 => format!("r{}n{:02}", number / 100, number % 100),
            2 => format!("{}-{}", "abcdefg".repeat(number as usize % 9), number),
            3 => format!("{number}x{}", number / 7),
            _ => format!("login{}.example.org", char::from(b'a' + (number % 26) as u8)),
        };
        let names: BTreeSet<String> = numbers.into_iter().map(name).collect();
        let events: Vec<Event> = names.iter().map(|name| named(name)).collect();
        let surround = "x".repeat(surround);
        let settings = settings(&json!({ "surround": surround }));
        prop_assume!(events.len() > 1);
        let mut read = Vec::new();
        for message in message::of_group(&events, &settings) {
            for attachment in message.payload["attachments"].as_array().unwrap() {
                let text = attachment["text"].as_str().unwrap();
                prop_assert!(text.chars().count() <= 4000);
                let text = text.strip_prefix(&surround).unwrap();
                let list = text.strip_suffix(&surround).unwrap();
                let list = list.split_once(": ").map_or(list, |(_, list)| list);
                match list.strip_prefix("and ") {
                    Some(rest) => {
                        let (unnamed, _) = rest.split_once(" more, for whose names").unwrap();
                        prop_assert_eq!(unnamed.parse(), Ok(names.len() - read.len()));
                        read.clear();
                    }
                    None => read.extend(venus_hostlist::expand(list).unwrap()),
                }
            }
        }
        if !read.is_empty() {
            read.sort();
            prop_assert_eq!(read, names.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nor_of_several(events in prop::collection::vec(event(), 1..20)) {
        let settings = settings(&json!({"link_names": 1}));
        // So that backticks are made harmless, as everything else is.
        let ticks = Settings { surround: Some("`".to_owned()), ..settings };
        for message in message::of_group(&events, &ticks) {
            is_data(&without_surround(message, "`"))?;
        }
    }

    #[test]
    fn no_input_makes_it_panic(bytes: Vec<u8>, text in "[\\[\\]{}\":,a-z0-9]{0,40}") {
        drop(Event::from_json(&bytes));
        drop(Event::from_json(text.as_bytes()));
    }
}
