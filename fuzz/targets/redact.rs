//! What of attributes is sent, and shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use venus_event::redact::{DEFAULT_KEYS, REDACTED, redacted, shown};
use venus_fuzz::object;

const SECRET: &str = "hunter2";

fuzz_target!(|text: &str| {
    if let Ok(Value::Object(attributes)) = serde_json::from_str(text) {
        let sent = Value::Object(redacted(&attributes, &DEFAULT_KEYS));
        assert!(is_clean(&sent));
        let seen = Value::Object(shown(&attributes, &["pin"]));
        assert!(is_clean(&seen));
    }
    if !text.contains(SECRET) {
        for text in [
            format!("{text} token={SECRET} {text}"),
            format!("{text} --token {SECRET} {text}"),
            format!("{text} {} {text}", json!({"token": SECRET})),
            format!("{text} amqp://u:{SECRET}@h {text}"),
        ] {
            let seen = shown::<&str>(&object(json!({ "output": text })), &[]);
            assert!(!seen["output"].to_string().contains(SECRET), "{seen:?}");
        }
    }
});

/// Whether nothing is below a key that Sensu redacts.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().all(|(key, value)| {
            value == REDACTED || !DEFAULT_KEYS.contains(&key.as_str()) && is_clean(value)
        }),
        Value::Array(items) => items.iter().all(is_clean),
        _ => true,
    }
}
