//! Values that never leave the node.

use crate::Attributes;
use serde_json::Value;

/// What stands in the place of a value that was taken out.
pub const REDACTED: &str = "REDACTED";

/// The keys that Sensu redacts unless `client.redact` names others.
pub const DEFAULT_KEYS: [&str; 22] = [
    "password",
    "passwd",
    "pass",
    "api_key",
    "api_token",
    "access_key",
    "secret_key",
    "private_key",
    "secret",
    "routing_key",
    "access_token_read",
    "access_token_write",
    "access_token_path",
    "webhook_url",
    "nickserv_password",
    "channel_password",
    "community",
    "keystore_password",
    "truststore_password",
    "proxy_password",
    "access_key_id",
    "secret_access_key",
];

/// A copy of `attributes` in which the value of every key in `keys` is
/// [`REDACTED`], at any depth, inside arrays too: what Sensu puts on the wire.
#[must_use]
pub fn redacted<K: AsRef<str>>(attributes: &Attributes, keys: &[K]) -> Attributes {
    let secret = |key: &str| keys.iter().any(|secret| secret.as_ref() == key);
    copy(attributes, &secret, &str::to_owned)
}

/// Ends of further keys that nobody on the node is shown, without `_`, `-` and a last `s`:
/// `token`, `slack_token`, `authToken`.
const ENDINGS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "webhook",
    "webhookurl",
    "credential",
    "authorization",
];

/// A copy of `attributes` for logs and screens: without the values of `keys`, of [`DEFAULT_KEYS`]
/// and of all keys that sound like theirs, and without the secrets within texts.
#[must_use]
pub fn shown<K: AsRef<str>>(attributes: &Attributes, keys: &[K]) -> Attributes {
    let secret = |key: &str| keys.iter().any(|secret| secret.as_ref() == key) || sounds_secret(key);
    copy(attributes, &secret, &|text| without_secrets(text, &secret))
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    if DEFAULT_KEYS.contains(&key.as_str()) || key == "signature" || key.ends_with("_pass") {
        return true;
    }
    let plain = key.replace('_', "");
    let plain = plain.strip_suffix('s').unwrap_or(&plain);
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

fn copy(
    attributes: &Attributes,
    secret: &dyn Fn(&str) -> bool,
    text: &dyn Fn(&str) -> String,
) -> Attributes {
    let copied = attributes.iter().map(|(key, value)| {
        let value = if secret(key) {
            Value::from(REDACTED)
        } else {
            copy_value(value, secret, text)
        };
        (key.clone(), value)
    });
    copied.collect()
}

fn copy_value(
    value: &Value,
    secret: &dyn Fn(&str) -> bool,
    text: &dyn Fn(&str) -> String,
) -> Value {
    match value {
        Value::Object(inner) => Value::Object(copy(inner, secret, text)),
        Value::Array(items) => copy_items(items, secret, text),
        Value::String(plain) => Value::String(text(plain)),
        plain => plain.clone(),
    }
}

/// What follows an item that is an option with such a name (`["--token", "…"]`) is its value.
fn copy_items(
    items: &[Value],
    secret: &dyn Fn(&str) -> bool,
    text: &dyn Fn(&str) -> String,
) -> Value {
    let mut is_value = false;
    let copied = items.iter().map(|item| {
        let was_option = is_value;
        let name = item.as_str().and_then(|item| item.strip_prefix('-'));
        is_value = name.is_some_and(|name| secret(name.trim_start_matches('-')));
        match item {
            Value::String(plain) if was_option && !plain.is_empty() => Value::from(REDACTED),
            item => copy_value(item, secret, text),
        }
    });
    copied.collect()
}

/// `text` with [`REDACTED`] in the place of the password of each URI in it
/// (`scheme://user:password@host`), well formed or not, of the path of a webhook
/// (`https://hooks.…`), and of the value of each `KEY=VALUE`, `--KEY VALUE` and `"KEY": VALUE`
/// (JSON, cut off or not) whose key is `secret`.
fn without_secrets(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let text = without_values(&without_passwords(text), secret);
    let text = without_operands(&text, secret);
    without_members(&text, secret)
}

/// `--KEY VALUE`, as commands have it.
fn without_operands(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(char::is_whitespace) {
        let blank = rest.get(before.len()..rest.len() - after.len());
        out.push_str(before);
        out.push_str(blank.unwrap_or_default());
        rest = after;
        let mut word = before;
        while is_option(word, secret) {
            let value = rest.trim_start();
            out.push_str(rest.get(..rest.len() - value.len()).unwrap_or_default());
            // Where it is such an option as well, the one before may have had no value.
            (word, rest) = value
                .split_at_checked(length_of_value(value))
                .unwrap_or((value, ""));
            if !word.is_empty() {
                out.push_str(REDACTED);
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a word is an option that has such a name.
fn is_option(word: &str, secret: &dyn Fn(&str) -> bool) -> bool {
    let name = word.trim_start_matches(['"', '\'']).strip_prefix('-');
    name.is_some_and(|name| secret(name.trim_start_matches('-')))
}

/// `"KEY": VALUE` of JSON, whether all of it is there or not.
fn without_members(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(':') {
        out.push_str(before);
        out.push(':');
        rest = after;
        // Within a text of JSON, quotation marks have a backslash.
        let quoted = before.trim_end().strip_suffix('"');
        let key = quoted.map(|quoted| quoted.trim_end_matches('\\'));
        let key = key.and_then(|key| key.rsplit('"').next());
        if key.is_some_and(secret) {
            let value = rest.trim_start();
            out.push_str(rest.get(..rest.len() - value.len()).unwrap_or_default());
            rest = value.get(length_of_member(value)..).unwrap_or_default();
            out.push_str(REDACTED);
        }
    }
    out.push_str(rest);
    out
}

/// A text to the quotation mark that ends it, a number or word to what comes after it, of an object
/// or array all that follows.
fn length_of_member(text: &str) -> usize {
    let escape = text.len() - text.trim_start_matches('\\').len();
    let body = text.get(escape..).unwrap_or_default();
    let end = match body.chars().next() {
        Some('"') => {
            // It ends at a quotation mark with as many backslashes as it began with.
            let mut backslashes = 0;
            let end = body.char_indices().skip(1).find(|(_, c)| match c {
                '\\' => {
                    backslashes += 1;
                    false
                }
                '"' if backslashes == escape => true,
                _ => {
                    backslashes = 0;
                    false
                }
            });
            end.map(|(place, _)| place + 1)
        }
        Some('{' | '[') => None,
        _ => body.find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']')),
    };
    end.map_or(text.len(), |end| escape + end)
}

fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (uri, rest) = part.split_at(end);
        out.push_str("://");
        match (uri.rsplit_once('@'), uri.split_once('/')) {
            (Some((login, host)), _) if login.contains(':') => {
                let user = login.split(':').next().unwrap_or_default();
                out.push_str(&format!("{user}:{REDACTED}@{host}"));
            }
            (_, Some((host, path))) if host.starts_with("hooks.") && !path.is_empty() => {
                out.push_str(&format!("{host}/{REDACTED}"));
            }
            _ => out.push_str(uri),
        }
        out.push_str(rest);
    }
    out
}

fn without_values(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        out.push_str(before);
        out.push('=');
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = before.rsplit(|c| !is_part(c)).next().unwrap_or_default();
        rest = after;
        if secret(key.trim_start_matches('-')) {
            rest = rest.get(length_of_value(after)..).unwrap_or_default();
            out.push_str(REDACTED);
        }
    }
    out.push_str(rest);
    out
}

/// A quoted word, or what goes on to a blank, a quotation mark or `&`.
fn length_of_value(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => text.get(1..).and_then(|text| Some(text.find(quote)? + 2)),
        None => text.find(|c: char| c.is_whitespace() || matches!(c, '&' | '"' | '\'')),
    };
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_at_any_depth_and_the_order_stays() {
        let Value::Object(client) = json!({
            "name": "venus001",
            "password": {"whole": "object"},
            "list": [[{"secret": "s", "kept": 1}]],
            "nested": {"api_key": "k", "passwords": "another key"},
        }) else {
            unreachable!()
        };
        let out = Value::Object(redacted(&client, &DEFAULT_KEYS));
        assert_eq!(
            out.to_string(),
            r#"{"name":"venus001","password":"REDACTED","list":[[{"secret":"REDACTED","kept":1}]],"nested":{"api_key":"REDACTED","passwords":"another key"}}"#
        );
    }

    #[test]
    fn nobody_is_shown_a_secret_within_a_text() {
        for (text, shown) in [
            ("amqp://sensu:hunter2@h:1/v", "amqp://sensu:REDACTED@h:1/v"),
            ("redis://:p@ss/@h", "redis://:REDACTED@h"),
            (
                "of amqp://a:b@h, amqp://c:d@i and http://host:80/",
                "of amqp://a:REDACTED@h, amqp://c:REDACTED@i and http://host:80/",
            ),
            ("user@host", "user@host"),
            (
                "https://hooks.slack.com/services/T0/B0/x and https://hooks.slack.com/",
                "https://hooks.slack.com/REDACTED and https://hooks.slack.com/",
            ),
            (
                "SLACK_TOKEN=xoxb-1 handler -x=1 --api-key='a b' http://h/?a=b&token=c&d=e",
                "SLACK_TOKEN=REDACTED handler -x=1 --api-key=REDACTED http://h/?a=b&token=REDACTED&d=e",
            ),
            ("a=b=c token=", "a=b=c token=REDACTED"),
            (
                "check -w 1 --token  xoxb-1 -p x --password 'a b' --token",
                "check -w 1 --token  REDACTED -p x --password REDACTED --token",
            ),
            (
                r#"{"a": "b", "token": "x\"y", "pass":5,"c": 1, "secret": {"a": "b"}, "d": 1"#,
                r#"{"a": "b", "token": REDACTED, "pass":REDACTED,"c": 1, "secret": REDACTED"#,
            ),
            (
                "check --ask-password --token x --password --token",
                "check --ask-password REDACTED REDACTED --password REDACTED",
            ),
            (r#"{"password" : "cut o"#, r#"{"password" : REDACTED"#),
            (
                r#"{"a": "{\"token\": \"b\", \"c\": 1}"}"#,
                r#"{"a": "{\"token\": REDACTED, \"c\": 1}"}"#,
            ),
            ("token=\"é", "token=REDACTED"),
        ] {
            assert_eq!(without_secrets(text, &sounds_secret), shown);
        }
        let Value::Object(settings) = json!({
            "rabbitmq": ["amqp://u:hunter2@h"], "password": "hunter2", "pin": "hunter2",
        }) else {
            unreachable!()
        };
        let out = Value::Object(shown(&settings, &["pin"])).to_string();
        assert!(!out.contains("hunter2"), "{out}");
    }

    #[test]
    fn the_value_of_an_option_in_an_array_is_shown_to_nobody() {
        let Value::Object(check) = json!({
            "command": ["check-x", "--token", "hunter2", "--api-key=hunter2", "-w", "5", "--password"],
        }) else {
            unreachable!()
        };
        let shown = Value::Object(shown::<&str>(&check, &[]));
        let expected = json!({
            "command": ["check-x", "--token", "REDACTED", "--api-key=REDACTED", "-w", "5", "--password"],
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_sounds_like_a_secret_is_shown_to_nobody_and_goes_over_the_wire_as_in_sensu() {
        let secrets = [
            "token",
            "slack_token",
            "authToken",
            "api-keys",
            "Password",
            "db_pass",
            "webhook",
            "proxy_password",
            "signature",
            "passphrase",
        ];
        for key in secrets {
            let attributes = Attributes::from_iter([(key.to_owned(), json!("hunter2"))]);
            assert_eq!(shown::<&str>(&attributes, &[])[key], REDACTED, "{key}");
            let is_sensus = DEFAULT_KEYS.contains(&key);
            let sent = &redacted(&attributes, &DEFAULT_KEYS)[key];
            assert_eq!(sent == REDACTED, is_sensus, "{key}");
        }
        for key in [
            "name",
            "private_key_file",
            "tokenizer",
            "compass",
            "keepalive",
            "passive",
        ] {
            let attributes = Attributes::from_iter([(key.to_owned(), json!("hunter2"))]);
            assert_eq!(shown::<&str>(&attributes, &[]), attributes);
        }
    }

    /// A value with another at some depth below it.
    fn around(inside: Value) -> impl Strategy<Value = Value> {
        let step = prop_oneof!["[a-z]{1,5}".prop_map(Some), Just(None)];
        proptest::collection::vec(step, 0..8).prop_map(move |steps| {
            steps
                .into_iter()
                .fold(inside.clone(), |inside, key| match key {
                    Some(key) => json!({"before": 1, key: inside, "after": [null, "x"]}),
                    None => json!(["y", inside]),
                })
        })
    }

    fn secret() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            proptest::sample::select(&DEFAULT_KEYS[..]).prop_map(str::to_owned),
            ("[a-zA-Z_-]{0,9}", proptest::sample::select(&ENDINGS[..]))
                .prop_map(|(before, ending)| format!("{before}{ending}")),
            Just("pin".to_owned()),
        ];
        let value = around(json!("hunter2"));
        (key, value).prop_map(|(key, value)| json!({ key: value }))
    }

    proptest! {
        #[test]
        fn no_secret_is_shown_under_any_secret_key_at_any_depth(
            whole in secret().prop_flat_map(around),
        ) {
            let whole = Attributes::from_iter([("settings".to_owned(), whole)]);
            let shown = Value::Object(shown(&whole, &["pin"])).to_string();
            prop_assert!(!shown.contains("hunter2"), "{}", shown);
        }

        #[test]
        fn no_json_within_a_text_shows_a_secret_wherever_it_is_cut(
            whole in secret().prop_flat_map(around),
            cut in 0.0..1.0,
            is_quoted in any::<bool>(),
        ) {
            let text = whole.to_string();
            let text = if is_quoted { json!({ "payload": text }).to_string() } else { text };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a short text of ASCII"
            )]
            let end = (text.len() as f64 * (1.0 - cut)) as usize;
            for text in [text.as_str(), text.get(..end).unwrap_or_default()] {
                let shown = without_secrets(text, &|key| key == "pin" || sounds_secret(key));
                prop_assert!(!shown.contains("hunter2"), "{} of {}", shown, text);
            }
        }

        #[test]
        fn a_keepalive_has_no_value_of_a_key_of_sensus_at_any_depth(
            key in proptest::sample::select(&DEFAULT_KEYS[..]),
            inside in around(json!("hunter2")),
            steps in around(json!("here")),
        ) {
            let whole = steps.to_string().replace("\"here\"", &json!({ key: inside }).to_string());
            let whole: Value = serde_json::from_str(&whole).unwrap();
            let client = Attributes::from_iter([("client".to_owned(), whole)]);
            let sent = Value::Object(redacted(&client, &DEFAULT_KEYS)).to_string();
            prop_assert!(!sent.contains("hunter2"), "{}", sent);
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,40}", odd in "[a-z:/@='\" é&?-]{0,40}") {
            for text in [
                &text,
                &odd,
                &format!("token={odd}"),
                &format!("://{odd}"),
                &format!("--token {odd}"),
                &format!("\"token\":{odd}"),
                &format!("\"token\":\"{text}"),
            ] {
                without_secrets(text, &sounds_secret);
            }
            let said = without_secrets(&format!("{odd} token=hunter2"), &sounds_secret);
            prop_assert!(!said.contains("hunter2"), "{}", said);
        }
    }
}
