//! More commands at once than may run side by side.

use crate::rig::{Rig, pause, report, size};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use venus_tests::numbers::Numbers;
use venus_tests::publisher::Publisher;

/// How many may run side by side where the settings say nothing.
const LIMIT: usize = 12;

#[test]
fn of_checks_that_are_asked_for_at_once_all_run_and_never_more_than_the_limit() {
    let Some(rig) = Rig::start(&json!({})) else {
        return;
    };
    let count: u64 = size(500, 100);
    let publisher = Publisher::connect(&rig.vhost);
    let begun = Instant::now();
    for number in 0..count {
        let command = format!("sleep 0.1; echo {number}");
        publisher.request(
            "all",
            &json!({"name": format!("child-{number}"), "command": command}),
        );
    }
    let process = rig.process();
    let arrived = || rig.heard(|heard| heard.numbers.len() as u64);
    let (mut most, mut descriptors) = (0, 0);
    while arrived() < count && begun.elapsed() < Duration::from_mins(2) {
        most = most.max(process.children().len());
        descriptors = descriptors.max(process.descriptors());
        pause(Duration::from_millis(10));
    }
    let took = begun.elapsed().as_secs_f64();
    let one_each = (0..count).map(|number| (format!("child-{number}"), [number]));
    let sent: BTreeMap<String, Numbers> = one_each
        .map(|(name, number)| (name, number.into_iter().collect()))
        .collect();
    let account = rig.account(&sent);
    report(&json!({
        "load": "children", "seconds": took, "sent": count,
        "lost": account.lost, "duplicated": account.duplicated,
        "most_at_once": most, "most_descriptors": descriptors,
        "descriptors_before": rig.idle().descriptors,
        "peak_kb": process.status("VmHWM"),
    }));
    assert_eq!((account.lost, account.duplicated), (0, 0));
    assert!((1..=LIMIT).contains(&most), "{most} side by side");
    rig.assert_left_nothing();
}
