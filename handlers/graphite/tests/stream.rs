//! Delivery from a process that lives on, against a stand-in for Carbon.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod receiver;

use handler_graphite::sender::Sender;
use handler_graphite::settings::Settings;
use handler_graphite::stream::Stream;
use receiver::{Conduct, Receiver};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use venus_settings::Sources;
use venus_spool::Bounds;
use venus_tests::cable::Cable;

const REPEAT: Duration = Duration::from_mins(1);

fn stream(port: u16, bytes: u64) -> Stream {
    let all = json!({"graphite": {"port": port, "timeout": 5}});
    let all = all.as_object().unwrap().clone();
    let settings = Settings::from_section(all, "graphite", &Sources::default()).unwrap();
    let bounds = Bounds {
        age: Duration::from_secs(100),
        bytes,
    };
    Stream::new(Sender::new(&settings.target).unwrap(), bounds, REPEAT)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn line(number: u64) -> String {
    format!("a {number} 1795477200\n")
}

#[test]
fn all_goes_over_one_connection_that_stays() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let mut stream = stream(receiver.port(), 1_000);
    for number in 0..5 {
        stream.send(line(number), at(number)).unwrap();
    }
    let all: String = (0..5).map(line).collect();
    receiver.wait_until(|received| received.concat() == all.as_bytes());
    stream.finish(at(5)).unwrap();
    assert_eq!(receiver.received(), [all]);
    // What is finished is not repeated on the next.
    stream.send(line(5), at(6)).unwrap();
    stream.finish(at(6)).unwrap();
    assert_eq!(receiver.received()[1], line(5));
    assert_eq!((stream.waiting(), stream.dropped()), (0, 0));
}

#[test]
fn after_a_connection_was_lost_the_last_moments_come_again() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let cable = Cable::to(receiver.port());
    let mut stream = stream(cable.port, 1 << 20);
    stream.send(line(0), at(0)).unwrap();
    stream.send(line(1), at(50)).unwrap();
    receiver.wait_until(|received| received.concat().len() == 2 * line(0).len());
    cable.cut();
    // By now the first of them is longer ago than what is repeated.
    let mut last = 2;
    while stream.send(line(last), at(65)).is_ok() {
        last += 1;
    }
    assert!(stream.waiting() > 0);
    cable.mend();
    stream.send(line(0), at(66)).unwrap();
    stream.finish(at(66)).unwrap();
    let expected: String = (1..=last).chain([0]).map(line).collect();
    // The cable closes before the receiver has read all.
    receiver.wait_until(|received| {
        let last = received.last().unwrap();
        last.len() >= expected.len()
    });
    assert_eq!(receiver.received().last().unwrap(), &expected);
}

#[test]
fn nothing_grows_beyond_its_bounds() {
    let [nobody] = venus_tests::port::free();
    let length = u64::try_from(line(0).len()).unwrap();
    let mut stream = stream(nobody, 3 * length);
    for number in 0..5 {
        assert!(stream.send(line(number), at(number)).is_err());
    }
    assert_eq!((stream.waiting(), stream.dropped()), (3 * length, 2));
    // And not for longer than that: the last of these was put at 4.
    assert!(stream.send(line(9), at(104)).is_err());
    assert_eq!((stream.waiting(), stream.dropped()), (2 * length, 4));
}
