//! The checks and metrics of services, by the real binary, against servers of the test's own that
//! answer what was written down, or nothing, or nonsense. What the real services answer is tested
//! end to end, in `tests/`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may fail loudly"
)]

mod consul;
mod dns;
mod docker;
mod http;
mod kafka;
mod ping;
mod port;
mod rabbitmq;
mod redis;
mod secrets;
mod sensu;
mod slurm;
mod swarm;
mod tls_expiry;
mod trouble;
mod unix;
mod zookeeper;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

/// A server on the loopback interface that does the same with each connection, until the test ends.
struct Server(SocketAddr);

impl Server {
    fn new(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream);
            }
        });
        Self(address)
    }

    /// Answers HTTP by the path that was asked for; 404 for all others.
    fn http<const N: usize>(answers: [(&str, u16, &str); N]) -> Self {
        let answers: BTreeMap<String, (u16, String)> = answers
            .map(|(path, status, body)| (path.to_owned(), (status, body.to_owned())))
            .into();
        Self::new(move |stream| {
            let Some(path) = asked(&stream) else { return };
            let (status, body) = answers.get(&path).cloned().unwrap_or((404, String::new()));
            answer(&stream, status, &body);
        })
    }

    fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// The path of a request, whose head is read.
fn asked(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    lines
        .find(|line| line.as_ref().is_ok_and(String::is_empty))?
        .ok()?;
    Some(first.split(' ').nth(1)?.to_owned())
}

fn answer(mut stream: &TcpStream, status: u16, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close");
    // Whoever asks may be gone by then.
    drop(write!(stream, "{head}\r\n\r\n{body}"));
}

/// A port where nobody listens: closed a moment ago.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn fixture(path: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    std::fs::read_to_string(fixtures.join(path)).unwrap()
}

/// Writes `0.#` for each number below 1, which differs from one run to the next.
fn without_fractions(text: &str) -> String {
    let is_of_number = |character: char| character == '.' || character.is_ascii_digit();
    let (mut all, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(is_of_number) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|character| !is_of_number(character));
        let (number, after) = from.split_at(end.unwrap_or(from.len()));
        let is_below_1 = number.starts_with("0.") && number.matches('.').count() == 1;
        all.push_str(before);
        all.push_str(if is_below_1 { "0.#" } else { number });
        rest = after;
    }
    all + rest
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
    command.args(args).output().unwrap()
}

/// What a check prints, and how it ends.
fn check(args: &[&str]) -> (String, i32) {
    let output = run(args);
    assert_eq!(str::from_utf8(&output.stderr).unwrap(), "", "{args:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code().unwrap())
}

/// Fails unless a check prints this line and nothing else, and ends so.
fn says(args: &[&str], line: &str, status: i32) {
    assert_eq!(check(args), (format!("{line}\n"), status), "{args:?}");
}

/// Fails unless metrics print these lines, `@TS@` being the time.
fn prints(args: &[&str], lines: &[&str]) {
    let output = run(args);
    assert_eq!(str::from_utf8(&output.stderr).unwrap(), "", "{args:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let without = |line: &str| format!("{} @TS@", line.rsplit_once(' ').unwrap().0);
    let got: Vec<String> = text.lines().map(without).collect();
    assert_eq!(got, lines, "{args:?}");
    assert_eq!(output.status.code(), Some(0));
}
