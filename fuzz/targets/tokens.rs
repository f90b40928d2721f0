//! A command with tokens, against what Sensu's regular expression makes of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regex_lite::{Captures, Regex};
use serde_json::{Value, json};
use std::sync::LazyLock;
use venus_agent::check::substituted;
use venus_fuzz::{Agent, object};

static TOKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(":::([^:\n].*?):::").unwrap());

fuzz_target!(|text: &str| {
    let client = &Agent::new().settings.get().client;
    let check = object(json!({"name": "n", "command": [text, {"inside": text}]}));
    let (done, unmatched) = substituted(&check, client);
    let mut is_unmatched = false;
    let expected = TOKEN.replace_all(text, |token: &Captures<'_>| {
        let mut parts = token.get(1).map_or("", |inner| inner.as_str()).split('|');
        let (path, default) = (parts.next().unwrap_or_default(), parts.next());
        match client.lookup(path) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                let items: Vec<_> = items.iter().map(Value::to_string).collect();
                format!("[{}]", items.join(", "))
            }
            Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
            _ => {
                is_unmatched |= default.is_none();
                default.unwrap_or_default().to_owned()
            }
        }
    });
    assert_eq!(done["command"], json!([expected, {"inside": expected}]));
    assert_eq!(unmatched.is_some(), is_unmatched);
});
