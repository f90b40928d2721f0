//! The message that an event becomes: the payload of a Slack webhook.

mod fields;
mod group;
mod words;

use crate::settings::{self, Settings};
use crate::template::{self, TemplateError};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use venus_event::{Attributes, Event, Severity};

use fields::{Field, context, field};
pub use group::of_group;
use words::{LONGEST_NAME, Words, cut, percent_encode};

/// The icon where the settings name none, as the community's handler has it.
const DEFAULT_ICON: &str =
    "https://raw.githubusercontent.com/sensu/sensu-logo/master/sensu1_flat%20white%20bg_png.png";

/// The longest text of an attachment, in characters: what Slack recommends at most.
const LONGEST_TEXT: usize = 4000;
/// A message, and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The channel; none where the webhook has one of its own.
    pub channel: Option<String>,
    /// The JSON that is posted.
    pub payload: Value,
}

/// The payload, keys in the original's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Payload {
    /// Address of the icon; shown where there is no `icon_emoji`.
    icon_url: String,
    attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_emoji: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_names: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Attachment {
    title: String,
    text: String,
    /// The bar at the left, by severity.
    color: &'static str,
    fields: Vec<Field>,
}

impl Message {
    /// The same for another channel, with a word on why it is not where it was meant to be.
    #[must_use]
    pub fn instead(&self, channel: Option<&str>, why: &str, settings: &Settings) -> Self {
        let mut payload = self.payload.clone();
        if let Some(object) = payload.as_object_mut() {
            object.shift_remove("channel");
            object.extend(channel.map(|channel| ("channel".to_owned(), json!(channel))));
            let word = json!(about_us(why, settings));
            match object.get_mut("attachments").and_then(Value::as_array_mut) {
                Some(attachments) => attachments.push(word),
                None => {
                    object.insert("attachments".to_owned(), json!([word]));
                }
            }
        }
        Self {
            channel: channel.map(str::to_owned),
            payload,
        }
    }
}

/// The messages for an event, one for each channel.
pub fn of_event(event: &Event, settings: &Settings) -> Result<Vec<Message>, TemplateError> {
    if let Some(path) = &settings.payload_template {
        return Ok(vec![of_template(path, event, Words::of(settings))?]);
    }
    let severity = event.severity();
    let words = Words::of(settings);
    let address = words.name(event.client_address().unwrap_or(""));
    let fields = settings.fields.iter().map(|path| field(event, path, words));
    let attachment = Attachment {
        title: format!("{address} - {severity}"),
        text: text(event, settings)?,
        color: color(severity),
        fields: fields.chain(context(event, words)).collect(),
    };
    Ok(for_each_channel(
        &channels(event, settings),
        &[attachment],
        settings,
    ))
}

/// The same, in this handler's own words where a template fails, which `warn` is told.
pub fn in_any_case(event: &Event, settings: &Settings, warn: &mut dyn FnMut(&str)) -> Vec<Message> {
    of_event(event, settings).unwrap_or_else(|error| {
        warn(&format!("{error}: the default message is sent"));
        let settings = Settings {
            template: None,
            payload_template: None,
            ..settings.clone()
        };
        // Only templates fail.
        of_event(event, &settings).unwrap_or_default()
    })
}

/// Something about this handler itself, for the channels of the settings.
#[must_use]
pub fn of_notice(what: &str, settings: &Settings) -> Vec<Message> {
    for_each_channel(&settings.channels, &[about_us(what, settings)], settings)
}

fn about_us(what: &str, settings: &Settings) -> Attachment {
    let room = LONGEST_TEXT.saturating_sub(framed("", settings).chars().count());
    Attachment {
        title: "handler-slack - WARNING".to_owned(),
        text: framed(&cut(&Words::of(settings).escape(what), room), settings),
        color: color(Severity::Warning),
        fields: Vec::new(),
    }
}

fn for_each_channel(
    channels: &[String],
    attachments: &[Attachment],
    settings: &Settings,
) -> Vec<Message> {
    let to = |channel: Option<&String>| {
        let payload = Payload {
            icon_url: settings
                .icon_url
                .clone()
                .unwrap_or_else(|| DEFAULT_ICON.to_owned()),
            attachments: attachments.to_vec(),
            channel: channel.cloned(),
            username: settings.bot_name.clone(),
            icon_emoji: settings.icon_emoji.clone(),
            link_names: settings.link_names.clone(),
        };
        Message {
            channel: channel.cloned(),
            payload: json!(payload),
        }
    };
    if channels.is_empty() {
        return vec![to(None)];
    }
    channels.iter().map(|channel| to(Some(channel))).collect()
}

/// What the admin's template makes of it, as a whole.
fn of_template(path: &Path, event: &Event, words: Words) -> Result<Message, TemplateError> {
    let mut payload = filled(path, event, words)?;
    // What Slack looks for then are names.
    let is_set = |key| payload.get(key).is_some_and(|value| *value != json!(false));
    if is_set("link_names") || is_set("parse") {
        let words = Words {
            defuses_mentions: true,
            ..words
        };
        payload = filled(path, event, words)?;
    }
    let channel = payload.get("channel").and_then(Value::as_str);
    Ok(Message {
        channel: channel.map(str::to_owned),
        payload,
    })
}

fn filled(path: &Path, event: &Event, words: Words) -> Result<Value, TemplateError> {
    // First for Slack, which reads what JSON holds.
    let escape = move |text: &str| template::in_json(&words.escape(text));
    let text = template::render(path, event, escape)?;
    let failed = |what: String| TemplateError::Payload {
        path: path.to_owned(),
        what,
    };
    let payload: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if payload.is_object() {
        Ok(payload)
    } else {
        Err(failed("it is another kind of JSON".to_owned()))
    }
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "#36a64f",
        Severity::Warning => "#FFCC00",
        Severity::Critical => "#FF0000",
        Severity::Unknown => "#6600CC",
    }
}

/// The client's channels win over the check's, and those over the settings'.
pub(crate) fn channels(event: &Event, settings: &Settings) -> Vec<String> {
    let own = |attributes: &Attributes| {
        let channels = match attributes.get("slack_channel")? {
            Value::String(channels) => settings::names(channels.split(',')),
            Value::Array(channels) => settings::names(channels.iter().filter_map(Value::as_str)),
            _ => Vec::new(),
        };
        Some(channels).filter(|channels| !channels.is_empty())
    };
    own(&event.client)
        .or_else(|| own(&event.check))
        .unwrap_or_else(|| settings.channels.clone())
}

/// `[PREFIX ]CLIENT/CHECK: OUTPUT : ADDRESS : SUBSCRIPTIONS`, or the check's `notification` or the
/// template's words in the place of all that follows the colon.
fn text(event: &Event, settings: &Settings) -> Result<String, TemplateError> {
    let words = Words::of(settings);
    let incident = incident(event, settings.dashboard.as_deref(), words);
    let (said, after) = if let Some(path) = &settings.template {
        let escape = move |text: &str| words.escape(text);
        (template::render(path, event, escape)?, String::new())
    } else if let Some(notification) = event.check.get("notification").and_then(Value::as_str) {
        (words.prose(notification), String::new())
    } else {
        let after = format!(
            " : {} : {}",
            words.name(event.client_address().unwrap_or("")),
            words.field(&event.subscriptions().join(",")),
        );
        (words.prose(output(event)), after)
    };
    let frame = framed("", settings).chars().count();
    let around = frame + incident.chars().count() + 2 + after.chars().count();
    let said = cut(&said, LONGEST_TEXT.saturating_sub(around));
    Ok(framed(
        format!("{incident}: {said}{after}").trim_end(),
        settings,
    ))
}

/// Of metrics one line is enough to see what they are.
fn output(event: &Event) -> &str {
    let is_metric = event.check.get("type").and_then(Value::as_str) == Some("metric");
    if is_metric {
        first_line(event)
    } else {
        event.output()
    }
}

fn first_line(event: &Event) -> &str {
    let mut lines = event.output().lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// Between what surrounds it, and behind the prefix.
fn framed(notice: &str, settings: &Settings) -> String {
    let surround = settings.surround.as_deref().unwrap_or("");
    let mut text = format!("{surround}{notice}{surround}");
    if let Some(prefix) = &settings.message_prefix {
        text = format!("{prefix} {text}");
    }
    // Only the end: a blank at the start may be meant (`"message_prefix": ""`).
    text.truncate(text.trim_end().len());
    text
}

/// `CLIENT/CHECK`, a link where there is a dashboard.
fn incident(event: &Event, dashboard: Option<&str>, words: Words) -> String {
    let (client, check) = (event.client_name(), event.check_name());
    let label = format!("{}/{}", words.name(client), words.name(check));
    let Some(dashboard) = dashboard else {
        return label;
    };
    // After a query a slash would be part of its last value.
    let slash = if dashboard.ends_with('/') || dashboard.contains('?') {
        ""
    } else {
        "/"
    };
    let [client, check] = [client, check].map(|name| {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        percent_encode(&name)
    });
    format!("<{dashboard}{slash}{client}?check={check}|{label}>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::section;

    fn event(client: &Value, check: &Value) -> Event {
        let mut event = json!({
            "client": {"name": "docker1", "address": "10.0.2.15", "subscriptions": ["physical"]},
            "check": {"name": "keepalive", "status": 1, "output": "o"},
        });
        for (part, extra) in [("client", client), ("check", check)] {
            let extra = extra.as_object().unwrap().clone();
            event[part].as_object_mut().unwrap().extend(extra);
        }
        Event::from_json(event.to_string().as_bytes()).unwrap()
    }

    fn attachment(event: &Event, more: &Value) -> Value {
        let messages = of_event(event, &section(more)).unwrap();
        messages[0].payload["attachments"][0].clone()
    }

    fn text_of(check: &Value, section: &Value) -> String {
        let attachment = attachment(&event(&json!({}), check), section);
        attachment["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn an_empty_prefix_gives_a_leading_blank_and_so_does_a_surrounding_one() {
        let plain = "docker1/keepalive: o : 10.0.2.15 : physical";
        assert_eq!(text_of(&json!({}), &json!({})), plain);
        for section in [&json!({"message_prefix": ""}), &json!({"surround": " "})] {
            assert_eq!(text_of(&json!({}), section), format!(" {plain}"));
        }
    }

    #[test]
    fn markup_in_the_output_is_shown_and_not_obeyed() {
        for (output, sent) in [
            ("<!channel> a", "&lt;!channel&gt; a"),
            ("a\n > quoted", "a\n &gt; quoted"),
            ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
            ("a && b >= c", "a &amp;&amp; b >= c"),
            (r#"say "no""#, r#"say "no""#),
        ] {
            assert_eq!(
                text_of(&json!({ "output": output }), &json!({})),
                format!("docker1/keepalive: {sent} : 10.0.2.15 : physical")
            );
            assert_eq!(
                text_of(&json!({ "notification": output }), &json!({})),
                format!("docker1/keepalive: {sent}")
            );
        }
    }

    #[test]
    fn markup_in_names_and_addresses_neither() {
        let hostile = event(
            &json!({"name": "<!here>", "address": "<@U1>", "subscriptions": ["a&b"]}),
            &json!({"name": "x|y>"}),
        );
        let plain = attachment(&hostile, &json!({}));
        assert_eq!(plain["title"], "&lt;@U1&gt; - WARNING");
        assert_eq!(
            plain["text"],
            "&lt;!here&gt;/x|y&gt;: o : &lt;@U1&gt; : a&amp;b"
        );
        let linked = attachment(&hostile, &json!({"dashboard": "https://d/"}));
        assert_eq!(
            linked["text"],
            "<https://d/%3C%21here%3E?check=x%7Cy%3E|&lt;!here&gt;/x|y&gt;>: o : &lt;@U1&gt; : a&amp;b"
        );
    }

    #[test]
    fn what_the_operator_wrote_is_not_escaped() {
        assert_eq!(
            text_of(
                &json!({}),
                &json!({"message_prefix": "<!here>", "surround": "*>"})
            ),
            "<!here> *>docker1/keepalive: o : 10.0.2.15 : physical*>"
        );
    }

    #[test]
    fn a_client_without_subscriptions_leaves_no_blank_at_the_end() {
        let event = event(&json!({"subscriptions": []}), &json!({}));
        let text = attachment(&event, &json!({"surround": "`"}))["text"].clone();
        assert_eq!(text, "`docker1/keepalive: o : 10.0.2.15 :`");
    }

    #[test]
    fn fields_show_any_type_of_the_client_or_else_of_the_check() {
        let event = event(
            &json!({"rack": 7, "tags": ["a", "b"], "os": {"name": "deb", "list": [1]}, "a.b": "<"}),
            &json!({"rack": "of the check", "runbook": "x".repeat(80), "ready": true}),
        );
        let paths = [
            "rack", "tags", "os.name", "os", "a.b", "runbook", "ready", "os.no", "output.x",
        ];
        let fields = attachment(&event, &json!({ "fields": paths }))["fields"].clone();
        let fields = fields.as_array().unwrap().iter();
        let values: Vec<_> = fields
            .map(|field| (field["value"].clone(), field["short"] == true))
            .collect();
        let short = |value: &str| (json!(value), true);
        assert_eq!(
            values,
            [
                short("7"),
                short("a, b"),
                short("deb"),
                short(r#"{"name":"deb","list":[1]}"#),
                short("&lt;"),
                (json!("x".repeat(80)), false),
                short("true"),
                (Value::Null, true),
                (Value::Null, true),
            ]
        );
    }
}
