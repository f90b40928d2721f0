//! What holds for each check and metric that asks a service, whichever it is: it is away, hangs,
//! breaks off, talks nonsense, or wants to know who asks.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::{Server, answer, asked, nobody, run};
use clap::Command;
use venus_checks::{check, metrics};

/// The option that says where a service is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Url,
    Server,
}

/// Each command that asks a service, and what its line begins with: none where it is a metric.
fn commands() -> Vec<(&'static str, Option<&'static str>, Place)> {
    let has = |command: &Command, name| {
        let mut arguments = command.get_arguments();
        arguments.any(|argument| argument.get_long() == Some(name))
    };
    let place = |command: &Command| {
        let url = has(command, "url").then_some(Place::Url);
        url.or_else(|| has(command, "server").then_some(Place::Server))
    };
    let checks = check::all().iter().filter_map(|check| {
        let place = place(&check::command(check))?;
        Some((check.name, Some(check.title), place))
    });
    let metrics = metrics::all().iter().filter_map(|metrics| {
        let place = place(&metrics::command(metrics))?;
        Some((metrics.name, None, place))
    });
    checks.chain(metrics).collect()
}

/// Commands that need more arguments to ask at all.
const NEEDED: &[(&str, &[&str])] = &[
    // These servers speak TCP; what goes wrong over UDP is tested in `dns.rs`.
    ("check-dns", &["--use-tcp"]),
    ("metrics-dns", &["--use-tcp"]),
];

/// Commands that ask any web server: whatever it answers in HTTP is an answer.
const OF_ANY_KIND: &[&str] = &["check-http", "metrics-http"];

/// Runs a command on a server; what it says, in one line, and how it ends.
fn said(name: &str, place: Place, address: &str) -> (String, i32) {
    let mut args = vec![name, "--timeout", "0.5"];
    let url = format!("http://{address}");
    match place {
        Place::Url => args.extend(["--url", &url]),
        Place::Server => args.extend(["--server", address]),
    }
    let needed = NEEDED.iter().find(|(needs, _)| *needs == name);
    args.extend(needed.iter().flat_map(|(_, more)| more.iter()));
    let output = run(&args);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count(), 1, "{name}: {text}");
    (text, output.status.code().unwrap())
}

/// Fails unless each command is UNKNOWN on such a server, or CRITICAL where its check `may` be,
/// and names it.
fn each_is_unknown(server: &Server, may_be_critical: bool) {
    each_is_unknown_but(&[], server, may_be_critical);
}

/// The same without some of them.
fn each_is_unknown_but(others: &[&str], server: &Server, may_be_critical: bool) {
    let address = server.0.to_string();
    let commands = commands().into_iter();
    for (name, title, place) in commands.filter(|(name, _, _)| !others.contains(name)) {
        let (text, status) = said(name, place, &address);
        let critical = may_be_critical && title.is_some() && status == 2;
        assert!(critical || status == 3, "{name}: {text}");
        assert!(text.contains(&address), "{name}: {text}");
    }
}

#[test]
fn nobody_is_there() {
    let address = nobody().to_string();
    for (name, title, place) in commands() {
        let (text, status) = said(name, place, &address);
        match title {
            Some(title) => {
                assert!(text.starts_with(&format!("{title} CRITICAL: ")), "{text}");
                assert_eq!(status, 2, "{text}");
            }
            None => assert_eq!(status, 3, "{text}"),
        }
        let why = "Connection refused (os error 111); is it running, and is this its address?";
        assert!(
            text.contains(why) && text.contains(&address),
            "{name}: {text}"
        );
    }
}

/// It accepts, and never says a word: the answer comes in time, and no process is left, as the
/// command has ended.
#[test]
fn it_hangs() {
    let server = Server::new(|stream| {
        thread::spawn(move || {
            let stream = stream;
            // Until the other side hangs up.
            drop(std::io::copy(&mut &stream, &mut std::io::sink()));
        });
    });
    each_is_unknown(&server, false);
}

#[test]
fn it_hangs_up() {
    each_is_unknown(&Server::new(drop), false);
}

#[test]
fn it_breaks_off() {
    let server = Server::new(|mut stream: TcpStream| {
        asked_or_any(&stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"a\":"));
        drop(stream.shutdown(Shutdown::Both));
    });
    each_is_unknown(&server, false);
}

#[test]
fn it_talks_nonsense() {
    let nonsense: &[u8] = b"\x00\xff\xfe|'x'=1\nCheckX OK: all is well\n\r\n\r\n";
    let server = Server::new(move |mut stream: TcpStream| {
        asked_or_any(&stream);
        drop(stream.write_all(nonsense));
        drop(stream.shutdown(Shutdown::Both));
    });
    each_is_unknown(&server, false);
}

/// Another web server, and one that wants to know who asks.
#[test]
fn it_is_something_else() {
    for (status, body) in [
        (200, "<html>It works!</html>"),
        (401, ""),
        (500, "a | b"),
        (204, ""),
    ] {
        let server = Server::new(move |stream| {
            asked_or_any(&stream);
            answer(&stream, status, body);
            drop(stream.shutdown(Shutdown::Both));
        });
        each_is_unknown_but(OF_ANY_KIND, &server, true);
    }
}

/// Reads what was asked, if it is HTTP; of another protocol its first bytes.
fn asked_or_any(stream: &TcpStream) {
    let mut first = [0; 4];
    if stream.peek(&mut first).is_ok() && &first == b"GET " {
        asked(stream);
    }
}
