//! check-clock and metrics-clock, beside NTP servers of the test's own, whose clocks are as wrong as
//! it takes. How the kernel's own clock is kept is this machine's business.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use regex_lite::Regex;

use crate::Host;

/// A second in NTP's form.
const SECOND: u64 = 1 << 32;

/// A server that answers each question by this, given when it was sent; or not at all.
fn server(answer: impl Fn(u64) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut question = [0; 48];
        while let Ok((48, asker)) = socket.recv_from(&mut question) {
            let sent = u64::from_be_bytes(question[40..].try_into().unwrap());
            if let Some(answer) = answer(sent) {
                socket.send_to(&answer, asker).unwrap();
            }
        }
    });
    address
}

/// An answer of stratum 2 with these flags, whose clock had this time.
fn answer(flags: u8, stratum: u8, code: [u8; 4], sent: u64, time: u64) -> Vec<u8> {
    let mut packet = vec![flags, stratum, 6, 0xe9];
    packet.resize(12, 0);
    packet.extend_from_slice(&code);
    packet.resize(24, 0);
    for time in [sent, time, time] {
        packet.extend_from_slice(&time.to_be_bytes());
    }
    packet
}

/// A server that is so many seconds ahead.
fn ahead(seconds: u64) -> SocketAddr {
    server(move |sent| Some(answer(0x24, 2, *b"GPS\0", sent, sent + seconds * SECOND)))
}

/// What the check says, with each number that the clock has a part in as N.
fn says(servers: &[SocketAddr], args: &[&str], line: &str, status: i32) {
    let mut all = vec!["--ntp-only".to_owned()];
    for server in servers {
        all.extend(["--ntp-server".to_owned(), server.to_string()]);
    }
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (mut text, got) = Host::new().check("check-clock", &all);
    for (at, server) in servers.iter().enumerate() {
        text = text.replace(&server.to_string(), &format!("S{at}"));
    }
    let number = Regex::new(r"[\d.]+( ms (ahead|behind|\)))|[\d.]+ ms\)").unwrap();
    let text = number.replace_all(&text, |found: &regex_lite::Captures<'_>| {
        let after = found.get(1).map_or(" ms)", |after| after.as_str());
        format!("N{after}")
    });
    assert_eq!(
        (text.into_owned(), got),
        (format!("CheckClock {line}\n"), status)
    );
}

#[test]
fn how_far_it_is_from_that_of_a_server() {
    // On the way back some time goes by, so it is a little less than a second.
    let second = ahead(1);
    let far = "S0 is N ms ahead (± N ms), threshold";
    says(&[second], &[], &format!("CRITICAL: {far} 100 ms"), 2);
    let args = ["-w", "100", "-c", "1000"];
    says(&[second], &args, &format!("WARNING: {far} 100 ms"), 1);
    let args = ["-w", "1000", "-c", "2000"];
    let fine = "S0 is N ms ahead (± N ms), stratum 2";
    says(&[second], &args, &format!("OK: {fine}"), 0);
    let range = ["-w", "@100:1000", "-c", "1000"];
    says(&[second], &range, &format!("WARNING: {far} @100:1000"), 1);
    // Behind: it has the time of a question that it got an hour ago.
    let hour = server(|sent| Some(answer(0x24, 2, *b"GPS\0", sent, sent - 3600 * SECOND)));
    let behind = "S0 is N ms behind (± N ms), threshold 100 ms";
    says(&[hour], &[], &format!("CRITICAL: {behind}"), 2);
}

#[test]
fn a_server_that_tells_nothing_is_unknown() {
    let kiss = server(|sent| Some(answer(0xe4, 0, *b"RATE", sent, sent)));
    let refuses =
        "asking S0 by NTP failed: it refuses: RATE, a kiss of death; ask another, or less often";
    says(&[kiss], &[], &format!("UNKNOWN: {refuses}"), 3);
    let lost = server(|sent| Some(answer(0xe4, 0, *b"\0\0\0\0", sent, sent)));
    let unclear = "UNKNOWN: asking S0 by NTP failed: it is not synchronised itself";
    says(&[lost], &[], unclear, 3);
    let other = server(|sent| Some(answer(0x24, 2, *b"GPS\0", sent ^ 1, sent)));
    let stray = "UNKNOWN: asking S0 by NTP failed: it answers another question than was asked";
    says(&[other], &[], stray, 3);
    let garbage = server(|_| Some(b"OK: | 'x'=1\n".to_vec()));
    let nonsense = "UNKNOWN: asking S0 by NTP failed: it does not speak NTP";
    says(&[garbage], &[], nonsense, 3);
    let silent = server(|_| None);
    let hangs = "UNKNOWN: asking S0 by NTP failed: no answer in time";
    says(&[silent], &["--timeout", "0.5"], hangs, 3);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = socket.local_addr().unwrap();
    drop(socket);
    let away = "asking S0 by NTP failed: Connection refused (os error 111); \
                is it running, and is this its address?";
    says(&[nobody], &[], &format!("UNKNOWN: {away}"), 3);
    // One of two: the other is judged all the same.
    let both = format!("CRITICAL: S1 is N ms ahead (± N ms), threshold 100 ms; {away}");
    says(&[nobody, ahead(5)], &[], &both, 2);
}

#[test]
fn a_packet_that_got_lost_is_sent_again() {
    let lost = AtomicU32::new(0);
    let lossy = server(move |sent| {
        let before = lost.fetch_add(1, Ordering::Relaxed);
        (before >= 2).then(|| answer(0x24, 2, *b"GPS\0", sent, sent + SECOND))
    });
    let fine = "OK: S0 is N ms ahead (± N ms), stratum 2";
    let args = ["-w", "5000", "-c", "5000", "--timeout", "2"];
    says(&[lossy], &args, fine, 0);
}

#[test]
fn what_is_not_understood_is_unknown() {
    let host = Host::new();
    host.says(
        "check-clock",
        &["-w", "100", "-c", "10"],
        "CheckClock UNKNOWN: warning 100 and critical 10 are upside down: \
         critical must not come before the warning",
        3,
    );
    host.says(
        "check-clock",
        &["--ntp-server", "::1"],
        "CheckClock UNKNOWN: invalid value '::1' for '--ntp-server <HOST[:PORT]>': \
         use HOST or HOST:PORT, with an IPv6 address in brackets; see venus-checks check-clock --help",
        3,
    );
    let (text, status) = host.check("check-clock", &["--ntp-only"]);
    assert!(text.contains("--ntp-server <HOST[:PORT]>"), "{text}");
    assert_eq!(status, 3);
}

/// Whoever keeps it, or nobody.
#[test]
fn this_kernels_clock() {
    let host = Host::new();
    let (text, status) = host.check("check-clock", &["-w", "1000000", "-c", "1000000"]);
    let kept = text.starts_with("CheckClock OK: the clock is synchronised, wrong by ");
    let unkept = "CheckClock WARNING: the clock is not synchronised: \
                  does chronyd or ntpd run, and reach a server?\n";
    assert!(
        kept && status == 0 || text == unkept && status == 1,
        "{text}"
    );
    let output = host.command("metrics-clock", &["--scheme", "s"]).output();
    let output = output.unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let lines = String::from_utf8(output.stdout).unwrap();
    let says_so = format!("s.synchronised {} ", u8::from(kept));
    assert!(lines.starts_with(&says_so), "{lines}");
    let names: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let all = [
        "synchronised",
        "offset",
        "max_error",
        "est_error",
        "frequency",
    ];
    assert_eq!(names, all.map(|name| format!("s.{name}")));
}

#[test]
fn metrics_of_servers_and_of_one_that_is_away() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = socket.local_addr().unwrap().to_string();
    drop(socket);
    let server = ahead(1);
    let named = server.to_string();
    let args = [
        "--scheme",
        "s",
        "--ntp-server",
        &nobody,
        "--ntp-server",
        &named,
    ];
    let output = Host::new()
        .command("metrics-clock", &args)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let node = named.replace('.', "_");
    let of = |what: &str| {
        let line = lines.lines().find_map(|line| {
            let value = line.strip_prefix(&format!("s.ntp.{node}.{what} "))?;
            value.split(' ').next()?.parse::<f64>().ok()
        });
        line.unwrap_or_else(|| panic!("no {what} in {lines}"))
    };
    assert!(of("offset") <= 1.0 && of("delay") >= 0.0);
    assert!((of("stratum") - 2.0).abs() < 1e-9);
    let said = String::from_utf8(output.stderr).unwrap();
    let start = format!("metrics-clock: asking {nobody} by NTP failed: Connection refused");
    assert!(
        said.starts_with(&start) && said.lines().count() == 1,
        "{said}"
    );
    assert_eq!(output.status.code(), Some(0));
}
