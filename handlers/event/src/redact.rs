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
/// [`REDACTED`], at any depth, inside arrays too.
#[must_use]
pub fn redacted<K: AsRef<str>>(attributes: &Attributes, keys: &[K]) -> Attributes {
    attributes
        .iter()
        .map(|(key, value)| (key.clone(), redacted_value(key, value, keys)))
        .collect()
}

fn redacted_value<K: AsRef<str>>(key: &str, value: &Value, keys: &[K]) -> Value {
    if keys.iter().any(|secret| secret.as_ref() == key) {
        return Value::from(REDACTED);
    }
    match value {
        Value::Object(inner) => Value::Object(redacted(inner, keys)),
        Value::Array(items) => items
            .iter()
            .map(|item| redacted_value("", item, keys))
            .collect(),
        plain => plain.clone(),
    }
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
}
