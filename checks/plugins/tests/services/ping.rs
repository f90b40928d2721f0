//! Pings of this machine itself; loss, distance and routers that know no way are tested end to end,
//! in network namespaces.

use crate::{check, run, says};

/// Whether this user may ping here at all.
fn may_ping() -> bool {
    let (text, _) = check(&["check-ping", "--count", "1"]);
    !text.contains("this user may not ping")
}

#[test]
fn this_machine_answers() {
    if !may_ping() {
        eprintln!("SKIPPED: this user may not ping");
        return;
    }
    let args = ["check-ping", "--count", "3", "--interval", "0.01"];
    let (text, status) = check(&args);
    let start = "CheckPING OK: ICMP ping successful for host: 127.0.0.1 (3/3), ";
    assert!(
        text.starts_with(start) && text.ends_with(" ms on average\n"),
        "{text}"
    );
    assert_eq!(status, 0);
    for (limits, status, code) in [
        (["-w", "0", "-c", "500"], "WARNING", 1),
        (["-w", "0", "-c", "0"], "CRITICAL", 2),
    ] {
        let (text, got) = check(&[&args[..], &limits].concat());
        let start = format!("CheckPING {status}: 127.0.0.1 answers after ");
        let end = " ms on average, threshold 0\n";
        assert!(text.starts_with(&start) && text.ends_with(end), "{text}");
        assert_eq!(got, code);
    }
    let output = run(&[
        "metrics-ping",
        "--count",
        "2",
        "--interval",
        "0.01",
        "-s",
        "s",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "s.packets_transmitted",
            "s.packets_received",
            "s.packet_loss",
            "s.time",
            "s.min",
            "s.avg",
            "s.max",
            "s.mdev"
        ]
    );
    assert!(text.starts_with("s.packets_transmitted 2 "), "{text}");
    assert!(text.contains("\ns.packets_received 2 ") && text.contains("\ns.packet_loss 0 "));
}

#[test]
fn what_makes_no_sense_is_unknown() {
    for (args, why) in [
        (
            &["-w", "200", "-c", "100"][..],
            "warning 200 and critical 100 are upside down: critical must not come before the warning",
        ),
        (
            &["-w", "x"],
            "invalid value 'x' for '--warning <MS,LOSS%>': use MILLISECONDS,LOSS% as in 100,20%, or \
             one of the two; see venus-checks check-ping --help",
        ),
        (
            &["-W", "2"],
            "invalid value '2' for '--warn-ratio <RATIO>': use a share from 0 to 1, as in 0.5; see \
             venus-checks check-ping --help",
        ),
        (
            &["--host", "127.0.0.1", "--ipv6"],
            "127.0.0.1 has no such address",
        ),
    ] {
        let args = [&["check-ping"], args].concat();
        says(&args, &format!("CheckPING UNKNOWN: {why}"), 3);
    }
    let (text, status) = check(&["check-ping", "--host", "no such host"]);
    let start = "CheckPING UNKNOWN: cannot look up no such host: ";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(status, 3);
    if may_ping() {
        says(
            &["check-ping", "--count", "9", "--interval", "1"],
            "CheckPING UNKNOWN: 9 pings every 1 s take longer than there is time; \
             give more with --timeout",
            3,
        );
    }
}
