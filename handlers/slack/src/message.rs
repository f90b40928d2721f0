//! The message that an event becomes: the payload of a Slack webhook.

use crate::settings::Settings;
use crate::template::{self, TemplateError};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use venus_event::{Attributes, Event, Severity};
use venus_hostlist::fold;

/// The icon where the settings name none, as the community's handler has it.
const DEFAULT_ICON: &str =
    "https://raw.githubusercontent.com/sensu/sensu-logo/master/sensu1_flat%20white%20bg_png.png";

/// A field's value of fewer characters than this shares its line with another.
const SHORT_FIELD: usize = 80;

/// How many attachments a message may have.
const MOST_ATTACHMENTS: usize = 100;

/// The longest text of an attachment, in characters: what Slack recommends at most.
const LONGEST_TEXT: usize = 4000;
/// The longest value of a field, in characters; and what is shown of subscriptions.
const LONGEST_FIELD: usize = 1000;
/// The longest name or address, in characters.
const LONGEST_NAME: usize = 200;
/// How many clients of a group are shown with what their checks said.
const SHOWN: usize = 10;

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Field {
    title: String,
    /// `null` where neither client nor check has the attribute.
    value: Option<String>,
    short: bool,
}

/// The messages for an event, one for each channel.
pub fn of_event(event: &Event, settings: &Settings) -> Result<Vec<Message>, TemplateError> {
    if let Some(path) = &settings.payload_template {
        return Ok(vec![of_template(path, event)?]);
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

/// The same in this handler's own words, whatever the templates say.
#[must_use]
pub fn plain(event: &Event, settings: &Settings) -> Vec<Message> {
    let settings = Settings {
        template: None,
        payload_template: None,
        ..settings.clone()
    };
    // Only templates fail.
    of_event(event, &settings).unwrap_or_default()
}

/// The messages for several clients' events of the same check and severity, one for each channel
/// of the first.
#[must_use]
pub fn of_group(events: &[Event], settings: &Settings) -> Vec<Message> {
    let Some(first) = events.first() else {
        return Vec::new();
    };
    let (severity, words) = (first.severity(), Words::of(settings));
    let count = events.len();
    let names = fold(events.iter().map(Event::client_name));
    let names = words.escape(&names);
    let check = words.name(first.check_name());
    let start = format!("{count} clients {severity} {check}: ");
    let fields = events.iter().take(SHOWN).map(|event| Field {
        title: words.name(event.client_name()),
        value: Some(words.field(first_line(event))),
        short: false,
    });
    let more = count.checked_sub(SHOWN).filter(|more| *more > 0);
    let more = more.map(|more| Field {
        title: format!("and {more} more"),
        value: None,
        short: true,
    });
    let mut fields = Some(fields.chain(more).collect());
    let room = LONGEST_TEXT
        .saturating_sub(framed("", settings).chars().count())
        .saturating_sub(start.chars().count());
    let parts = in_parts(&names, room).into_iter().enumerate();
    let attachments = parts.map(|(place, names)| {
        let start = if place == 0 { start.as_str() } else { "" };
        Attachment {
            title: format!("{count} clients - {severity}"),
            text: framed(&format!("{start}{names}"), settings),
            color: color(severity),
            fields: fields.take().unwrap_or_default(),
        }
    });
    let attachments: Vec<Attachment> = attachments.take(MOST_ATTACHMENTS).collect();
    for_each_channel(&channels(first, settings), &attachments, settings)
}

/// Something about this handler itself, for the channels of the settings.
#[must_use]
pub fn of_notice(what: &str, settings: &Settings) -> Vec<Message> {
    let attachment = Attachment {
        title: "handler-slack - WARNING".to_owned(),
        text: framed(
            &cut(&Words::of(settings).escape(what), LONGEST_TEXT),
            settings,
        ),
        color: color(Severity::Warning),
        fields: Vec::new(),
    };
    for_each_channel(&settings.channels, &[attachment], settings)
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
fn of_template(path: &Path, event: &Event) -> Result<Message, TemplateError> {
    let text = template::render(path, event, template::in_json)?;
    let failed = |what: String| TemplateError::Payload {
        path: path.to_owned(),
        what,
    };
    let payload: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if !payload.is_object() {
        return Err(failed("it is another kind of JSON".to_owned()));
    }
    let channel = payload.get("channel").and_then(Value::as_str);
    Ok(Message {
        channel: channel.map(str::to_owned),
        payload,
    })
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
fn channels(event: &Event, settings: &Settings) -> Vec<String> {
    let own = |attributes: &Attributes| {
        let channels = match attributes.get("slack_channel")? {
            Value::String(channels) => channels
                .split(',')
                .map(str::trim)
                .map(str::to_owned)
                .collect(),
            Value::Array(channels) => {
                let channels = channels.iter().filter_map(Value::as_str);
                channels.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Some(channels).filter(|channels: &Vec<String>| !channels.is_empty())
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
        let escape = if words.defuses_ticks {
            escape_without_ticks
        } else {
            escape
        };
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

/// At most this many characters, with a note of what is missing. An escape (`&lt;`) is not cut
/// through.
fn cut(text: &str, longest: usize) -> String {
    let all = text.chars().count();
    if all <= longest {
        return text.to_owned();
    }
    let note = format!(" … (cut, {all} characters)");
    let room = longest.saturating_sub(note.chars().count());
    let mut kept: String = text.chars().take(room).collect();
    if let Some(escape) = kept.rfind('&')
        && !kept.get(escape..).is_some_and(|end| end.contains(';'))
    {
        kept.truncate(escape);
    }
    kept + &note
}

/// In parts of at most this many characters each, which end behind a comma where there is one.
fn in_parts(names: &str, longest: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = names;
    while let Some((end, _)) = rest.char_indices().nth(longest.max(1)) {
        let (part, _) = rest.split_at(end);
        let (part, after) = rest.split_at(part.rfind(',').map_or(end, |comma| comma + 1));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// The containers and jobs that ran on the node, where the agent added them.
fn context(event: &Event, words: Words) -> Vec<Field> {
    let context = event.check.get("context").and_then(Value::as_object);
    let lists = ["containers", "jobs"].map(|name| {
        let list = context?.get(name)?.as_array()?;
        let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        let value = words.field(&fold(&names).replace(',', ", "));
        (!names.is_empty()).then(|| Field {
            title: name.to_owned(),
            short: value.chars().count() < SHORT_FIELD,
            value: Some(value),
        })
    });
    lists.into_iter().flatten().collect()
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

/// An attribute of the client or else of the check; `a.b` is also `b` inside `a`.
fn field(event: &Event, path: &str, how: Words) -> Field {
    let value = [&event.client, &event.check]
        .into_iter()
        .find_map(|attributes| attribute(attributes, path))
        .filter(|value| !value.is_null())
        .map(words);
    Field {
        title: path.to_owned(),
        short: value
            .as_ref()
            .is_none_or(|value| value.chars().count() < SHORT_FIELD),
        value: value.map(|value| how.field(&value)),
    }
}

fn attribute<'a>(attributes: &'a Attributes, path: &str) -> Option<&'a Value> {
    if let Some(value) = attributes.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    attribute(attributes.get(first)?.as_object()?, rest)
}

/// A value as a person writes it: no quotes, lists with commas.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// How text of an event is made data: no link, no mention, no quote in it.
#[derive(Debug, Clone, Copy)]
struct Words {
    /// Slack looks for `@name`, also in the text of an event.
    defuses_mentions: bool,
    /// What surrounds the text is code, which a backtick would end.
    defuses_ticks: bool,
}

impl Words {
    fn of(settings: &Settings) -> Self {
        let surround = settings.surround.as_deref().unwrap_or("");
        Self {
            defuses_mentions: settings.link_names.is_some(),
            defuses_ticks: surround.contains('`'),
        }
    }

    fn escape(self, text: &str) -> String {
        self.defuse(escape(text))
    }

    /// [`escape`](Self::escape) for text in which nothing is open before it. A `>` means something
    /// to Slack only after a `<` or at the start of a line; where there is neither, it goes out as
    /// it is, so that the `(>=120)` of each keepalive stays what the original sends.
    fn prose(self, text: &str) -> String {
        let is_quote = |line: &str| line.trim_start().starts_with('>');
        if text.contains('<') || text.lines().any(is_quote) {
            self.escape(text)
        } else {
            self.defuse(text.replace('&', "&amp;"))
        }
    }

    /// For a name.
    fn name(self, text: &str) -> String {
        cut(&self.escape(text), LONGEST_NAME)
    }

    /// For a field.
    fn field(self, text: &str) -> String {
        cut(&self.escape(text), LONGEST_FIELD)
    }

    fn defuse(self, mut text: String) -> String {
        if self.defuses_mentions {
            // A space of no width: it reads the same, and is no name.
            text = text.replace('@', "@\u{200b}");
        }
        if self.defuses_ticks {
            text = text.replace('`', "'");
        }
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn escape_without_ticks(text: &str) -> String {
    escape(text).replace('`', "'")
}

/// For the path and query of a link: all but letters, digits and `-._~`.
fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
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
