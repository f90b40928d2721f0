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

/// A copy of `attributes` for logs and screens: [`redacted`], by
/// [`DEFAULT_KEYS`] as well, and without the passwords in URIs.
#[must_use]
pub fn shown<K: AsRef<str>>(attributes: &Attributes, keys: &[K]) -> Attributes {
    let secret =
        |key: &str| keys.iter().any(|secret| secret.as_ref() == key) || DEFAULT_KEYS.contains(&key);
    copy(attributes, &secret, &without_password)
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
        Value::Array(items) => items
            .iter()
            .map(|item| copy_value(item, secret, text))
            .collect(),
        Value::String(plain) => Value::String(text(plain)),
        plain => plain.clone(),
    }
}

/// `text` with `REDACTED` in the place of the password of each URI in it
/// (`scheme://user:password@host`), well formed or not.
#[must_use]
pub fn without_password(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (uri, rest) = part.split_at(end);
        out.push_str("://");
        match uri.rsplit_once('@') {
            Some((login, host)) if login.contains(':') => {
                let user = login.split(':').next().unwrap_or_default();
                out.push_str(&format!("{user}:{REDACTED}@{host}"));
            }
            _ => out.push_str(uri),
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn nobody_is_shown_the_password_of_a_uri() {
        for (text, shown) in [
            ("amqp://sensu:hunter2@h:1/v", "amqp://sensu:REDACTED@h:1/v"),
            ("redis://:p@ss/@h", "redis://:REDACTED@h"),
            (
                "of amqp://a:b@h, amqp://c:d@i and http://host:80/",
                "of amqp://a:REDACTED@h, amqp://c:REDACTED@i and http://host:80/",
            ),
            ("user@host", "user@host"),
        ] {
            assert_eq!(without_password(text), shown);
        }
        let Value::Object(settings) = json!({
            "rabbitmq": ["amqp://u:hunter2@h"], "password": "hunter2", "pin": "hunter2",
        }) else {
            unreachable!()
        };
        let out = Value::Object(shown(&settings, &["pin"])).to_string();
        assert!(!out.contains("hunter2"), "{out}");
    }
}
