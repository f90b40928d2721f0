//! Durations as people write them, an addition of ours: `"interval": "10s"`.
//!
//! Where Sensu takes seconds a string such as `1m 30s` becomes their number
//! before anything else looks at it, so that the server gets what it expects.

use serde_json::{Value, json};
use venus_event::Attributes;

/// Attributes that are seconds, of checks (and what is the same in hooks), of
/// handlers and mutators, and of `venus`.
const CHECK: [&str; 5] = ["interval", "timeout", "ttl", "refresh", "check_timeout"];

/// Replaces every duration that can be read by seconds; the rest is left to
/// the validation.
pub(super) fn to_seconds(settings: &mut Attributes) {
    for plural in ["checks", "handlers", "mutators"] {
        let entries = settings.get_mut(plural).and_then(Value::as_object_mut);
        for (_, entry) in entries.into_iter().flatten() {
            replace(entry, &CHECK);
            let hooks = entry.get_mut("hooks").and_then(Value::as_object_mut);
            for (_, hook) in hooks.into_iter().flatten() {
                replace(hook, &CHECK);
            }
        }
    }
    if let Some(venus) = settings.get_mut("venus") {
        replace(venus, &CHECK);
        if let Some(spool) = venus.get_mut("spool") {
            replace(spool, &["age"]);
        }
    }
    let thresholds = settings
        .get_mut("client")
        .and_then(|client| client.get_mut("keepalive"))
        .and_then(|keepalive| keepalive.get_mut("thresholds"));
    if let Some(thresholds) = thresholds {
        replace(thresholds, &["warning", "critical"]);
    }
    match settings.get_mut("rabbitmq") {
        Some(Value::Array(brokers)) => brokers
            .iter_mut()
            .for_each(|broker| replace(broker, &["heartbeat"])),
        Some(broker) => replace(broker, &["heartbeat"]),
        None => {}
    }
}

fn replace(object: &mut Value, keys: &[&str]) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    for key in keys {
        if let Some(value) = object.get_mut(*key)
            && let Some(seconds) = value.as_str().and_then(seconds)
        {
            *value = seconds;
        }
    }
}

/// Whole seconds as a whole number, as Sensu demands it of an interval.
fn seconds(text: &str) -> Option<Value> {
    let duration = humantime::parse_duration(text).ok()?;
    Some(if duration.subsec_nanos() == 0 {
        json!(duration.as_secs())
    } else {
        json!(duration.as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_what_sensu_takes() {
        let Value::Object(mut settings) = json!({
            "client": {"keepalive": {"thresholds": {"warning": "2m", "critical": 180}}},
            "checks": {
                "a": {
                    "interval": "1m 30s", "timeout": "500ms", "ttl": 60, "refresh": "1h",
                    "note": "10s", "hooks": {"1": {"timeout": "5s"}},
                },
                "b": {"interval": "soon"},
            },
            "venus": {"interval": "10s"},
            "rabbitmq": [{"heartbeat": "1m"}, "amqp://h"],
        }) else {
            unreachable!()
        };
        to_seconds(&mut settings);
        assert_eq!(
            Value::Object(settings),
            json!({
                "client": {"keepalive": {"thresholds": {"warning": 120, "critical": 180}}},
                "checks": {
                    "a": {
                        "interval": 90, "timeout": 0.5, "ttl": 60, "refresh": 3600,
                        "note": "10s", "hooks": {"1": {"timeout": 5}},
                    },
                    "b": {"interval": "soon"},
                },
                "venus": {"interval": 10},
                "rabbitmq": [{"heartbeat": 60}, "amqp://h"],
            })
        );
    }
}
