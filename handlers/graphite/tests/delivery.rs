//! Delivery by the library, with a clock of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod receiver;

use handler_graphite::delivery::{Clock, DeliveryError, deliver, put};
use handler_graphite::sender::Sender;
use handler_graphite::settings::Settings;
use receiver::{Conduct, Receiver};
use serde_json::{Value, json};
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use venus_settings::Sources;
use venus_spool::Spool;

fn settings(section: &Value) -> Settings {
    let all = json!({ "graphite": section }).as_object().unwrap().clone();
    Settings::from_section(all, "graphite", &Sources::default()).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn pauses_double_up_to_half_a_minute() {
    let [nobody] = venus_tests::port::free();
    let settings = settings(&json!({"port": nobody, "retry_limit": 7}));
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), settings.spool).unwrap();
    put(&spool, "a 1 1795477200\n", at(100)).unwrap();
    let mut pauses = Vec::new();
    let mut clock = Clock {
        now: &|| at(100),
        wait: &mut |pause| pauses.push(pause.as_secs()),
    };
    let mut sender = Sender::new(&settings.target).unwrap();
    let failed = deliver(&spool, &mut sender, &settings, &mut clock, &mut |_| {});
    assert!(
        matches!(failed, Err(DeliveryError::Failed { tries: 8, .. })),
        "{failed:?}"
    );
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn nobody_delivers_for_others_for_ever() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let settings = settings(&json!({"port": receiver.port(), "repeat": 0}));
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), settings.spool).unwrap();
    let line = "a 1 1795477200\n";
    let lines = line.repeat((5 << 20) / line.len());
    put(&spool, &lines, at(0)).unwrap();
    // Half a minute passes with each look at it.
    let seconds = Cell::new(0);
    let mut clock = Clock {
        now: &|| at(seconds.replace(seconds.get() + 30)),
        wait: &mut |_| {},
    };
    let mut sender = Sender::new(&settings.target).unwrap();
    let mut run = || deliver(&spool, &mut sender, &settings, &mut clock, &mut |_| {});
    let error = run().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "delivered for 2 minutes, what is left waits in {} for the next event",
            dir.path().display()
        )
    );
    let before = receiver.received().concat().len();
    assert!(before > 0 && before < lines.len());
    while run().is_err() {}
    assert_eq!(receiver.received().concat(), lines);
}

#[test]
fn what_waited_too_long_is_lost_and_said() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let settings = settings(&json!({"port": receiver.port(), "spool_age": 100}));
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(dir.path(), settings.spool).unwrap();
    put(&spool, "a 1 1795477200\n", at(1_000)).unwrap();
    put(&spool, "b 1 1795477200\n", at(1_050)).unwrap();
    let mut said = Vec::new();
    let mut clock = Clock {
        now: &|| at(1_101),
        wait: &mut |_| {},
    };
    let mut sender = Sender::new(&settings.target).unwrap();
    let warn = &mut |line: &str| said.push(line.to_owned());
    deliver(&spool, &mut sender, &settings, &mut clock, warn).unwrap();
    assert_eq!(receiver.received(), ["b 1 1795477200\n"]);
    assert_eq!(
        said,
        [format!(
            "1 portions of lines had waited too long or were too many in {}, and are lost",
            dir.path().display()
        )]
    );
}
