//! TCP ports that the test opens, closes, or leaves silent.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::{Server, check, nobody, run, says, without_fractions};

/// Says who it is, as the server of SSH does, and then what it was told.
fn greeting() -> Server {
    Server::new(|mut stream| {
        drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
        let mut line = String::new();
        if BufReader::new(&stream).read_line(&mut line).is_ok() {
            drop(write!(stream, "you said {line}"));
        }
    })
}

#[test]
fn a_port_that_is_open_and_one_that_is_not() {
    let open = greeting().0.port().to_string();
    says(
        &["check-port", "--host", "127.0.0.1", "--port", &open],
        &format!("CheckPort OK: All ports ({open}) are accessible for host 127.0.0.1"),
        0,
    );
    let closed = nobody().port().to_string();
    says(
        &["check-port", "--port", &closed],
        &format!(
            "CheckPort CRITICAL: connecting to 127.0.0.1:{closed} failed: Connection refused \
             (os error 111); is it running, and is this its address?"
        ),
        2,
    );
    // Among others it is named, once each.
    let both = format!("{open},{closed}");
    says(
        &["check-port", "-H", "127.0.0.1", "-p", &both],
        &format!(
            "CheckPort CRITICAL: connecting to 127.0.0.1:{closed} failed: Connection refused \
             (os error 111)"
        ),
        2,
    );
    says(
        &["check-port", "--host", "::1", "--port", &open],
        &format!(
            "CheckPort CRITICAL: connecting to [::1]:{open} failed: Connection refused \
             (os error 111); is it running, and is this its address?"
        ),
        2,
    );
}

#[test]
fn ipv6() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    says(
        &["check-port", "--host", "::1", "--port", &port],
        &format!("CheckPort OK: All ports ({port}) are accessible for host ::1"),
        0,
    );
}

#[test]
fn time_is_judged_where_thresholds_are_given() {
    let open = greeting().0.port().to_string();
    let args = ["check-port", "--port", &open, "--perfdata"];
    for (limits, status, code, met) in [
        (["-w", "0", "-c", "60"], "WARNING", 1, "threshold 0"),
        (["-w", "0", "-c", "0"], "CRITICAL", 2, "threshold 0"),
    ] {
        let (text, got) = check(&[&args[..], &limits].concat());
        let (limit, most) = (limits[1], limits[3]);
        assert_eq!(
            without_fractions(&text),
            format!(
                "CheckPort {status}: connecting to 127.0.0.1:{open} took 0.# s, {met} \
                 | '{open}'=0.#s;{limit};{most};0\n"
            )
        );
        assert_eq!(got, code);
    }
}

#[test]
fn what_is_said_there() {
    let open = greeting().0.port().to_string();
    let args = ["check-port", "--port", &open, "--timeout", "5"];
    let start = format!("CheckPort OK: All ports ({open}) are accessible for host 127.0.0.1");
    says(
        &[&args[..], &["--expect", "^SSH-2"]].concat(),
        &format!("{start}, and say /^SSH-2/"),
        0,
    );
    says(
        &[
            &args[..],
            &["--send", "ruok", "--expect", "you said ruok\n$"],
        ]
        .concat(),
        &format!("{start}, and say /you said ruok $/"),
        0,
    );
    says(
        &[&args[..], &["--send", "a|'x'=1", "--expect", "imok"]].concat(),
        &format!(
            "CheckPort CRITICAL: 127.0.0.1:{open} said \"SSH-2.0-OpenSSH_9.2\\r\\nyou said a/'x'=1\", \
             expected /imok/"
        ),
        2,
    );
}

#[test]
fn one_that_stays_silent_is_unknown() {
    // The kernel accepts.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    says(
        &["check-port", "-p", &port, "--expect", "x", "--timeout", "1"],
        &format!("CheckPort UNKNOWN: listening to 127.0.0.1:{port} failed: no answer in time"),
        3,
    );
    // One that says something, but never what is expected, and does not hang up.
    let endless = Server::new(|mut stream| while stream.write_all(&[b'a'; 4096]).is_ok() {});
    let port = endless.0.port().to_string();
    let a = "a".repeat(80);
    says(
        &["check-port", "-p", &port, "--expect", "x"],
        &format!("CheckPort CRITICAL: 127.0.0.1:{port} said \"{a}\", expected /x/"),
        2,
    );
}

#[test]
fn a_thousand_ports_are_one_readable_answer() {
    // Below those that the kernel gives.
    let (text, code) = check(&["check-port", "--host", "127.0.0.2", "--port", "1-1024"]);
    let first = text.lines().next().unwrap();
    assert!(first.ends_with("; and 1019 more, below"), "{first}");
    assert!(first.contains("connecting to 127.0.0.2:1 failed: Connection refused"));
    assert_eq!((text.lines().count(), code), (102, 2));
    says(
        &["check-port", "--port", "1-1024", "--port", "1"],
        "CheckPort UNKNOWN: 1025 ports are given; give at most 1024",
        3,
    );
    says(
        &["check-port", "--port", "80,2-1"],
        "CheckPort UNKNOWN: invalid value '2-1' for '--port <PORT[,PORT-PORT]>': use a port such as \
         22, or 8000-8003; see venus-checks check-port --help",
        3,
    );
}

#[test]
fn metrics_of_those_that_are_open() {
    let (open, closed) = (greeting().0.port(), nobody().port());
    let ports = format!("{open},{closed}");
    let output = run(&["metrics-port", "--port", &ports, "--scheme", "s"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let start = format!("s.127_0_0_1.{open}.time_connect 0.# ");
    assert!(without_fractions(&text).starts_with(&start), "{text}");
    assert_eq!((text.lines().count(), output.status.code()), (1, Some(0)));
    let said = String::from_utf8(output.stderr).unwrap();
    let line = format!("metrics-port: connecting to 127.0.0.1:{closed} failed: Connection refused");
    assert!(said.starts_with(&line), "{said}");
    let output = run(&["metrics-port", "--port", &closed.to_string()]);
    assert_eq!((output.stdout.len(), output.status.code()), (0, Some(3)));
}
