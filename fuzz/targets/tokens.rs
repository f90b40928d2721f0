//! A command with tokens, against what Sensu's regular expression makes of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use regex_lite::{Captures, Regex};
use serde_json::json;
use std::sync::LazyLock;
use venus_agent::check::substituted;
use venus_fuzz::{Agent, object};

static TOKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(":::([^:\n].*?):::").unwrap());

fuzz_target!(|text: &str| {
    let client = &Agent::new().settings.get().client;
    let check = object(json!({"name": "n", "command": [text, {"inside": text}]}));
    let (done, unmatched) = substituted(&check, client);
    let mut missing = Vec::new();
    let expected = TOKEN.replace_all(text, |token: &Captures<'_>| {
        let token = token.get(1).map_or("", |inner| inner.as_str());
        let mut parts = token.split('|');
        let (path, default) = (parts.next().unwrap_or_default(), parts.next());
        let known = match path {
            "name" => "c",
            "address" => "127.0.0.1",
            "a" => "1",
            "safe_mode" => "true",
            "b.c" => r#"[true, "d"]"#,
            "subscriptions" => r#"["all"]"#,
            // Others that a client has by itself are not told here.
            _ if client.lookup(path).is_some_and(|value| !value.is_object()) => {
                return String::new();
            }
            _ => default.unwrap_or_else(|| {
                missing.push(path.to_owned());
                ""
            }),
        };
        known.to_owned()
    });
    assert_eq!(unmatched.is_some(), !missing.is_empty());
    if !text.contains("keepalive") {
        assert_eq!(done["command"], json!([expected, {"inside": expected}]));
    }
});
