//! A stand-in for Slack's incoming webhook and Web API.
//!
//! The real one needs an account and shows nobody what arrived, cannot be made to
//! fail, and would make the tests depend on a network. This one speaks HTTP, with
//! or without TLS, on a port of the loopback interface that the system chooses,
//! keeps what it got, and answers as it was told. The answers are those that Slack
//! documents, and so is what it takes: see `fault`.

use crate::DEADLINE;
use crate::certificates::Certificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
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
    scheme: &'static str,
    thread: JoinHandle<Vec<Request>>,
    shared: Arc<Shared>,
}

/// What the endpoint's thread and the test's both look at.
#[derive(Default)]
struct Shared {
    arrived: Mutex<usize>,
    more: Condvar,
    is_held: Mutex<bool>,
    let_go: Condvar,
    is_over: AtomicBool,
}

impl Endpoint {
    /// Answers the n-th connection with the n-th of `answers`, and the ones after
    /// that with the last.
    #[must_use]
    pub fn start(answers: &[Answer]) -> Self {
        Self::on(listen(0), answers, None)
    }

    /// The same behind a port that was [found free](crate::port::free) before.
    #[must_use]
    pub fn start_at(port: u16, answers: &[Answer]) -> Self {
        Self::on(listen(port), answers, None)
    }

    /// The same over TLS, as the broker of these certificates.
    #[must_use]
    pub fn with_tls(answers: &[Answer], certificates: &Certificates) -> Self {
        Self::on(listen(0), answers, Some(server(certificates)))
    }

    fn on(listener: TcpListener, answers: &[Answer], tls: Option<Arc<ServerConfig>>) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let answers = answers.to_vec();
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve(&listener, &answers, tls.as_ref(), &theirs));
        Self {
            address,
            scheme,
            thread,
            shared,
        }
    }

    /// How many requests arrived so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        *self.shared.arrived.lock().unwrap()
    }

    /// Waits until this many requests have arrived in all.
    pub fn wait_for(&self, count: usize) {
        let arrived = self.shared.arrived.lock().unwrap();
        let more = &self.shared.more;
        let (arrived, late) = more
            .wait_timeout_while(arrived, DEADLINE, |arrived| *arrived < count)
            .unwrap();
        assert!(!late.timed_out(), "{arrived} of {count} requests");
    }

    /// Answers nobody until [`let_go`](Self::let_go).
    pub fn hold(&self) {
        *self.shared.is_held.lock().unwrap() = true;
    }

    /// Answers again.
    pub fn let_go(&self) {
        *self.shared.is_held.lock().unwrap() = false;
        self.shared.let_go.notify_all();
    }

    /// An address below which the endpoint listens; its path is a secret.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "{}://{}/services/T00/B00/topsecret",
            self.scheme, self.address
        )
    }

    /// Stops, and tells what arrived. Call it after the sender has ended.
    #[must_use]
    pub fn requests(self) -> Vec<Request> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.join().unwrap()
    }
}

fn listen(port: u16) -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
}

fn server(certificates: &Certificates) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificates.path("broker.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificates.path("broker.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(
    listener: &TcpListener,
    answers: &[Answer],
    tls: Option<&Arc<ServerConfig>>,
    shared: &Shared,
) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut hanging = Vec::new();
    loop {
        let (stream, _) = listener.accept().unwrap();
        if shared.is_over.load(Ordering::SeqCst) {
            return requests;
        }
        let patience = Duration::from_secs(20);
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let session = ServerConnection::new(Arc::clone(config)).unwrap();
                Box::new(StreamOwned::new(session, stream))
            }
        };
        // Whoever connected may be gone before it was whole.
        let Some(request) = read(&mut stream) else {
            continue;
        };
        let answer = answers.get(requests.len()).or(answers.last());
        let fault = fault(&request);
        requests.push(request);
        *shared.arrived.lock().unwrap() = requests.len();
        shared.more.notify_all();
        let is_held = shared.is_held.lock().unwrap();
        drop(
            shared
                .let_go
                .wait_while(is_held, |is_held| *is_held)
                .unwrap(),
        );
        let answer = match (answer.unwrap(), fault) {
            (Answer::Http(status, ..), Some(fault)) if status.starts_with("200") => {
                &Answer::Http("400 Bad Request", "", fault)
            }
            (answer, _) => answer,
        };
        match answer {
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

/// Slack's word for what it would not take: for a message without anything to show, more than 100
/// attachments, more than 4,000 characters of text, and attributes that are no message's, which
/// Slack passes over and a test should not.
fn fault(request: &Request) -> Option<&'static str> {
    const MESSAGE: [&str; 10] = [
        "attachments",
        "channel",
        "icon_emoji",
        "icon_url",
        "link_names",
        "mrkdwn",
        "text",
        "thread_ts",
        "ts",
        "username",
    ];
    const ATTACHMENT: [&str; 7] = [
        "color",
        "fallback",
        "fields",
        "mrkdwn_in",
        "text",
        "title",
        "title_link",
    ];
    const FIELD: [&str; 3] = ["short", "title", "value"];
    let has_only = |value: &Value, known: &[&str]| {
        let object = value.as_object();
        object.is_some_and(|object| object.keys().all(|key| known.contains(&key.as_str())))
    };
    let items = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let is_long = |value: &Value| value.as_str().unwrap_or_default().chars().count() > 4000;
    let message = &request.body;
    let attachments = items(message, "attachments");
    let fields: Vec<Value> = attachments
        .iter()
        .flat_map(|attachment| items(attachment, "fields"))
        .collect();
    let is_known = has_only(message, &MESSAGE)
        && attachments.iter().all(|one| has_only(one, &ATTACHMENT))
        && fields.iter().all(|one| has_only(one, &FIELD));
    if !request.content_type.starts_with("application/json") || !is_known {
        Some("invalid_payload")
    } else if attachments.len() > 100 {
        Some("too_many_attachments")
    } else if attachments.is_empty() && message["text"].as_str().is_none_or(str::is_empty) {
        Some("no_text")
    } else if is_long(&message["text"]) || attachments.iter().any(|one| is_long(&one["text"])) {
        Some("msg_too_long")
    } else {
        None
    }
}

fn read(stream: &mut dyn Stream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(length) if length > 0) {
            return None;
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
    let length: usize = header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        line: head.first().unwrap().clone(),
        content_type: header("content-type").unwrap(),
        body: serde_json::from_slice(&body).unwrap(),
    })
}
