//! A stand-in for Slack's incoming webhook.
//!
//! The real one needs an account and shows nobody what arrived, cannot be made to
//! fail, and would make the tests depend on a network. This one speaks plain HTTP
//! on a port of the loopback interface that the system chooses, keeps what it got,
//! and answers as it was told. The answers are those that Slack documents.

use crate::DEADLINE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
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
    arrived: Arc<Arrived>,
}

/// How many requests arrived, and that one more did.
#[derive(Default)]
struct Arrived {
    count: Mutex<usize>,
    more: Condvar,
}

impl Endpoint {
    /// Answers the n-th connection with the n-th of `answers`, and the ones after
    /// that with the last.
    #[must_use]
    pub fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let answers = answers.to_vec();
        let arrived = Arc::<Arrived>::default();
        let count = Arc::clone(&arrived);
        let thread = std::thread::spawn(move || serve(&listener, &answers, &count));
        Self {
            address,
            thread,
            arrived,
        }
    }

    /// How many requests arrived so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        *self.arrived.count.lock().unwrap()
    }

    /// Waits until this many requests have arrived in all.
    pub fn wait_for(&self, count: usize) {
        let arrived = self.arrived.count.lock().unwrap();
        let more = &self.arrived.more;
        let (arrived, late) = more
            .wait_timeout_while(arrived, DEADLINE, |arrived| *arrived < count)
            .unwrap();
        assert!(!late.timed_out(), "{arrived} of {count} requests");
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

fn serve(listener: &TcpListener, answers: &[Answer], arrived: &Arrived) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut hanging = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let request = match read(&stream) {
            Came::Request(request) => request,
            Came::Part => continue,
            Came::Stop => return requests,
        };
        let answer = answers.get(requests.len()).or(answers.last());
        requests.push(request);
        *arrived.count.lock().unwrap() = requests.len();
        arrived.more.notify_all();
        match answer.unwrap() {
            Answer::Http(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\
                     connection: close\r\n\r\n{body}"
                );
                // Whoever sent it may be dead by now.
                drop(stream.write_all(answer.as_bytes()));
            }
            Answer::Close => {}
            Answer::Hang => hanging.push(stream),
        }
    }
}

/// What comes over a connection.
enum Came {
    Request(Request),
    /// The test wants the endpoint to stop.
    Stop,
    /// Whoever connected is gone before it was whole.
    Part,
}

fn read(stream: &TcpStream) -> Came {
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(length) if length > 0) {
            return Came::Part;
        }
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
    let line = head.first().unwrap().clone();
    if line == "STOP" {
        return Came::Stop;
    }
    let length: usize = header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return Came::Part;
    }
    Came::Request(Request {
        line,
        content_type: header("content-type").unwrap(),
        body: serde_json::from_slice(&body).unwrap(),
    })
}
