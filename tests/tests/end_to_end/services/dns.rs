//! check-dns and metrics-dns against named of BIND.

use super::{check, says};
use nix::sys::signal::Signal;
use venus_tests::nameserver;

#[test]
fn what_named_answers() {
    let Some(named) = nameserver::launch() else {
        return;
    };
    let at = format!("127.0.0.1:{}", named.port);
    let at6 = format!("[::1]:{}", named.port);
    for (name, kind, records) in [
        ("venus001.venus", "A", "192.168.12.11"),
        ("alias.venus", "A", "192.168.12.11"),
        ("alias.venus", "CNAME", "venus001.venus"),
        ("venus001.venus", "AAAA", "2001:db8::11"),
        ("venus", "MX", "10 mail.venus"),
        ("venus", "NS", "ns1.venus"),
        ("venus", "TXT", "v=spf1 -all"),
        ("venus", "SOA", "ns1.venus root.venus 1 3600 600 86400 60"),
        ("_sensu._tcp.venus", "SRV", "0 5 5671 mail.venus"),
        ("192.168.12.11", "PTR", "venus001.venus"),
    ] {
        for server in [&at, &at6] {
            let args = ["check-dns", "-d", name, "-t", kind, "--server", server];
            let line = format!("CheckDNS OK: Resolved {name} {kind}: {records} ({server})");
            says(&args, &line, 0);
            says(&[&args[..], &["--use-tcp"]].concat(), &line, 0);
            let line = format!("CheckDNS OK: Resolved {name} {kind} included {records} ({server})");
            says(&[&args[..], &["--result", records]].concat(), &line, 0);
        }
    }
    // More than fits over UDP.
    says(
        &["check-dns", "-d", "many.venus", "--server", &at],
        &format!(
            "CheckDNS OK: Resolved many.venus A: 10.0.0.0, 10.0.0.1, 10.0.0.10, 10.0.0.11, 10.0.0.12, \
             and 59 more ({at})"
        ),
        0,
    );
    for (name, kind, why) in [
        ("gone.venus", "A", "there is no such name (NXDOMAIN)"),
        ("mail.venus", "AAAA", "the name has none"),
        ("a.broken", "A", "the server failed (SERVFAIL)"),
        (
            "elsewhere.test",
            "A",
            "the server does not answer us (REFUSED)",
        ),
    ] {
        says(
            &["check-dns", "-d", name, "-t", kind, "--server", &at],
            &format!("CheckDNS CRITICAL: {at}: Could not resolve {name} {kind} record: {why}"),
            2,
        );
    }
    let args = ["check-dns", "-d", "venus001.venus", "--server", &at];
    says(
        &[&args[..], &["-r", "192.168.12.12"]].concat(),
        &format!(
            "CheckDNS CRITICAL: {at}: Resolved venus001.venus A did not include 192.168.12.12: \
             192.168.12.11"
        ),
        2,
    );
    let (text, status) = check(&[&args[..], &["-w", "0"]].concat());
    let start = format!("CheckDNS WARNING: {at} answered after 0.");
    assert!(
        text.starts_with(&start) && text.ends_with(" s, threshold 0\n"),
        "{text}"
    );
    assert_eq!(status, 1);
    let metrics = [
        "metrics-dns",
        "-d",
        "venus001.venus",
        "--server",
        &at,
        "-s",
        "s",
    ];
    let (text, status) = check(&metrics);
    assert!(
        text.starts_with("s.A.venus001_venus.response_time 0."),
        "{text}"
    );
    assert_eq!(status, 0);
}

#[test]
fn named_up_down_and_hung() {
    let Some(mut named) = nameserver::launch() else {
        return;
    };
    let at = format!("127.0.0.1:{}", named.port);
    let args = ["check-dns", "-d", "venus001.venus", "--server", &at];
    let fine = format!("CheckDNS OK: Resolved venus001.venus A: 192.168.12.11 ({at})");
    says(&args, &fine, 0);
    named.kill();
    let failed = format!("asking {at} for venus001.venus A failed");
    for over in [&[][..], &["--use-tcp"]] {
        says(
            &[&args[..], over].concat(),
            &format!(
                "CheckDNS CRITICAL: {failed}: Connection refused (os error 111); is it running, and \
                 is this its address?"
            ),
            2,
        );
    }
    named.relaunch();
    says(&args, &fine, 0);
    named.signal(Signal::SIGSTOP);
    for over in [&[][..], &["--use-tcp"]] {
        says(
            &[&args[..], over, &["--timeout", "1"]].concat(),
            &format!("CheckDNS UNKNOWN: {failed}: no answer in time"),
            3,
        );
    }
    named.signal(Signal::SIGCONT);
    says(&args, &fine, 0);
}
