//! The message that an event becomes: the payload of a Slack webhook.

use crate::settings::Settings;
use serde::Serialize;
use serde_json::Value;
use venus_event::{Attributes, Event, Severity};

/// The icon where the settings name none, as the community's handler has it.
const DEFAULT_ICON: &str =
    "https://raw.githubusercontent.com/sensu/sensu-logo/master/sensu1_flat%20white%20bg_png.png";

/// A field's value of fewer characters than this shares its line with another.
const SHORT_FIELD: usize = 80;

/// The JSON that is posted, keys in the original's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payload {
    /// Address of the icon; shown where there is no `icon_emoji`.
    icon_url: String,
    attachments: [Attachment; 1],
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

impl Payload {
    /// The message for `event`.
    #[must_use]
    pub fn new(event: &Event, settings: &Settings) -> Self {
        let severity = event.severity();
        let address = escape(event.client_address().unwrap_or(""));
        let fields = settings.fields.iter();
        Self {
            icon_url: settings
                .icon_url
                .clone()
                .unwrap_or_else(|| DEFAULT_ICON.to_owned()),
            attachments: [Attachment {
                title: format!("{address} - {severity}"),
                text: text(event, settings),
                color: color(severity),
                fields: fields.map(|path| field(event, path)).collect(),
            }],
            channel: channel(event, settings),
            username: settings.bot_name.clone(),
            icon_emoji: settings.icon_emoji.clone(),
            link_names: settings.link_names.clone(),
        }
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

/// The client's channel wins over the check's, and that over the settings'.
fn channel(event: &Event, settings: &Settings) -> Option<String> {
    let own = |attributes: &Attributes| {
        let channel = attributes.get("slack_channel")?.as_str()?;
        Some(channel.to_owned())
    };
    own(&event.client)
        .or_else(|| own(&event.check))
        .or_else(|| settings.channel.clone())
}

/// `[PREFIX ]CLIENT/CHECK: OUTPUT : ADDRESS : SUBSCRIPTIONS`, or the check's
/// `notification` in the place of all that follows the colon.
fn text(event: &Event, settings: &Settings) -> String {
    let incident = incident(event, settings.dashboard.as_deref());
    let notification = event.check.get("notification").and_then(Value::as_str);
    let notice = match notification {
        Some(words) => format!("{incident}: {}", escape_prose(words)),
        None => format!(
            "{incident}: {} : {} : {}",
            escape_prose(event.output()),
            escape(event.client_address().unwrap_or("")),
            escape(&event.subscriptions().join(",")),
        ),
    };
    let surround = settings.surround.as_deref().unwrap_or("");
    let mut text = format!("{surround}{}{surround}", notice.trim_end());
    if let Some(prefix) = &settings.message_prefix {
        text = format!("{prefix} {text}");
    }
    // Only the end: a blank at the start may be meant (`"message_prefix": ""`).
    text.truncate(text.trim_end().len());
    text
}

/// `CLIENT/CHECK`, a link where there is a dashboard.
fn incident(event: &Event, dashboard: Option<&str>) -> String {
    let (client, check) = (event.client_name(), event.check_name());
    let label = format!("{}/{}", escape(client), escape(check));
    let Some(dashboard) = dashboard else {
        return label;
    };
    // After a query a slash would be part of its last value.
    let slash = if dashboard.ends_with('/') || dashboard.contains('?') {
        ""
    } else {
        "/"
    };
    format!(
        "<{dashboard}{slash}{}?check={}|{label}>",
        percent_encode(client),
        percent_encode(check)
    )
}

/// An attribute of the client or else of the check; `a.b` is also `b` inside `a`.
fn field(event: &Event, path: &str) -> Field {
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
        value: value.map(|value| escape(&value)),
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

/// What comes from an event is data: no link, no mention, no quote in it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// [`escape`] for text in which nothing is open before it. A `>` means something
/// to Slack only after a `<` or at the start of a line; where there is neither,
/// it goes out as it is, so that the `(>=120)` of each keepalive stays what the
/// original sends.
fn escape_prose(text: &str) -> String {
    let is_quote = |line: &str| line.trim_start().starts_with('>');
    if text.contains('<') || text.lines().any(is_quote) {
        escape(text)
    } else {
        text.replace('&', "&amp;")
    }
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
    use serde_json::json;
    use venus_settings::Sources;

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

    fn attachment(event: &Event, section: &Value) -> Attachment {
        let mut all = json!({ "slack": section });
        all["slack"]["webhook_url"] = json!("https://h/");
        let all = all.as_object().unwrap().clone();
        let settings = Settings::from_section(all, "slack", &Sources::default()).unwrap();
        let [attachment] = Payload::new(event, &settings).attachments;
        attachment
    }

    fn text_of(check: &Value, section: &Value) -> String {
        attachment(&event(&json!({}), check), section).text
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
        assert_eq!(plain.title, "&lt;@U1&gt; - WARNING");
        assert_eq!(
            plain.text,
            "&lt;!here&gt;/x|y&gt;: o : &lt;@U1&gt; : a&amp;b"
        );
        let linked = attachment(&hostile, &json!({"dashboard": "https://d/"}));
        assert_eq!(
            linked.text,
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
        let text = attachment(&event, &json!({"surround": "`"})).text;
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
        let values: Vec<_> = attachment(&event, &json!({ "fields": paths }))
            .fields
            .into_iter()
            .map(|field| (field.value, field.short))
            .collect();
        let short = |value: &str| (Some(value.to_owned()), true);
        assert_eq!(
            values,
            [
                short("7"),
                short("a, b"),
                short("deb"),
                short(r#"{"name":"deb","list":[1]}"#),
                short("&lt;"),
                (Some("x".repeat(80)), false),
                short("true"),
                (None, true),
                (None, true),
            ]
        );
    }
}
