//! A network between the agent and the broker that loses, delays or swallows.
//!
//! The agent is in a network namespace of its own, at the other end of a cable.

use crate::load::pause;
use crate::place::{ADDRESS, alone, lasting};
use crate::trial::{LOST, Plan, Trial};
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use venus_tests::daemon::Daemon;
use venus_tests::part;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::recorder::Recorder;
use venus_tests::redis::Redis;
use venus_tests::room::run_here;

/// What the agent does in its namespace before it starts.
fn prelude() -> String {
    format!(
        "ip link set lo up\n\
         until ip link show venus >/dev/null 2>&1; do sleep 0.05; done\n\
         ip addr add 10.77.1.2/30 dev venus\n\
         ip link set venus up\n\
         ip route add {ADDRESS} via 10.77.1.1"
    )
}

fn plan(fault: &'static str, broker: &RabbitMq) -> (Plan, Recorder) {
    let vhost = broker.vhost();
    let mut settings = vhost.settings();
    settings["host"] = json!(ADDRESS);
    let plan = Plan {
        fault,
        transport: json!({"rabbitmq": settings}),
        prelude: Some(prelude()),
        ..Plan::default()
    };
    (plan, Recorder::of(&vhost))
}

/// Does with every packet of the cable what this rule says, in both directions.
fn packets(rule: &str) {
    run_here(&format!(
        "iptables -A INPUT -i venus {rule}; iptables -A OUTPUT -o venus {rule}"
    ));
}

fn all_pass() {
    run_here("iptables -F");
}

#[test]
#[ignore = "long: tests/faults/run"]
fn parted() {
    alone(|broker| {
        let (plan, recorder) = plan("Network: parted for 60 s, nobody is told", broker);
        let mut trial = Trial::start(plan, recorder);
        trial.suffer(lasting(60, 30), LOST, || packets("-j DROP"));
        trial.recover(all_pass);
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn parted_from_redis() {
    alone(|_| {
        let Some(redis) = Redis::launch() else {
            return;
        };
        redis.configure("bind", &format!("127.0.0.1 {ADDRESS}"));
        let mut settings = redis.settings();
        settings["host"] = json!(ADDRESS);
        let plan = Plan {
            fault: "Redis: network parted for 60 s, nobody is told",
            transport: json!({"transport": {"name": "redis"}, "redis": settings}),
            prelude: Some(prelude()),
            ..Plan::default()
        };
        let mut trial = Trial::start(plan, Recorder::of_redis(&redis));
        trial.suffer(lasting(60, 30), LOST, || packets("-j DROP"));
        trial.recover(all_pass);
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn lossy() {
    alone(|broker| {
        let (plan, recorder) = plan("Network: 30 % of the packets lost for 60 s", broker);
        let mut trial = Trial::start(plan, recorder);
        packets("-m statistic --mode random --probability 0.3 -j DROP");
        pause(lasting(60, 20));
        trial.recover(all_pass);
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn half_open() {
    alone(|broker| {
        let fault = "Network: half-open, RabbitMQ started again while parted";
        let (plan, recorder) = plan(fault, broker);
        let mut trial = Trial::start(plan, recorder);
        packets("-j DROP");
        broker.kill();
        broker.launch();
        trial.recover(all_pass);
        trial.notice(LOST);
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn swallows_large_packets() {
    alone(|broker| {
        let fault = "Network: packets of more than 600 bytes vanish for 60 s";
        let (plan, recorder) = plan(fault, broker);
        let mut trial = Trial::start(
            Plan {
                padding: 2000,
                ..plan
            },
            recorder,
        );
        trial.suffer(lasting(60, 30), LOST, || {
            packets("-m length --length 600:65535 -j DROP");
        });
        trial.recover(all_pass);
        trial.finish();
    });
}

/// The name server of the agent; it is asked at its usual port.
fn name_server() -> Option<Daemon> {
    let program = part::find("named", &["/usr/sbin/named"])?;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display();
    let settings = format!(
        "options {{\n\
         directory \"{folder}\"; pid-file none; lock-file none;\n\
         session-keyfile \"{folder}/key\";\n\
         listen-on {{ 127.0.0.1; {ADDRESS}; }}; listen-on-v6 {{ none; }};\n\
         recursion no; dnssec-validation no; empty-zones-enable no;\n\
         }};\n\
         controls {{ }};\n\
         zone \"venus\" {{ type primary; file \"venus\"; }};\n"
    );
    let zone = format!(
        "$TTL 1\n@ SOA ns1 root 1 60 60 60 1\n  NS ns1\nns1 A {ADDRESS}\nbroker A {ADDRESS}\n"
    );
    fs::write(dir.path().join("venus"), zone).unwrap();
    let file = dir.path().join("named.conf");
    fs::write(&file, settings).unwrap();
    let arguments = ["-g", "-n", "1", "-c", &file.display().to_string()];
    Some(Daemon::launch(program, &arguments, dir, 53))
}

#[test]
#[ignore = "long: tests/faults/run"]
fn names_unknown() {
    alone(|broker| {
        let Some(names) = name_server() else {
            return;
        };
        let fault = "Network: no answer from DNS for 30 s, RabbitMQ started again";
        let (mut plan, recorder) = plan(fault, broker);
        plan.transport["rabbitmq"]["host"] = json!("broker.venus");
        let resolver = names.path("resolv.conf");
        fs::write(&resolver, format!("nameserver {ADDRESS}\n")).unwrap();
        let resolver = resolver.display();
        let prelude = prelude();
        plan.prelude = Some(format!(
            "{prelude}\nmount --bind {resolver} /etc/resolv.conf"
        ));
        let mut trial = Trial::start(plan, recorder);
        trial.suffer(Duration::ZERO, LOST, || {
            names.signal(Signal::SIGSTOP);
            broker.kill();
        });
        broker.launch();
        pause(lasting(30, 10));
        trial.recover(|| names.signal(Signal::SIGCONT));
        trial.finish();
    });
}

/// A way to a port that takes its time, in both directions. The kernel here has no `netem`,
/// which would delay packets: this delays what is in them.
struct Slow {
    port: u16,
    /// Milliseconds.
    delay: Arc<AtomicU64>,
}

impl Slow {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let delay = Arc::<AtomicU64>::default();
        let theirs = Arc::clone(&delay);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    forward(from, to, Arc::clone(&theirs));
                }
            }
        });
        Self { port, delay }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, delay: Arc<AtomicU64>) {
    let (sender, due) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let delay = Duration::from_millis(delay.load(Ordering::SeqCst));
            if sender
                .send((Instant::now() + delay, buffer[..count].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (at, bytes) in due {
            pause(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).unwrap_or_default();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn slow() {
    alone(|broker| {
        let vhost = broker.vhost();
        let way = Slow::to(vhost.port);
        let mut settings = vhost.settings();
        settings["port"] = json!(way.port);
        let plan = Plan {
            fault: "Network: 2 s of delay each way for 60 s",
            transport: json!({"rabbitmq": settings}),
            ..Plan::default()
        };
        let mut trial = Trial::start(plan, Recorder::of(&vhost));
        way.delay.store(2000, Ordering::SeqCst);
        pause(lasting(60, 20));
        trial.recover(|| way.delay.store(0, Ordering::SeqCst));
        trial.finish();
    });
}
