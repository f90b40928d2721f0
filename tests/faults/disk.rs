//! A disk that is full, or cannot be written, while the broker is away.

use crate::place::{alone, lasting};
use crate::trial::{Plan, Trial};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use serde_json::json;
use std::path::Path;
use venus_tests::part;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::recorder::Recorder;

const FAILS: &str = "results cannot be written to the disk and wait in memory";

fn tmpfs(at: &Path, flags: MsFlags, size: &str) {
    let none: Option<&str> = None;
    mount(none, at, Some("tmpfs"), flags, Some(size)).unwrap();
}

/// A trial whose spool is on a disk of its own, of this size.
fn begin(fault: &'static str, broker: &RabbitMq, size: &str) -> Option<Trial> {
    if !geteuid().is_root() {
        return part::missing("root, who may mount");
    }
    // Of this thread, and of the agent that it starts.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).unwrap();
    let vhost = broker.vhost();
    let plan = Plan {
        fault,
        transport: json!({"rabbitmq": vhost.settings()}),
        memory_counts: true,
        padding: 1000,
        ..Plan::default()
    };
    let mut trial = Trial::prepare(plan, Recorder::of(&vhost));
    tmpfs(&trial.path("spool"), MsFlags::empty(), size);
    trial.begin();
    Some(trial)
}

#[test]
fn full() {
    alone(|broker| {
        let fault = "Disk: 64 kB, full, while RabbitMQ is away for 60 s";
        let Some(mut trial) = begin(fault, broker, "size=64k") else {
            return;
        };
        trial.suffer(lasting(60, 5), FAILS, || broker.kill());
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn read_only() {
    alone(|broker| {
        let fault = "Disk: read-only, while RabbitMQ is away for 60 s";
        let Some(mut trial) = begin(fault, broker, "size=1m") else {
            return;
        };
        let spool = trial.path("spool");
        trial.suffer(lasting(60, 10), FAILS, || {
            let remount = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            tmpfs(&spool, remount, "size=1m");
            broker.kill();
        });
        trial.recover(|| broker.launch());
        trial.finish();
    });
}
