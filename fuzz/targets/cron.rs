//! A cron expression after four bytes that say when it is.

#![no_main]

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use venus_agent::schedule::cron::{CronClock, parse};

fuzz_target!(|data: (u32, &str)| {
    let (seconds, text) = data;
    let Ok(cron) = parse(text) else {
        return;
    };
    let Some(now) = DateTime::<Utc>::from_timestamp(seconds.into(), 0) else {
        return;
    };
    if let Ok(next) = cron.find_next_occurrence(&now, false) {
        assert!(next > now);
        assert!(cron.is_time_matching(&next).unwrap());
        let mut clock = CronClock::new(cron, &now);
        assert!(!clock.strikes(&now) && clock.strikes(&next) && !clock.strikes(&next));
    }
});
