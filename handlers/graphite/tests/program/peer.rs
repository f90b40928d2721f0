//! A Carbon that is away, breaks off, hangs or is slow.

use crate::receiver::{Conduct, Receiver};
use crate::{Handler, assert_ends, at, event, line};
use serde_json::json;
use venus_tests::cable::Cable;
use venus_tests::port;

#[test]
fn nobody_listening_is_one_line_and_the_next_event_takes_both_over_one_connection() {
    let [port] = port::free();
    let mut handler = Handler::new(port, &json!({"retry_limit": 2}));
    let spool = handler.dir.path().join("spool");
    assert_ends(
        &handler.run(&event(&line(1))),
        1,
        &format!(
            "handler-graphite: not delivered to 127.0.0.1:{port}: Connection refused \
             (os error 111) (3 tries): the lines wait in {} for the next event\n",
            spool.display()
        ),
    );
    assert_eq!(handler.waiting(), 1);
    let receiver = Receiver::start(&[Conduct::Read]);
    handler.set("port", &json!(receiver.port()));
    assert_ends(&handler.run(&event(&line(2))), 0, "");
    assert_eq!(receiver.received(), [line(1) + &line(2)]);
    assert_eq!(handler.waiting(), 0);
}

#[test]
fn a_connection_that_breaks_midway_is_made_anew_and_everything_sent_again() {
    let receiver = Receiver::start(&[Conduct::Break(5), Conduct::Close, Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..5_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received(), ["a.b 0", "", &lines]);
}

#[test]
fn a_connection_that_closes_is_tried_to_the_end() {
    let receiver = Receiver::start(&[Conduct::Close]);
    let handler = Handler::new(receiver.port(), &json!({"retry_limit": 1}));
    let output = handler.run(&event(&line(1)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(": it closed the connection before all was read (2 tries): the lines wait"),
        "{said}"
    );
    assert_eq!((receiver.received().len(), handler.waiting()), (2, 1));
}

#[test]
fn who_does_not_read_or_does_not_close_has_not_taken_the_lines() {
    for conduct in [Conduct::Hang, Conduct::Hold] {
        let receiver = Receiver::start(&[conduct]);
        let handler = Handler::new(receiver.port(), &json!({"retry_limit": 0, "timeout": 1}));
        let output = handler.run(&event(&line(1)));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(": it did not read all and close within 1 s: the lines wait"),
            "{said}"
        );
        assert_eq!(handler.waiting(), 1);
        receiver.release();
    }
}

#[test]
fn who_stops_reading_is_left_after_the_timeout() {
    let receiver = Receiver::start(&[Conduct::Hang]);
    let handler = Handler::new(receiver.port(), &json!({"retry_limit": 0, "timeout": 1}));
    // More than the buffers of both sockets hold.
    let path = "y.".repeat(1_000) + "z";
    let lines: String = (0..4_900).map(|number| at(&path, number)).collect();
    let output = handler.run(&event(&lines));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(" within 1 s: the lines wait in "), "{said}");
    receiver.release();
}

#[test]
fn a_cable_that_is_stalled_costs_the_timeout_and_no_line() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let cable = Cable::to(receiver.port());
    cable.stall();
    let handler = Handler::new(cable.port, &json!({"retry_limit": 0, "timeout": 1}));
    assert_eq!(handler.run(&event(&line(1))).status.code(), Some(1));
    cable.mend();
    assert_ends(&handler.run(&event(&line(2))), 0, "");
    // The cable closes before the receiver has read all.
    let expected = line(1) + &line(2);
    receiver.wait_until(|received| received.concat().ends_with(expected.as_bytes()));
}

#[test]
fn who_reads_slowly_gets_all() {
    let receiver = Receiver::start(&[Conduct::Slow]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..20_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    assert_eq!(receiver.received().concat(), lines);
}

#[test]
fn what_is_more_than_a_connection_takes_goes_over_several() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let lines: String = (0..130_000).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    let parts = receiver.received();
    assert_eq!(parts.concat(), lines);
    assert_eq!(parts.len(), 3, "{} bytes", lines.len());
    assert!(parts.iter().all(|part| part.ends_with('\n')));
}

#[test]
fn a_name_is_resolved_and_one_that_is_none_is_named() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let mut handler = Handler::new(
        receiver.port(),
        &json!({"host": "localhost", "retry_limit": 0}),
    );
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    handler.set("host", &json!("no.such.host.invalid"));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.starts_with("handler-graphite: not delivered to no.such.host.invalid:"),
        "{said}"
    );
}
