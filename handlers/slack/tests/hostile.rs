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
use venus_event::Event;
use venus_settings::Sources;

fn settings(more: &Value) -> Settings {
    let mut section = json!({"webhook_url": "https://h/", "fields": ["x", "tags", "y.z"]});
    let more = more.as_object().unwrap().clone();
    section.as_object_mut().unwrap().extend(more);
    let all = json!({ "slack": section }).as_object().unwrap().clone();
    Settings::from_section(all, "slack", &Sources::default(), &|_| None).unwrap()
}

/// Text that is made of what means something to Slack, to JSON, to a terminal, and of the rest.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "<!channel>|<!here>|<@U123>|<#C1>|<http://x\\|y>|@here|@channel|```|`|>|&lt;|\\*|_|~",
        "\\PC{0,20}",
        "[\\x00-\\x1f\"\\\\{}%]{0,5}",
        Just("long ".repeat(2000)),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn json_of(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

prop_compose! {
    fn event()(
        names in [text(), text()],
        status in any::<i64>(),
        output in text(),
        more in [json_of(2), json_of(2), json_of(2), json_of(2)],
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

/// Without what the admin has put around each text.
fn without_surround(mut message: Message, surround: &str) -> Message {
    for attachment in message.payload["attachments"].as_array_mut().unwrap() {
        let text = attachment["text"].as_str().unwrap();
        let inside = text.strip_prefix(surround).unwrap();
        attachment["text"] = json!(inside.strip_suffix(surround).unwrap());
    }
    message
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
