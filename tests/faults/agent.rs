//! An agent that is killed, stopped, or has nothing left to work with.

use crate::load::pause;
use crate::place::{alone, is_whole, lasting};
use crate::trial::{LOST, Plan, Trial};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use venus_tests::memory_group::MemoryGroup;
use venus_tests::program::{run, wait_until};
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::recorder::Recorder;

fn plan(fault: &'static str, broker: &RabbitMq) -> (Plan, Recorder) {
    let vhost = broker.vhost();
    let plan = Plan {
        fault,
        transport: json!({"rabbitmq": vhost.settings()}),
        ..Plan::default()
    };
    (plan, Recorder::of(&vhost))
}

#[test]
fn killed_at_random_moments() {
    alone(|broker| {
        let fault = "Agent: kill -9 at 200 random moments, half of them without RabbitMQ";
        let (plan, recorder) = plan(fault, broker);
        let mut trial = Trial::start(
            Plan {
                kills: true,
                ..plan
            },
            recorder,
        );
        let times = if is_whole() { 200 } else { 10 };
        for time in 1..=times {
            pause(Duration::from_millis(fastrand::u64(0..1000)));
            trial.kill();
            if time == times / 2 {
                broker.kill();
            }
            trial.launch();
        }
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn ended_and_started_without_a_broker() {
    alone(|broker| {
        let (plan, recorder) = plan("Agent: TERM while RabbitMQ is away, started again", broker);
        let mut trial = Trial::start(plan, recorder);
        trial.suffer(lasting(20, 5), LOST, || broker.kill());
        trial.terminate();
        trial.launch();
        pause(lasting(10, 3));
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn hangs() {
    alone(|broker| {
        let (plan, recorder) = plan("Agent: SIGSTOP for 60 s", broker);
        let mut trial = Trial::start(plan, recorder);
        let pid = trial.agent().pid();
        let signal = |signal| nix::sys::signal::kill(pid, signal).unwrap();
        signal(Signal::SIGSTOP);
        pause(lasting(60, 25));
        trial.recover(|| signal(Signal::SIGCONT));
        pause(Duration::from_secs(2));
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn out_of_descriptors() {
    alone(|broker| {
        let fault = "Agent: no descriptor left for 20 s, RabbitMQ started again";
        let (plan, recorder) = plan(fault, broker);
        let mut trial = Trial::start(
            Plan {
                memory_counts: true,
                ..plan
            },
            recorder,
        );
        let pid = trial.agent().pid();
        let limit = |descriptors: usize| {
            let pid = pid.to_string();
            let limit = format!("--nofile={descriptors}:4096");
            let output = run(Command::new("prlimit").args(["--pid", &pid, &limit]));
            assert!(output.status.success(), "{output:?}");
        };
        trial.suffer(Duration::ZERO, LOST, || {
            limit(8);
            broker.kill();
        });
        broker.launch();
        pause(lasting(20, 10));
        trial.recover(|| limit(1024));
        trial.finish();
    });
}

/// First a neighbour in its control group takes all memory, as a check may, and is killed; then
/// the agent itself gets none any more.
#[test]
#[ignore = "long: tests/faults/run"]
fn out_of_memory() {
    alone(|broker| {
        let Some(group) = MemoryGroup::new() else {
            return;
        };
        let fault = "Agent: killed by the kernel, out of memory in its control group";
        let (plan, recorder) = plan(fault, broker);
        let mut trial = Trial::start(
            Plan {
                kills: true,
                ..plan
            },
            recorder,
        );
        group.add(trial.agent().pid());
        group.limit(group.used() + (64 << 20));
        let greedy = format!("{}; exec tail /dev/zero", group.enter());
        let greedy = Command::new("sh").args(["-c", &greedy]).status().unwrap();
        assert_eq!(greedy.signal(), Some(Signal::SIGKILL as i32));
        broker.kill();
        trial.agent().stdout_line(LOST);
        // Each second checks want memory for their processes.
        trial.fall(|| group.limit(group.used()));
        trial.launch();
        pause(lasting(10, 3));
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

/// The files of the spool.
fn files(spool: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(spool.join("spool/one")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "results"))
        .collect()
}

#[test]
#[ignore = "long: tests/faults/run"]
fn spool_damaged() {
    alone(|broker| {
        let (plan, recorder) = plan("Disk: 10 bytes of the spool changed at random", broker);
        let mut trial = Trial::start(
            Plan {
                destroyed: 10,
                ..plan
            },
            recorder,
        );
        trial.suffer(lasting(20, 8), LOST, || broker.kill());
        let spool = trial.path("spool");
        wait_until(|| !files(&spool).is_empty());
        trial.terminate();
        for _ in 0..10 {
            let files = files(&spool);
            let file = &files[fastrand::usize(..files.len())];
            let mut bytes = fs::read(file).unwrap();
            let place = fastrand::usize(..bytes.len());
            bytes[place] ^= fastrand::u8(1..);
            fs::write(file, bytes).unwrap();
        }
        trial.launch();
        trial.agent().stdout_line("part of the spool is damaged");
        trial.recover(|| broker.launch());
        trial.finish();
    });
}
