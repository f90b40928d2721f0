//! Results of others, as many as can be handed in.

use crate::rig::{Rig, is_whole, report};
use crate::senders::{Parcels, Sent};
use serde_json::json;
use std::time::Instant;

const BURST: u64 = 20_000;
/// Each result has a connection of its own, as senders have them.
const PARCELS: Parcels = Parcels {
    senders: 8,
    each: 1,
};
/// For how many keepalives one burst follows another, where there is time.
const KEEPALIVES: usize = 4;

#[test]
fn each_result_of_a_burst_arrives_once_and_no_keepalive_is_late() {
    let Some(rig) = Rig::start(&json!({})) else {
        return;
    };
    let before = rig.process().status("VmHWM");
    let begun = Instant::now();
    let mut sent = Sent::default();
    let mut start = 0;
    loop {
        let numbers = start..start + BURST;
        sent.add(PARCELS.send(rig.socket, &numbers).wait());
        start = numbers.end;
        if !is_whole() || rig.heard(|heard| heard.keepalives.len()) >= KEEPALIVES {
            break;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    rig.assert_rhythm();
    let account = rig.account(&sent.taken);
    report(&json!({
        "load": "burst", "seconds": took, "sent": start, "ok": account.sent,
        "refused": sent.refused, "lost": account.lost, "duplicated": account.duplicated,
        "keepalives": rig.heard(|heard| heard.keepalives.len()),
        "peak_before_kb": before, "peak_kb": rig.process().status("VmHWM"),
    }));
    assert!(sent.refused.is_empty(), "{:?}", sent.refused);
    assert_eq!(
        (account.sent, account.lost, account.duplicated),
        (start, 0, 0)
    );
    rig.assert_left_nothing();
}
