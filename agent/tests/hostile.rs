//! Settings, requests and expressions that mean harm, or nothing: an answer, and no panic.
//!
//! What comes in elsewhere is tested where it is read: sockets in `local/result.rs`, files of the
//! spool in `outbox/`, kernel files in `venus-collectors`. `PROPTEST_CASES` makes it more of them.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use chrono::{Local, TimeZone};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use venus_agent::check::{ChildEnvironment, Runner};
use venus_agent::log::{Format, Level, Log};
use venus_agent::outbox::Outbox;
use venus_agent::schedule::{cron, subdued};
use venus_agent::settings::{Current, Settings};

/// Keys that mean something somewhere, and some that mean nothing.
const KEYS: [&str; 60] = [
    "address",
    "age",
    "api",
    "attributes",
    "begin",
    "bind",
    "builtin_checks",
    "bytes",
    "checks",
    "client",
    "cron",
    "days",
    "dir",
    "end",
    "exceptions",
    "extension",
    "filter",
    "filters",
    "handler",
    "handlers",
    "heartbeat",
    "hooks",
    "host",
    "http_socket",
    "interval",
    "keepalive",
    "limit",
    "master",
    "max_output",
    "metrics",
    "name",
    "negate",
    "password",
    "port",
    "prefetch",
    "proxy_requests",
    "publish",
    "rabbitmq",
    "rate",
    "redact",
    "redis",
    "sensu",
    "sentinels",
    "severities",
    "signature",
    "socket",
    "source",
    "spawn",
    "spool",
    "ssl",
    "standalone",
    "subdue",
    "subscribers",
    "subscriptions",
    "thresholds",
    "timeout",
    "transport",
    "ttl",
    "user",
    "venus",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "load",
            "10s",
            "rabbitmq",
            "redis",
            "embedded",
            "physical",
            "roundrobin:a",
            "pipe",
            "set",
            "9:00 AM",
            "* * * * *",
            "amqp://a:b@127.0.0.1:1/%2F",
            "redis://:x@h:1/0",
            "a b",
            ":::name:::",
            ":::a|:::",
            "../..",
            "localhost",
            "0",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2..70_000_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![8 => select(&KEYS[..]).prop_map(str::to_owned), 1 => ".{0,6}"];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

fn settings() -> impl Strategy<Value = Value> {
    let top = select(vec![
        "api",
        "checks",
        "client",
        "filters",
        "graphite",
        "handlers",
        "mutators",
        "rabbitmq",
        "redis",
        "sensu",
        "transport",
        "venus",
    ]);
    btree_map(top, value(), 0..6).prop_map(|map| json!(map))
}

fn valid() -> Settings {
    let client = json!({"client": {
        "name": "c", "address": "127.0.0.1", "subscriptions": ["all"], "a": {"b": "1"},
    }});
    Settings::compile(client.as_object().unwrap().clone(), Vec::new()).unwrap()
}

proptest! {
    #[test]
    fn settings_are_valid_or_every_mistake_is_one_line(settings in settings()) {
        let settings = settings.as_object().unwrap().clone();
        if let Err(problems) = Settings::compile(settings, Vec::new()) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(!problem.message.is_empty());
            }
        }
    }

    /// With a command that does nothing: whoever may send requests may run any.
    #[test]
    fn a_request_makes_a_result_or_none(
        more in value(), bytes in vec(any::<u8>(), 0..60), is_json: bool, has_command: bool,
    ) {
        let mut request = json!({"name": "load", "issued": 1});
        if let Some(more) = more.as_object() {
            let more = more.iter().filter(|(key, _)| *key != "hooks" && *key != "context");
            request.as_object_mut().unwrap().extend(more.map(|(key, value)| (key.clone(), value.clone())));
        }
        if has_command {
            request["command"] = json!("true :::a.b:::");
        }
        let payload = if is_json { request.to_string().into_bytes() } else { bytes };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let outbox = Rc::new(Outbox::default());
        let runner = Rc::new(Runner::new(
            Rc::new(Current::new(valid())),
            Log::stderr(Level::Fatal, Format::Json),
            Rc::clone(&outbox),
            Rc::default(),
            ChildEnvironment::of(&HashMap::new()),
        ));
        LocalSet::new().block_on(&runtime, async {
            runner.run_request(&payload);
            runner.finished().await;
        });
        prop_assert!(outbox.len() <= 1);
    }

    #[test]
    fn an_expression_is_cron_or_is_refused(
        text in prop_oneof!["[0-9*/,L#W?@a-zA-Z -]{0,24}", "([0-9*/,-]{1,5} ){4,5}[0-9*/,-]{1,5}", ".{0,20}"],
    ) {
        if let Ok(cron) = cron::parse(&text) {
            let now = Local.timestamp_opt(1_795_000_000, 0).unwrap();
            let mut clock = cron::CronClock::new(cron, &now);
            prop_assert!(!clock.strikes(&now) || clock.wait(&now).is_some());
        }
    }

    #[test]
    fn a_window_is_one_or_none(windows in value(), seconds in 0..4_000_000_000_i64) {
        let now = Local.timestamp_opt(seconds, 0).unwrap();
        let check = json!({"subdue": windows});
        let check = check.as_object().unwrap();
        prop_assert_eq!(subdued(check, now), subdued(check, now));
    }
}
