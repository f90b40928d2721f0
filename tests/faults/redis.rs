//! A Redis that is away, hangs, takes nothing, or is not ready yet.

use crate::place::{alone, lasting};
use crate::trial::{LOST, Plan, Trial};
use nix::sys::signal::Signal;
use serde_json::json;
use venus_tests::recorder::Recorder;
use venus_tests::redis::{PASSWORD, Redis};

fn begin(fault: &'static str, redis: &Redis) -> Trial {
    let plan = Plan {
        fault,
        transport: json!({"transport": {"name": "redis"}, "redis": redis.settings()}),
        ..Plan::default()
    };
    Trial::start(plan, Recorder::of_redis(redis))
}

#[test]
#[ignore = "long: tests/faults/run"]
fn stopped() {
    alone(|_| {
        let Some(mut redis) = Redis::launch() else {
            return;
        };
        let mut trial = begin("Redis: stopped for 60 s", &redis);
        trial.suffer(lasting(60, 8), LOST, || {
            redis.signal(Signal::SIGTERM);
            redis.wait();
        });
        trial.recover(|| redis.relaunch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn killed() {
    alone(|_| {
        let Some(mut redis) = Redis::launch() else {
            return;
        };
        let mut trial = begin("Redis: kill -9, started again", &redis);
        trial.suffer(lasting(10, 3), LOST, || redis.kill());
        trial.recover(|| redis.relaunch());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn hangs() {
    alone(|_| {
        let Some(redis) = Redis::launch() else {
            return;
        };
        let mut trial = begin("Redis: SIGSTOP for 90 s", &redis);
        trial.suffer(lasting(90, 25), LOST, || redis.signal(Signal::SIGSTOP));
        trial.recover(|| redis.signal(Signal::SIGCONT));
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn loads_its_data() {
    alone(|_| {
        let seconds = 20;
        let Some(mut redis) = Redis::that_loads_slowly(seconds * 1000) else {
            return;
        };
        let mut trial = begin("Redis: kill -9, loads its data for 20 s", &redis);
        trial.suffer(lasting(2, 2), LOST, || redis.kill());
        redis.relaunch();
        trial.recover(|| redis.wait_until_loaded());
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn full() {
    alone(|_| {
        let Some(redis) = Redis::launch() else {
            return;
        };
        let mut trial = begin("Redis: memory full for 60 s", &redis);
        trial.suffer(lasting(60, 10), LOST, || redis.configure("maxmemory", "1"));
        trial.recover(|| redis.configure("maxmemory", "0"));
        trial.finish();
    });
}

#[test]
#[ignore = "long: tests/faults/run"]
fn password_changed() {
    alone(|_| {
        let Some(redis) = Redis::launch() else {
            return;
        };
        let mut trial = begin("Redis: password changed, and back", &redis);
        // A connection that is logged in stays so.
        let client = ::redis::Client::open(redis.url(0)).unwrap();
        let mut admin = client.get_connection().unwrap();
        let mut ask = |words: &str| {
            let mut words = words.split_whitespace();
            let mut command = ::redis::cmd(words.next().unwrap());
            let answer = command.arg(words.collect::<Vec<_>>()).query(&mut admin);
            let _: ::redis::Value = answer.unwrap();
        };
        trial.suffer(lasting(20, 2), LOST, || {
            ask("CONFIG SET requirepass another");
            ask("CLIENT KILL TYPE pubsub");
            ask("CLIENT KILL TYPE normal SKIPME yes");
        });
        trial.recover(|| ask(&format!("CONFIG SET requirepass {PASSWORD}")));
        trial.finish();
    });
}
