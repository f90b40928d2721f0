//! A server over UDP that answers what the test wants; a real one is asked end to end, which is
//! where the answers below `tests/fixtures/services/dns` were recorded.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::thread;

use crate::{check, run, says, without_fractions};

/// Answers each question over UDP with what `answer` makes of it, until the test ends.
fn server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            for message in answer(&buffer[..length]) {
                drop(socket.send_to(&message, from));
            }
        }
    });
    address
}

/// An answer with this code, and as many addresses.
fn reply(question: &[u8], code: u8, addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut message = question.to_vec();
    message[2] = 0x81;
    message[3] = 0x80 | code;
    message[6..8].copy_from_slice(&u16::try_from(addresses.len()).unwrap().to_be_bytes());
    for address in addresses {
        message.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04");
        message.extend(address);
    }
    message
}

fn args<'a>(address: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let asked = ["check-dns", "--domain", "venus001", "--server", address];
    [&asked[..], more].concat()
}

#[test]
fn what_a_name_resolves_to() {
    let address = server(|question| vec![reply(question, 0, &[[10, 0, 0, 1], [10, 0, 0, 2]])]);
    let address = address.to_string();
    for (more, line, status) in [
        (
            &[][..],
            format!("OK: Resolved venus001 A: 10.0.0.1, 10.0.0.2 ({address})"),
            0,
        ),
        (
            &["-r", "10.0.0.2", "-r", "10.0.0.1"],
            format!("OK: Resolved venus001 A included 10.0.0.2, 10.0.0.1 ({address})"),
            0,
        ),
        (
            &["--result", "10.0.0.3"],
            format!(
                "CRITICAL: {address}: Resolved venus001 A did not include 10.0.0.3: 10.0.0.1, 10.0.0.2"
            ),
            2,
        ),
        (
            &["--regex-match", "2$"],
            format!("OK: Resolved venus001 A matched /2$/: 10.0.0.1, 10.0.0.2 ({address})"),
            0,
        ),
        (
            &["-R", "^192"],
            format!(
                "CRITICAL: {address}: Resolved venus001 A did not match /^192/: 10.0.0.1, 10.0.0.2"
            ),
            2,
        ),
    ] {
        says(&args(&address, more), &format!("CheckDNS {line}"), status);
    }
    let (text, status) = check(&args(&address, &["-w", "0", "--perfdata"]));
    assert_eq!(
        without_fractions(&text),
        format!(
            "CheckDNS WARNING: {address} answered after 0.# s, threshold 0 | 'time'=0.#s;0;;0\n"
        )
    );
    assert_eq!(status, 1);
    assert_eq!(check(&args(&address, &["-w", "0", "-c", "0"])).1, 2);
}

#[test]
fn names_that_do_not_resolve() {
    for (code, status, exit, why) in [
        (0, "CRITICAL", 2, "the name has none"),
        (2, "CRITICAL", 2, "the server failed (SERVFAIL)"),
        (3, "CRITICAL", 2, "there is no such name (NXDOMAIN)"),
        (5, "CRITICAL", 2, "the server does not answer us (REFUSED)"),
        (4, "UNKNOWN", 3, "NOTIMP (4)"),
    ] {
        let address = server(move |question| vec![reply(question, code, &[])]).to_string();
        says(
            &args(&address, &[]),
            &format!("CheckDNS {status}: {address}: Could not resolve venus001 A record: {why}"),
            exit,
        );
        let output = run(&["metrics-dns", "--domain", "venus001", "--server", &address]);
        assert_eq!(output.status.code(), Some(if code == 0 { 0 } else { 3 }));
    }
}

#[test]
fn a_server_over_udp_that_is_away_or_silent() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let asking = format!("asking {address} for venus001 A failed");
    says(
        &args(&address, &["--timeout", "1"]),
        &format!("CheckDNS UNKNOWN: {asking}: no answer in time"),
        3,
    );
    // It was asked twice, as one may be lost.
    socket.set_nonblocking(true).unwrap();
    let received = std::iter::from_fn(|| socket.recv(&mut [0; 512]).ok());
    assert_eq!(received.count(), 2);
    drop(socket);
    // The kernel tells.
    says(
        &args(&address, &[]),
        &format!(
            "CheckDNS CRITICAL: {asking}: Connection refused (os error 111); is it running, and is \
             this its address?"
        ),
        2,
    );
}

#[test]
fn what_is_forged_late_or_nonsense() {
    // Answers to other questions are passed over.
    let address = server(|question| {
        let mut other_number = reply(question, 0, &[[6, 6, 6, 6]]);
        other_number[0] ^= 1;
        let mut other_name = reply(question, 0, &[[6, 6, 6, 6]]);
        other_name[13] ^= 1;
        vec![
            other_number,
            other_name,
            reply(question, 0, &[[10, 0, 0, 1]]),
        ]
    });
    let address = address.to_string();
    says(
        &args(&address, &[]),
        &format!("CheckDNS OK: Resolved venus001 A: 10.0.0.1 ({address})"),
        0,
    );
    let address = server(|question| {
        let mut cut = reply(question, 0, &[[10, 0, 0, 1]]);
        cut.pop();
        vec![cut]
    });
    let address = address.to_string();
    says(
        &args(&address, &[]),
        &format!(
            "CheckDNS UNKNOWN: asking {address} for venus001 A failed: its answer cannot be \
             understood: it ends too early"
        ),
        3,
    );
    // Text from outside forges neither a line nor figures.
    let address = server(|question| {
        let mut message = reply(question, 0, &[]);
        message[7] = 1;
        message.extend(b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x0c\x0ba|'b'=1\nx y");
        vec![message]
    });
    let address = address.to_string();
    says(
        &args(&address, &["--type", "txt"]),
        &format!("CheckDNS OK: Resolved venus001 TXT: a/'b'=1 x y ({address})"),
        0,
    );
}

#[test]
fn what_does_not_fit_is_asked_for_over_tcp() {
    // The same port over both.
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let mut message = reply(&buffer[..length], 0, &[]);
            message[2] |= 2;
            drop(udp.send_to(&message, from));
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let addresses: Vec<[u8; 4]> = (0..1000_u16)
                .map(|number| [10, 0, (number >> 8) as u8, (number & 0xff) as u8])
                .collect();
            let message = reply(&question, 0, &addresses);
            let length = u16::try_from(message.len()).unwrap().to_be_bytes();
            drop(stream.write_all(&[&length[..], &message].concat()));
        }
    });
    says(
        &args(&address, &[]),
        &format!(
            "CheckDNS OK: Resolved venus001 A: 10.0.0.0, 10.0.0.1, 10.0.0.10, 10.0.0.100, 10.0.0.101, and \
             995 more ({address})"
        ),
        0,
    );
}

/// What named of BIND 9.18 answered, with the number of the question set to that of ours.
#[test]
fn what_a_real_server_answered() {
    for (name, kind, records) in [
        ("venus", "SOA", "ns1.venus root.venus 1 3600 600 86400 60"),
        ("venus", "NS", "ns1.venus"),
        ("venus", "MX", "10 mail.venus, 20 backup.venus"),
        ("_sensu._tcp.venus", "SRV", "0 5 5671 rabbitmq.venus"),
        ("venus", "TXT", "v=spf1 -all"),
        ("alias.venus", "CNAME", "venus001.venus"),
        ("alias.venus", "A", "192.168.12.11, 192.168.12.12"),
        ("venus001.venus", "AAAA", "2001:db8::11"),
        ("192.168.12.11", "PTR", "venus001.venus"),
    ] {
        let file = format!("../../tests/fixtures/services/dns/{name}-{kind}.bin");
        let recorded = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let address = server(move |question| vec![[&question[..2], &recorded[2..]].concat()]);
        let address = address.to_string();
        says(
            &["check-dns", "-d", name, "-t", kind, "--server", &address],
            &format!("CheckDNS OK: Resolved {name} {kind}: {records} ({address})"),
            0,
        );
    }
}

#[test]
fn all_servers_that_this_system_asks() {
    let good = server(|question| vec![reply(question, 0, &[[10, 0, 0, 1]])]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    let port = good.port().to_string();
    let text = "# a comment\nsearch venus\nnameserver 127.0.0.1\nnameserver ::1\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let given = ["-d", "venus001", "--resolv-conf", file, "--port", &port];
    says(
        &[&["check-dns"], &given[..]].concat(),
        &format!(
            "CheckDNS CRITICAL: asking [::1]:{port} for venus001 A failed: Connection refused \
             (os error 111); is it running, and is this its address?"
        ),
        2,
    );
    let output = run(&[&["metrics-dns", "--scheme", "s"], &given[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let start = "s.127_0_0_1.A.venus001.response_time 0.# ";
    assert!(without_fractions(&text).starts_with(start), "{text}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with(&format!("metrics-dns: asking [::1]:{port} for ")),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(0));

    let alone = [
        "--server",
        &good.to_string(),
        "--scheme",
        "s",
        "-d",
        "venus001",
    ];
    let output = run(&[&["metrics-dns"], &alone[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("s.A.venus001.response_time 0."), "{text}");

    std::fs::write(file, "search venus\n").unwrap();
    says(
        &[&["check-dns"], &given[..]].concat(),
        &format!(
            "CheckDNS UNKNOWN: cannot understand {file}: it names no server; give one with --server"
        ),
        3,
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    says(
        &["check-dns", "--type", "ANY"],
        "CheckDNS UNKNOWN: invalid value 'ANY' for '--type <TYPE>': use one of A, AAAA, CNAME, MX, \
         NS, PTR, SOA, SRV, TXT; see venus-checks check-dns --help",
        3,
    );
    says(
        &["check-dns", "--server", "127.0.0.1", "--domain", "a..b"],
        "CheckDNS UNKNOWN: \"a..b\" cannot be asked for: a part of the name is empty or longer than \
         63",
        3,
    );
}
