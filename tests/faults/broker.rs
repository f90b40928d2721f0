//! A `RabbitMQ` that is away, hangs, takes nothing, or was tampered with.

use crate::load::pause;
use crate::place::{alone, lasting};
use crate::trial::{LOST, Plan, Trial};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;
use venus_tests::rabbitmq::{PASSWORD, RabbitMq, USER, Vhost};
use venus_tests::recorder::Recorder;

fn begin(fault: &'static str, broker: &RabbitMq) -> (Trial, Vhost) {
    let vhost = broker.vhost();
    let plan = Plan {
        fault,
        transport: json!({"rabbitmq": vhost.settings()}),
        ..Plan::default()
    };
    (Trial::start(plan, Recorder::of(&vhost)), vhost)
}

#[test]
#[ignore = "long: tests/faults/run"]
fn stopped() {
    alone(|broker| {
        let (mut trial, _) = begin("RabbitMQ: stopped for 60 s", broker);
        trial.suffer(lasting(60, 8), LOST, || broker.stop());
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn killed() {
    alone(|broker| {
        let (mut trial, _) = begin("RabbitMQ: kill -9, started again", broker);
        trial.suffer(lasting(10, 3), LOST, || broker.kill());
        trial.recover(|| broker.launch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn hangs() {
    alone(|broker| {
        let (mut trial, _) = begin("RabbitMQ: SIGSTOP for 90 s", broker);
        trial.suffer(lasting(90, 25), LOST, || broker.signal(Signal::SIGSTOP));
        trial.recover(|| broker.signal(Signal::SIGCONT));
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn memory_alarm() {
    alone(|broker| {
        let (mut trial, _) = begin("RabbitMQ: memory alarm for 60 s", broker);
        let says = "the broker takes nothing for now";
        trial.suffer(lasting(60, 10), says, || {
            broker.ctl(&["set_vm_memory_high_watermark", "0"]);
        });
        trial.recover(|| {
            broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
        });
        trial.finish();
    });
}

#[test]
fn no_server() {
    alone(|broker| {
        let fault = "No server: nobody has a queue for results for 60 s";
        let (mut trial, _) = begin(fault, broker);
        let says = "no Sensu server has a queue for results";
        trial.recorder().refuse_results();
        trial.suffer(lasting(60, 6), says, || {});
        trial.recover_by(Recorder::take_results);
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn server_comes_and_goes() {
    alone(|broker| {
        let fault = "No server: away 20 times, for 1 to 3 s";
        let (mut trial, _) = begin(fault, broker);
        for _ in 0..20 {
            trial.recorder().refuse_results();
            pause(Duration::from_millis(fastrand::u64(1000..3000)));
            trial.recorder().take_results();
            pause(Duration::from_millis(fastrand::u64(500..3000)));
        }
        trial.recover(|| ());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn vhost_deleted() {
    alone(|broker| {
        let (mut trial, vhost) = begin("RabbitMQ: vhost deleted, made again", broker);
        trial.suffer(lasting(20, 2), LOST, || {
            broker.ctl(&["delete_vhost", &vhost.name]);
        });
        trial.recover(|| {
            broker.ctl(&["add_vhost", &vhost.name]);
            let all = [".*", ".*", ".*"];
            let arguments = [&["set_permissions", "-p", &vhost.name, USER][..], &all];
            broker.ctl(&arguments.concat());
        });
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn password_changed() {
    alone(|broker| {
        let (mut trial, vhost) = begin("RabbitMQ: password changed, and back", broker);
        trial.suffer(lasting(20, 2), LOST, || {
            broker.ctl(&["change_password", USER, "another"]);
            let arguments = ["close_all_connections", "-p", &vhost.name, "changed"];
            broker.ctl(&arguments);
        });
        trial.recover(|| {
            broker.ctl(&["change_password", USER, PASSWORD]);
        });
        trial.finish();
    });
}

/// Three nodes, of which `fault` is called with that which the agent uses.
fn in_a_cluster(
    name: &'static str,
    fault: impl FnOnce(&mut Trial, &mut [RabbitMq; 3], usize) + Send,
) {
    alone(|_| {
        let Some((_epmd, mut nodes)) = RabbitMq::cluster_of_three() else {
            return;
        };
        let vhost = nodes[0].vhost();
        let vhosts = [0, 1, 2].map(|node: usize| Vhost {
            port: nodes[node].port(),
            ..vhost.clone()
        });
        let all = [0, 1, 2].map(|node: usize| vhosts[node].settings());
        let plan = Plan {
            fault: name,
            transport: json!({ "rabbitmq": all }),
            ..Plan::default()
        };
        let mut trial = Trial::start(plan, Recorder::of_any(&vhosts));
        let connections = nodes[0].ctl(&["list_connections", "pid", "client_properties"]);
        let mut lines = connections.lines();
        let ours = lines.find(|line| line.contains("venus-agent")).unwrap();
        let used = nodes.iter().position(|node| ours.contains(node.name()));
        fault(&mut trial, &mut nodes, used.unwrap());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn a_node_of_a_cluster_killed() {
    let name = "RabbitMQ: that node of a cluster of three killed which the agent uses";
    in_a_cluster(name, |trial, nodes, used| {
        // The others are there.
        trial.recover(|| nodes[used].kill());
        trial.notice(LOST);
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn a_cluster_restarted_node_by_node() {
    let name = "RabbitMQ: cluster of three, restarted node by node";
    in_a_cluster(name, |trial, nodes, used| {
        trial.suffer(Duration::ZERO, LOST, || nodes[used].stop());
        nodes[used].launch();
        for next in 1..nodes.len() {
            let node = &mut nodes[(used + next) % 3];
            node.stop();
            node.launch();
        }
        trial.recover(|| ());
    });
}
