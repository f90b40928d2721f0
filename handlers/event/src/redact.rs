//! Values that never leave the node.

use crate::Attributes;
use serde_json::Value;
use std::ops::Range;

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
///
/// Each is looked for in all of the text as it came: what one hides may begin another.
fn without_secrets(text: &str, secret: &dyn Fn(&str) -> bool) -> String {
    let mut found = Vec::new();
    find_in_uris(text, &mut found);
    find_values(text, secret, &mut found);
    find_operands(text, secret, &mut found);
    find_members(text, secret, &mut found);
    found.sort_unstable_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut hidden_to = None;
    for range in found {
        if hidden_to.is_none_or(|end| end < range.start) {
            out.push_str(between(text, hidden_to.unwrap_or(0), range.start));
            out.push_str(REDACTED);
        }
        hidden_to = hidden_to.max(Some(range.end));
    }
    out.push_str(from(text, hidden_to.unwrap_or(0)));
    out
}

/// `text` from a place that is one of its own.
fn from(text: &str, start: usize) -> &str {
    text.get(start..).unwrap_or_default()
}

fn between(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}

/// Where each word begins that blanks are around, and its length.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let start = text.len() - rest.len();
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest = from(rest, length).trim_start();
        (length > 0).then_some((start, length))
    })
}

/// A password may have anything in it but blanks, so it goes on to the last `@`.
fn find_in_uris(text: &str, found: &mut Vec<Range<usize>>) {
    for (start, length) in words(text) {
        let word = between(text, start, start + length);
        let Some(scheme) = word.find("://") else {
            continue;
        };
        if let Some((login, _)) = word.rsplit_once('@')
            && let Some(user) = login.get(scheme + 3..).and_then(|login| login.find(':'))
        {
            found.push(start + scheme + 3 + user + 1..start + login.len());
        }
        let path = word.find("://hooks.").and_then(|host| {
            let host = host + "://".len();
            Some(host + from(word, host).find('/')? + 1)
        });
        if let Some(path) = path.filter(|path| *path < length) {
            found.push(start + path..start + length);
        }
    }
}

/// `KEY=VALUE`.
fn find_values(text: &str, secret: &dyn Fn(&str) -> bool, found: &mut Vec<Range<usize>>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for (place, mark) in text.match_indices('=') {
        let mut parts = between(text, 0, place).rsplit(|c| !is_part(c));
        let key = parts.next().unwrap_or_default();
        if secret(key.trim_start_matches('-')) {
            let start = place + mark.len();
            found.push(start..start + length_of_value(from(text, start)));
        }
    }
}

/// `--KEY VALUE`, as commands have it. A value that is such an option as well has one of its own:
/// the option before may have had none.
fn find_operands(text: &str, secret: &dyn Fn(&str) -> bool, found: &mut Vec<Range<usize>>) {
    let mut is_value = false;
    for (start, length) in words(text) {
        if is_value {
            found.push(start..start + length_of_value(from(text, start)));
        }
        let word = between(text, start, start + length).trim_start_matches(['"', '\'']);
        let name = word.strip_prefix('-');
        is_value = name.is_some_and(|name| secret(name.trim_start_matches('-')));
    }
}

/// `"KEY": VALUE` of JSON, whether all of it is there or not.
fn find_members(text: &str, secret: &dyn Fn(&str) -> bool, found: &mut Vec<Range<usize>>) {
    for (place, mark) in text.match_indices(':') {
        // Within a text of JSON, quotation marks have a backslash.
        let quoted = between(text, 0, place).trim_end().strip_suffix('"');
        let key = quoted.map(|quoted| quoted.trim_end_matches('\\'));
        let key = key.and_then(|key| key.rsplit('"').next());
        if key.is_some_and(secret) {
            let value = from(text, place + mark.len()).trim_start();
            let start = text.len() - value.len();
            found.push(start..start + length_of_member(value));
        }
    }
}

/// JSON within a text of JSON, four deep, has so many before a quotation mark.
const BACKSLASHES: usize = 31;

/// A text to the quotation mark that ends it, a number or word to what comes after it, of an object
/// or array, and of what is too deep, all that follows.
fn length_of_member(text: &str) -> usize {
    let escape = text.len() - text.trim_start_matches('\\').len();
    if escape > BACKSLASHES {
        return text.len();
    }
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
            ("amqp://a:b://@c@h", "amqp://a:REDACTED@h"),
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
            // What one hides begins, and ends, another.
            (
                r#"--token api-key='a'token="a {"token":"b"} c"#,
                r#"--token REDACTEDtoken=REDACTEDtoken":REDACTED} c"#,
            ),
            (r#""token": --token b"#, r#""token": REDACTED REDACTED"#),
            (r#"token="a token=b""#, "token=REDACTED"),
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
            for secret in [
                "token=hunter2",
                "--token hunter2",
                "{\"token\":\"hunter2\"}",
                "amqp://u:hunter2@h",
            ] {
                let said = without_secrets(&format!("{odd} {secret} {odd}"), &sounds_secret);
                prop_assert!(!said.contains("hunter2"), "{}", said);
            }
        }
    }
}
