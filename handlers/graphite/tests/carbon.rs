//! Delivery from a process that lives on, to a real Carbon.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_graphite::sender::Sender;
use handler_graphite::settings::Settings;
use handler_graphite::stream::Stream;
use serde_json::json;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use venus_settings::Sources;
use venus_tests::carbon::Carbon;
use venus_tests::program::wait_until;

/// Points of a batch.
const BATCH: u64 = 500;

#[test]
fn a_carbon_that_is_killed_costs_a_stream_no_point() {
    let Some(mut carbon) = Carbon::launch(30_000) else {
        return;
    };
    let all = json!({"graphite": {"port": carbon.lines}});
    let all = all.as_object().unwrap().clone();
    let settings = Settings::from_section(all, "graphite", &Sources::default()).unwrap();
    let sender = Sender::new(&settings.target).unwrap();
    let mut stream = Stream::new(sender, settings.spool, settings.repeat);
    let now = fs::metadata("/proc/self").unwrap().modified().unwrap();
    let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = now - 25_000;
    let batch = |number: u64| -> (String, SystemTime) {
        let mut lines = String::new();
        for point in number * BATCH..(number + 1) * BATCH {
            lines.push_str(&format!("a.b {point} {}\n", start + point));
        }
        (lines, UNIX_EPOCH + Duration::from_secs(now + number))
    };
    let mut send = |numbers: std::ops::Range<u64>| {
        let mut failed = 0;
        for number in numbers {
            let (lines, now) = batch(number);
            failed += u32::from(stream.send(lines, now).is_err());
        }
        failed
    };
    assert_eq!(send(0..20), 0);
    // With what it has read and not written.
    carbon.kill();
    assert!(send(20..25) > 0);
    carbon.relaunch();
    assert_eq!(send(25..40), 0);
    wait_until(|| carbon.holds("a.b", start, 20_000));
    let points = carbon.points("a.b", start, start + 20_000);
    let expected = (0..20_000_u32).map(|number| (start + u64::from(number), f64::from(number)));
    assert!(
        points.into_iter().eq(expected),
        "other points than were sent"
    );
}
