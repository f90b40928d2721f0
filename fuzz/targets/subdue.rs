//! Two times of day, a line each, or what stands in their place in the settings.

#![no_main]

use chrono::{Local, TimeZone};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use venus_agent::schedule::{TimeOfDay, handler_subdued, is_within};

fuzz_target!(|data: (u32, &str)| {
    let (seconds, text) = data;
    let Some(now) = Local.timestamp_opt(seconds.into(), 0).single() else {
        return;
    };
    let windows: Value = serde_json::from_str(text).unwrap_or_default();
    assert!(!is_within(&windows, now) || handler_subdued(&windows, now));
    let (begin, end) = text.split_once('\n').unwrap_or((text, text));
    let within = |begin, end| {
        is_within(
            &json!({"days": {"all": [{"begin": begin, "end": end}]}}),
            now,
        )
    };
    let are_times = [begin, end]
        .map(TimeOfDay::parse)
        .iter()
        .all(Option::is_some);
    // It is always from one to the other, or from the other to the one, across midnight.
    assert_eq!(within(begin, end) || within(end, begin), are_times);
});
