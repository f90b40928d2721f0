//! Lines that wait: for a process that delivers, over a kill, up to a bound.

use crate::receiver::{Conduct, Receiver};
use crate::{Handler, assert_ends, at, event, line};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use venus_tests::port;

#[test]
fn while_one_delivers_others_hand_over_and_leave() {
    let receiver = Receiver::start(&[Conduct::Hold]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let first = handler.start(&[], event(&line(1)).as_bytes());
    receiver.wait_until(|received| received.first().is_some_and(|bytes| !bytes.is_empty()));
    for number in 2..5 {
        assert_ends(&handler.run(&event(&line(number))), 0, "");
    }
    assert_eq!(receiver.received().len(), 1);
    receiver.release();
    assert_ends(&first.wait_with_output().unwrap(), 0, "");
    let rest: String = (2..5).map(line).collect();
    assert_eq!(receiver.received(), [line(1), rest]);
    assert_eq!(handler.waiting(), 0);
}

#[test]
fn a_process_that_is_killed_loses_nothing() {
    let receiver = Receiver::start(&[Conduct::Hold, Conduct::Hold, Conduct::Hold, Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    // More often than the spool lets anything be tried that may not be repeated.
    for number in 0..3 {
        let mut child = handler.start(&[], event(&line(number)).as_bytes());
        let index = usize::try_from(number).unwrap();
        receiver.wait_until(|received| received.get(index).is_some_and(|bytes| !bytes.is_empty()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_ends(&handler.run(&event(&line(3))), 0, "");
    assert_eq!(receiver.received()[3], (0..4).map(line).collect::<String>());
    receiver.release();
}

#[test]
fn what_a_carbon_that_has_gone_took_lately_is_sent_again() {
    for (repeat, again) in [(60, true), (0, false)] {
        let receiver = Receiver::start(&[Conduct::Read]);
        let mut handler = Handler::new(receiver.port(), &json!({"repeat": repeat}));
        for number in 0..3 {
            assert_ends(&handler.run(&event(&line(number))), 0, "");
        }
        let [nobody] = port::free();
        handler.set("port", &json!(nobody));
        assert_eq!(handler.run(&event(&line(3))).status.code(), Some(1));
        handler.set("port", &json!(receiver.port()));
        assert_ends(&handler.run(&event(&line(4))), 0, "");
        let expected: String = (if again { 0 } else { 3 }..5).map(line).collect();
        assert_eq!(receiver.received()[3], expected);
        // And once.
        assert_ends(&handler.run(&event(&line(5))), 0, "");
        assert_eq!(receiver.received()[4], line(5));
    }
}

#[test]
fn at_its_bound_the_spool_loses_the_oldest_and_says_so() {
    let [nobody] = port::free();
    let more = json!({"retry_limit": 0, "spool_bytes": 1 << 20});
    let mut handler = Handler::new(nobody, &more);
    let lines = |name: &str| -> String {
        let path = format!("{name}.b.c");
        (0..15_000).map(|number| at(&path, number)).collect()
    };
    for name in ["first", "second", "third"] {
        let output = handler.run(&event(&lines(name)));
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("are lost"), name == "third", "{said}");
    }
    let receiver = Receiver::start(&[Conduct::Read]);
    handler.set("port", &json!(receiver.port()));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    let all = receiver.received().concat();
    assert!(all.ends_with(&(lines("third") + &line(1))));
    assert!(!all.contains("first.b.c 0 "));
    assert!(all.len() <= 1 << 20);
}

#[test]
fn what_is_named_like_its_lines_and_is_none_stops_nobody() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let spool = handler.dir.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let link = spool.join("00000000000000000001-1-0");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    fs::set_permissions(&spool, PermissionsExt::from_mode(0o770)).unwrap();
    let said = format!(
        "handler-graphite: the spool {0} can be written by others, who can change what is sent: \
         chmod 700 {0}\nhandler-graphite: {1} is no file of this user's: left alone\n",
        spool.display(),
        link.display()
    );
    assert_ends(&handler.run(&event(&line(1))), 0, &said);
    assert_eq!(receiver.received(), [line(1)]);
}

#[test]
fn without_a_spool_lines_are_sent_all_the_same() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let mut handler = Handler::new(receiver.port(), &json!({"spool_dir": "/proc/none"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        0,
        "handler-graphite: cannot make the spool /proc/none: No such file or directory \
         (os error 2): nothing is kept\n",
    );
    assert_eq!(receiver.received(), [line(1)]);
    let [nobody] = port::free();
    handler.set("port", &json!(nobody));
    let output = handler.run(&event(&line(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.ends_with(": Connection refused (os error 111) (4 tries): the lines are lost\n"),
        "{said}"
    );
}
