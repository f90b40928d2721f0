//! Two times of day, a line each, or the windows of the settings; before it four bytes that say when it is.

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
    let is_time = |text| TimeOfDay::parse(text).is_some();
    assert!(!within(begin, end) || is_time(begin) && is_time(end));
    // It is always from one to the other, or from the other to the one, unless they are the same.
    let around = |time| within(begin, time) || within(time, begin);
    assert_eq!(around("0:00") || around("12:00"), is_time(begin));
});
