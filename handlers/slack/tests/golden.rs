//! The payloads that the community's Ruby handler really sends, captured from it:
//! ours are the same but for what is listed here, each with its reason.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_slack::message;
use handler_slack::settings::Settings;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use venus_event::Event;
use venus_settings::Sources;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/slack");

/// What the original's template leaves behind the subscriptions. We trim it.
const TEMPLATE_TAIL: &str = "\n                 ";

/// The default message of the cases with fields or templates.
const DEFAULT_TEXT: &str = "docker1/keepalive: o : 10.0.2.15 : physical";

struct Case {
    name: String,
    sent: Value,
    ours: Value,
    warnings: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(FIXTURES)
        .unwrap()
        .map(|entry| case(&entry.unwrap().path()))
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn case(path: &Path) -> Case {
    let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut section = golden["settings"].as_object().unwrap().clone();
    // The capture has a word for the address, and the template file inline.
    section.insert("webhook_url".into(), json!("https://hooks.slack.com/x"));
    let template = section.shift_remove("template_text");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        file.path(),
        template
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
    .unwrap();
    for name in ["template", "message_template", "payload_template"] {
        if let Some(path) = section.get_mut(name) {
            *path = json!(file.path());
        }
    }
    let all = [("slack".to_owned(), Value::Object(section))];
    let settings = Settings::from_section(
        all.into_iter().collect(),
        "slack",
        &Sources::default(),
        &|_| None,
    )
    .unwrap();
    let event = Event::from_json(golden["event"].to_string().as_bytes()).unwrap();
    Case {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        sent: golden["sent"][0].clone(),
        ours: message::of_event(&event, &settings).unwrap()[0]
            .payload
            .clone(),
        warnings: settings.warnings,
    }
}

/// What we send where the original's payload is not to be had.
fn better(name: &str, sent: &Value) -> Option<Value> {
    let with = |key: &str, value: Value| {
        let mut payload = sent.clone();
        payload["attachments"][0][key] = value;
        Some(payload)
    };
    let message = |color: &str, fields: Value| {
        json!({
            "icon_url": "https://raw.githubusercontent.com/sensu/sensu-logo/master/sensu1_flat%20white%20bg_png.png",
            "attachments": [{
                "title": if color == "#FF0000" { "10.0.2.15 - CRITICAL" } else { "10.0.2.15 - WARNING" },
                "text": DEFAULT_TEXT, "color": color, "fields": fields,
            }],
            "channel": "#sensu", "username": "sensu", "icon_emoji": ":sensu:",
        })
    };
    let long = "long ".repeat(30);
    match name {
        // Text is data: markup is escaped as Slack wants it, quotes are not.
        "markup" => with(
            "text",
            json!("docker1/keepalive: &lt;b&gt; &amp; \"q\" `t` é ☃ : 10.0.2.15 : physical"),
        ),
        // The slash that the setting lacks is added.
        "dashboard" => with(
            "text",
            json!(
                "<https://uchiwa/#/client/Default/docker1?check=keepalive|docker1/keepalive>: \
                 o : 10.0.2.15 : physical"
            ),
        ),
        // The original looks at the client alone; the check's attributes are there too.
        "fields-strings" => with(
            "fields",
            json!([
                {"title": "datacenter", "value": "dc1", "short": true},
                {"title": "absent", "value": null, "short": true},
                {"title": "check_attr", "value": long, "short": false},
            ]),
        ),
        // The original crashes on the number and sends nothing.
        "fields" => Some(message(
            "#FF0000",
            json!([
                {"title": "datacenter", "value": "dc1", "short": true},
                {"title": "rack", "value": "7", "short": true},
                {"title": "list", "value": "a, b", "short": true},
                {"title": "absent", "value": null, "short": true},
                {"title": "check_attr", "value": long, "short": false},
            ]),
        )),
        // Whatever the settings let Slack look for, a check's output is data.
        "link-names" => with(
            "text",
            json!("docker1/keepalive: @\u{200b}here o : 10.0.2.15 : physical"),
        ),
        // Slack recommends 4,000 characters at most.
        "long-output" => {
            let whole = sent.pointer("/attachments/0/text")?.as_str()?;
            let (before, after) = ("docker1/keepalive: ", " : 10.0.2.15 : physical");
            let output = whole.strip_prefix(before)?.strip_suffix(after)?;
            let note = format!(" … (cut, {} characters)", output.chars().count());
            let room = 4000
                - [before, after, &note]
                    .map(|part| part.chars().count())
                    .iter()
                    .sum::<usize>();
            let kept: String = output.chars().take(room).collect();
            with("text", json!(format!("{before}{kept}{note}{after}")))
        }
        // One line shows what they are.
        "metric-type" => with(
            "text",
            json!("docker1/keepalive: a.b 1 1 : 10.0.2.15 : physical"),
        ),
        _ => None,
    }
}

/// The payload that we mean to send for a case.
fn wanted(case: &Case) -> Value {
    let mut sent = case.sent.clone();
    if let Some(text) = sent.pointer_mut("/attachments/0/text") {
        *text = json!(text.as_str().unwrap().replace(TEMPLATE_TAIL, ""));
    }
    better(&case.name, &sent).unwrap_or(sent)
}

#[test]
fn every_captured_payload_is_ours_but_for_the_listed_ones() {
    let cases = cases();
    assert_eq!(cases.len(), 33);
    for case in &cases {
        assert_eq!(case.ours, wanted(case), "{}", case.name);
    }
}

#[test]
fn keys_are_sent_in_the_order_of_the_original() {
    for case in cases() {
        // `Value` compares without order, its text does not.
        assert_eq!(case.ours.to_string(), wanted(&case).to_string());
    }
}

#[test]
fn no_setting_of_the_original_is_unknown() {
    for case in cases() {
        assert_eq!(case.warnings, [""; 0], "{}", case.name);
    }
}
