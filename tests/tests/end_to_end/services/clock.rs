//! `check-clock` and `metrics-clock` against chronyd.

use super::{check, comes_to_say, says};
use venus_tests::chrony::Chrony;
use venus_tests::network;

const ARGS: [&str; 8] = [
    "check-clock",
    "--ntp-only",
    "--ntp-server",
    "127.0.0.1",
    "-w",
    "60000",
    "-c",
    "60000",
];

/// What it says of the server, with how far off it is as N.
fn says_but_figures(more: &[&str], line: &str, status: i32) {
    let (text, got) = check(&[&ARGS, more].concat());
    let parts = text.split_once(" is ").zip(text.split_once(" ms)"));
    let ((server, figures), (_, after)) = parts.unwrap_or_else(|| panic!("{text}"));
    assert!(
        figures.contains(" ms ahead (± ") || figures.contains(" ms behind (± "),
        "{text}"
    );
    let masked = format!("{server} is N ms off{after}");
    assert_eq!(
        (masked.as_str(), got),
        (format!("CheckClock {line}\n").as_str(), status),
        "{text}"
    );
}

#[test]
fn the_time_of_a_real_server() {
    network::in_its_own(|| {
        // The port is the usual one, which nobody else has here.
        let Some(mut server) = Chrony::launch(123, "allow 127.0.0.1\nlocal stratum 5") else {
            return;
        };
        // It has the clock that we have.
        let is = "127.0.0.1:123 is N ms off";
        says_but_figures(&[], &format!("OK: {is}, stratum 5"), 0);
        let far = |limit: &str| format!("{is}, threshold {limit} ms");
        says_but_figures(&["-w", "0"], &format!("WARNING: {}", far("0")), 1);
        let args = ["-w", "0", "-c", "0"];
        says_but_figures(&args, &format!("CRITICAL: {}", far("0")), 2);
        let args = ["metrics-clock", "--scheme", "s", "--ntp-server"];
        let (lines, status) = check(&[&args[..], &["127.0.0.1"]].concat());
        assert!(
            lines.contains("\ns.ntp.127_0_0_1:123.stratum 5 "),
            "{lines}"
        );
        assert_eq!(status, 0);

        let asking = "CheckClock UNKNOWN: asking 127.0.0.1:123 by NTP failed:";
        server.kill();
        let gone = "Connection refused (os error 111); is it running, and is this its address?";
        says(&ARGS, &format!("{asking} {gone}"), 3);
        server.relaunch("allow 127.0.0.1");
        says(&ARGS, &format!("{asking} it is not synchronised itself"), 3);
        // It answers others only.
        server.relaunch("allow 192.0.2.1\nlocal stratum 5");
        let args = [&ARGS[..], &["--timeout", "0.5"]].concat();
        says(&args, &format!("{asking} no answer in time"), 3);
        server.relaunch("allow 127.0.0.1\nlocal stratum 9");
        comes_to_say(&ARGS, "CheckClock OK: 127.0.0.1:123 is ");
    });
}
