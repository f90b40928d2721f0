//! Lines as they go out, and what is said of wrong input.

use crate::receiver::{Conduct, Receiver};
use crate::{Handler, PROGRAM, assert_ends, event, line, start};
use serde_json::json;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn lines_arrive_and_nothing_waits() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"prefix": "p"}));
    assert_ends(
        &handler.run(&event("a.b 1 1795477200\nc 2.5 1795477201")),
        0,
        "",
    );
    assert_eq!(
        receiver.received(),
        ["p.a.b 1 1795477200\np.c 2.5 1795477201\n"]
    );
    assert_eq!(handler.waiting(), 0);
    // An event without a line is no mistake, and nobody is called for it.
    assert_ends(&handler.run(&event("")), 0, "");
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn bad_lines_are_counted_and_the_good_ones_go() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let output = handler.run(&event("a x 1795477200\nb 1 1795477200\nc/d 1 1795477200\n"));
    assert_ends(
        &output,
        0,
        "handler-graphite: 2 of 3 lines left out, the first is \"a x 1795477200\": \
         its value is no finite number\n",
    );
    assert_eq!(receiver.received(), ["b 1 1795477200\n"]);
    assert_ends(
        &handler.run(&event("OK: all is well")),
        2,
        "handler-graphite: nothing to send: 1 of 1 lines left out, the first is \
         \"OK: all is well\": it is not PATH VALUE TIME\n",
    );
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn what_is_not_utf_8_costs_only_its_line() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    let event = event("a 1 1795477200\n\u{1} 1 1795477200\n").replace("\\u0001", "\u{1}");
    let bytes: Vec<u8> = event
        .bytes()
        .map(|byte| if byte == 1 { 0xe9 } else { byte })
        .collect();
    let output = handler.start(&[], &bytes).wait_with_output().unwrap();
    assert_ends(
        &output,
        0,
        "handler-graphite: 1 of 2 lines left out, the first is \"\u{fffd} 1 1795477200\": \
         '\u{fffd}' cannot stand in a path\n",
    );
    assert_eq!(receiver.received(), ["a 1 1795477200\n"]);
}

#[test]
fn pickles_are_framed() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"protocol": "pickle"}));
    assert_ends(&handler.run(&event(&line(1))), 0, "");
    let bytes = receiver.bytes().remove(0);
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), bytes.len() - 4);
    assert!(bytes[4..].starts_with(b"\x80\x02](X\x03\0\0\0a.bG"));
}

#[test]
fn datagrams_hold_whole_lines() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let handler = Handler::new(port, &json!({"protocol": "udp"}));
    let lines: String = (0..200).map(line).collect();
    assert_ends(&handler.run(&event(&lines)), 0, "");
    let mut received = String::new();
    let mut buffer = vec![0; 65_536];
    while received.len() < lines.len() {
        let count = socket.recv(&mut buffer).unwrap();
        assert!(count <= 1_400);
        received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    assert_eq!(received, lines);
}

#[test]
fn a_dry_run_prints_and_neither_sends_nor_keeps() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(
        receiver.port(),
        &json!({"prefix": "p", "protocol": "pickle"}),
    );
    let output = handler.run_with(&["--dry-run"], &event("a 1 1795477200\nb\n"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"p.a 1 1795477200\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "handler-graphite: 1 of 2 lines left out, the first is \"b\": it is not PATH VALUE TIME\n"
    );
    assert_eq!(receiver.received().len(), 0);
    assert!(!handler.dir.path().join("spool").exists());
}

#[test]
fn a_broken_event_sends_nothing() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({}));
    for (input, said) in [
        (
            "",
            "standard input is empty: there should be an event, or lines PATH VALUE TIME",
        ),
        (
            "{\"client\":",
            "the event is not one: EOF while parsing a value at line 1 column 10",
        ),
        (
            r#"{"client":{"name":"c"},"check":{"name":"k","status":1,"output":"OK"}}"#,
            "c/k has no metrics: give the check \"type\": \"metric\" or an \
             \"output_metric_format\", or take this handler from it",
        ),
    ] {
        assert_ends(
            &handler.run(input),
            2,
            &format!("handler-graphite: {said}\n"),
        );
    }
    let endless = " ".repeat((10 << 20) + 1);
    assert_ends(
        &handler.run(&endless),
        2,
        "handler-graphite: the event on standard input is longer than 10 MB\n",
    );
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn wrong_settings_and_options_are_one_line() {
    let handler = Handler::new(1, &json!({"protocol": "tcp"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        2,
        "handler-graphite: graphite.protocol must be \"plaintext\", \"pickle\" or \"udp\"\n",
    );
    assert_ends(
        &handler.run_with(&["-j", "other"], &event(&line(1))),
        2,
        &format!(
            "handler-graphite: no settings key \"other\" in /dev/null and {}: \
             add {{\"other\": {{\"host\": \"127.0.0.1\"}}}}\n",
            handler.settings().display()
        ),
    );
    assert_ends(
        &handler.run_with(&["--colour"], ""),
        2,
        "handler-graphite: unexpected argument '--colour' found (see handler-graphite --help)\n",
    );
}

#[test]
fn a_misspelt_setting_is_named_and_the_lines_sent() {
    let receiver = Receiver::start(&[Conduct::Read]);
    let handler = Handler::new(receiver.port(), &json!({"prefx": "p"}));
    assert_ends(
        &handler.run(&event(&line(1))),
        0,
        "handler-graphite: graphite.prefx is no setting: ignored\n",
    );
    assert_eq!(receiver.received(), [line(1)]);
}

#[test]
fn the_example_of_the_help_works() {
    let mut command = Command::new(PROGRAM);
    let help = start(command.arg("--help"), b"")
        .wait_with_output()
        .unwrap();
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, example) = help.split_once("Example, with ").unwrap();
    let (section, example) = example.split_once(" in try/graphite.json:\n").unwrap();
    let receiver = Receiver::start(&[Conduct::Read]);
    let port = format!("\"127.0.0.1\", \"port\": {}", receiver.port());
    let section = section.replace("\"127.0.0.1\"", &port);
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("try")).unwrap();
    fs::write(folder.path().join("try/graphite.json"), section).unwrap();
    let dir = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
    let status = Command::new("sh")
        .args(["-c", &format!("PATH={dir}:$PATH; {example}")])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(
        receiver.received(),
        ["venus001.load_avg.one 0.39 1795477200\n"]
    );
}
