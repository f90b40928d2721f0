//! A stand-in for Slack's incoming webhook.
//!
//! The real one needs an account and shows nobody what arrived, cannot be made to
//! fail, and would make the tests depend on a network. This one speaks plain HTTP
//! on a port of the loopback interface that the system chooses, keeps what it got,
//! and answers as it was told. The answers are those that Slack documents.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the endpoint does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Status, further header lines (each with its CRLF) and body.
    Http(&'static str, &'static str, &'static str),
    /// The connection ends without a word.
    Close,
    /// The connection stays open without a word.
    Hang,
}

/// Slack's answer to a message that it takes.
pub const OK: Answer = Answer::Http("200 OK", "", "ok");

/// What arrived.
#[derive(Debug)]
pub struct Request {
    /// `POST /path HTTP/1.1`
    pub line: String,
    /// `content-type`, as it was sent.
    pub content_type: String,
    /// The payload.
    pub body: Value,
}

/// A running endpoint.
pub struct Endpoint {
    address: SocketAddr,
    thread: JoinHandle<Vec<Request>>,
}

impl Endpoint {
    /// Answers the n-th connection with the n-th of `answers`, and the ones after
    /// that with the last.
    #[must_use]
    pub fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let answers = answers.to_vec();
        let thread = std::thread::spawn(move || serve(&listener, &answers));
        Self { address, thread }
    }

    /// An address below which the endpoint listens; its path is a secret.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/services/T00/B00/topsecret", self.address)
    }

    /// Stops, and tells what arrived. Call it after the sender has ended.
    #[must_use]
    pub fn requests(self) -> Vec<Request> {
        let mut stop = TcpStream::connect(self.address).unwrap();
        stop.write_all(b"STOP\r\n\r\n").unwrap();
        self.thread.join().unwrap()
    }
}

fn serve(listener: &TcpListener, answers: &[Answer]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut hanging = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let Some(request) = read(&stream) else {
            return requests;
        };
        let answer = answers.get(requests.len()).or(answers.last());
        requests.push(request);
        match answer.unwrap() {
            Answer::Http(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\
                     connection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).unwrap();
            }
            Answer::Close => {}
            Answer::Hang => hanging.push(stream),
        }
    }
}

/// A request; none where the test wants the endpoint to stop.
fn read(stream: &TcpStream) -> Option<Request> {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |wanted: &str| {
        let mut headers = head.iter().filter_map(|line| line.split_once(':'));
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(value.trim().to_owned())
    };
    let line = head.first()?.clone();
    if line == "STOP" {
        return None;
    }
    let length: usize = header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(Request {
        line,
        content_type: header("content-type").unwrap(),
        body: serde_json::from_slice(&body).unwrap(),
    })
}
