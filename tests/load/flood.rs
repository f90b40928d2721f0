//! A check that writes without end.

use crate::rig::{Rig, report};
use serde_json::json;
use std::time::Instant;
use venus_tests::program::wait_until;
use venus_tests::publisher::Publisher;

const WRITTEN: usize = 1 << 30;
const KEPT: usize = 1 << 20;

#[test]
fn of_a_gigabyte_a_megabyte_is_kept_and_other_checks_run_meanwhile() {
    let Some(rig) = Rig::start(&json!({
        "beside": {"extension": "metrics-load", "standalone": true, "interval": 1},
    })) else {
        return;
    };
    let others = || rig.heard(|heard| heard.others.len());
    wait_until(|| others() > 0);
    let before = rig.process().status("VmHWM");
    let (begun, started) = (Instant::now(), rig.count("venus_checks_started_total"));
    let command = format!("yes | head -c {WRITTEN}");
    let publisher = Publisher::connect(&rig.vhost);
    publisher.request("all", &json!({"name": "flood", "command": command}));
    let find = || {
        rig.heard(|heard| {
            let mut checks = heard.others.iter().map(|result| &result["check"]);
            let flood = checks.find(|check| check["name"] == "flood");
            flood.map(|check| check["output"].as_str().unwrap().to_owned())
        })
    };
    wait_until(|| find().is_some());
    let took = begun.elapsed().as_secs_f64();
    let output = find().unwrap();
    let peak = rig.process().status("VmHWM");
    let runs = rig.count("venus_checks_started_total") - started;
    let missed = rig.count("venus_checks_missed_total");
    report(&json!({
        "load": "flood", "seconds": took, "result_bytes": output.len(),
        "runs_beside": runs, "missed": missed,
        "peak_before_kb": before, "peak_kb": peak,
    }));
    let (kept, said) = output.split_at(KEPT);
    assert_eq!(kept, "y\n".repeat(KEPT / 2));
    let cut = WRITTEN - KEPT;
    assert_eq!(said, format!("\n[{cut} more bytes of output were cut]\n"));
    assert!(peak < before + 32 * 1024, "{before} kB, then {peak} kB");
    assert_eq!(missed, 0);
    rig.assert_left_nothing();
}
