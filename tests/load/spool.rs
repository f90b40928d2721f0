//! What the spool costs while nothing is in it.

use crate::rig::{Rig, alone, hand_in, report, size};
use serde_json::{Value, json};
use venus_tests::callgrind::{self, Counted};
use venus_tests::program::{self, wait_until};
use venus_tests::server::Server;

/// Deliveries before it counts: buffers have grown, and the connection is old.
const BEFORE: u64 = 50;

#[test]
fn while_all_is_well_nothing_is_written_to_the_disk() {
    let Some(rig) = Rig::start(&json!({
        "load": {"extension": "metrics-load", "standalone": true, "interval": 1},
        "count": {"command": "echo here", "standalone": true, "interval": 1},
    })) else {
        return;
    };
    let process = rig.process();
    let before = (rig.spooled(), process.io("write_bytes"));
    for number in 0..200 {
        let result = json!({"name": "socket", "output": format!("{number}")});
        assert_eq!(hand_in(rig.socket, &result.to_string()).unwrap(), "ok");
    }
    let started = rig.count("venus_checks_started_total");
    wait_until(|| rig.count("venus_checks_started_total") > started + size(40, 4));
    assert_eq!((rig.spooled(), process.io("write_bytes")), before);
}

#[test]
fn while_all_is_well_it_costs_at_most_a_tenth_of_the_instructions() {
    let _alone = alone();
    let deliveries = size(2000, 200);
    let Some(without) = instructions(&json!(false), deliveries) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let with = instructions(&json!({"dir": dir.path()}), deliveries).unwrap();
    report(&json!({
        "load": "spool", "deliveries": deliveries,
        "instructions_each_without": without / deliveries,
        "instructions_each_with": with / deliveries,
    }));
    assert!(with * 10 <= without * 11, "{without}, with it {with}");
}

/// How many instructions so many deliveries take an agent with such a spool, one after the other.
fn instructions(spool: &Value, deliveries: u64) -> Option<u64> {
    let (vhost, mut server) = Server::alone()?;
    let (agent, dir) = program::agent(&json!({
        "client": {
            "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
            "socket": {"enabled": false}, "http_socket": {"enabled": false},
        },
        "rabbitmq": vhost.settings(),
        "venus": {"spool": spool},
    }));
    let mut agent = Counted::start(&agent, dir)?;
    server.keepalive();
    let mut deliver = |count| {
        for _ in 0..count {
            server.request("all", &json!({"name": "one", "extension": "metrics-load"}));
            server.result();
        }
    };
    deliver(BEFORE);
    agent.dump();
    deliver(deliveries);
    Some(callgrind::instructions(&agent.dump()))
}
