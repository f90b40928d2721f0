//! Thousands of checks of this node's own.

use crate::rig::{Rig, pause, report, size};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const COLLECTORS: [&str; 4] = [
    "metrics-cpu",
    "metrics-load",
    "metrics-memory",
    "metrics-net",
];

#[test]
fn of_thousands_of_checks_each_runs_at_each_of_its_times() {
    let (count, interval, intervals): (usize, u32, u32) = size((5000, 10, 12), (1000, 4, 3));
    let checks = (0..count).map(|number| {
        let extension = COLLECTORS[number % COLLECTORS.len()];
        let check = json!({"extension": extension, "standalone": true, "interval": interval});
        (format!("check-{number}"), check)
    });
    let checks: Value = checks.collect::<serde_json::Map<_, _>>().into();
    let Some(rig) = Rig::start(&checks) else {
        return;
    };
    let process = rig.process();
    let (begun, worked) = (Instant::now(), process.processor_time());
    // When each check was run, by the wall clock.
    let mut runs: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut latest = 0.0_f64;
    while begun.elapsed() < Duration::from_secs((interval * intervals).into()) {
        for result in rig.heard(|heard| std::mem::take(&mut heard.others)) {
            let check = &result["check"];
            assert_eq!(check["status"], 0, "{check}");
            let name = check["name"].as_str().unwrap().to_owned();
            let executed = check["executed"].as_u64().unwrap();
            runs.entry(name).or_default().push(executed);
        }
        let late: f64 = rig.figure("venus_checks_late_seconds").parse().unwrap();
        latest = latest.max(late);
        pause(Duration::from_millis(200));
    }
    let took = begun.elapsed().as_secs_f64();
    let worked = process
        .processor_time()
        .saturating_sub(worked)
        .as_secs_f64();
    let results: usize = runs.values().map(Vec::len).sum();
    let missed = rig.count("venus_checks_missed_total");
    #[expect(clippy::cast_precision_loss, reason = "a figure to be read")]
    let each = worked * 1e6 / results as f64;
    report(&json!({
        "load": "builtins", "checks": count, "interval": interval, "seconds": took,
        "results": results, "missed": missed, "latest_seconds": latest,
        "processor_percent": worked / took * 100.0, "processor_us_each": each,
        "peak_kb": process.status("VmHWM"), "descriptors": process.descriptors(),
    }));
    assert_eq!(missed, 0);
    assert_eq!(runs.len(), count);
    for (name, times) in runs {
        // By their clock of seconds, of which each may be just before its end.
        let span = times[times.len() - 1] - times[0];
        let planned = (times.len() as u64 - 1) * u64::from(interval);
        assert!(
            span.abs_diff(planned) <= u64::from(interval / 2),
            "{name}: {times:?}"
        );
        assert!(times.len() >= (intervals - 1) as usize, "{name}: {times:?}");
    }
}
