//! What several targets need: an agent without a broker, and a connection without a socket.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::slice::Chunks;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use venus_agent::check::{ChildEnvironment, Runner};
use venus_agent::log::{Format, Level, Log};
use venus_agent::outbox::Outbox;
use venus_agent::settings::{Current, Settings};
use venus_event::{Attributes, CheckResult};

thread_local! {
    static SETTINGS: Rc<Current> = Rc::new(Current::new(settings()));
    // Time passes only when nothing else happens, so that nobody waits for a timeout.
    static RUNTIME: Runtime = {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
}

/// A password of the settings, and its login as HTTP's basic auth has it.
pub const SECRET: &str = "hunter2hunter2";
pub const LOGIN: &str = "Basic dTpodW50ZXIyaHVudGVyMg==";

/// Nothing of this host is read, and no command runs, whatever a request says.
fn settings() -> Settings {
    let settings = json!({
        "client": {
            "name": "c", "address": "127.0.0.1", "subscriptions": ["all"], "safe_mode": true,
            "http_socket": {"user": "u", "password": SECRET},
            "a": "1", "b": {"c": [true, "d"]},
        },
        "checks": {"local": {"extension": "metrics-load", "interval": 60, "standalone": true}},
        "venus": {
            "proc_path": "/nonexistent", "sys_path": "/nonexistent", "dev_path": "/nonexistent",
            "docker_host": "unix:///nonexistent",
        },
    });
    Settings::compile(object(settings), Vec::new()).unwrap()
}

/// The object that a value is known to be.
pub fn object(value: Value) -> Attributes {
    match value {
        Value::Object(object) => object,
        other => unreachable!("{other}"),
    }
}

/// A new agent for each input, so that none depends on another.
pub struct Agent {
    pub settings: Rc<Current>,
    pub runner: Rc<Runner>,
    pub log: Log,
    outbox: Rc<Outbox>,
}

impl Agent {
    #[expect(clippy::new_without_default, reason = "it is not a plain value")]
    pub fn new() -> Self {
        let settings = SETTINGS.with(Rc::clone);
        let (log, outbox) = (Log::stderr(Level::Fatal, Format::Json), Rc::default());
        let runner = Runner::new(
            Rc::clone(&settings),
            log.clone(),
            Rc::clone(&outbox),
            Rc::default(),
            ChildEnvironment::of(&HashMap::new()),
        );
        Self {
            settings,
            runner: Rc::new(runner),
            log,
            outbox,
        }
    }

    /// What it would publish.
    pub async fn results(&self) -> Vec<Rc<CheckResult>> {
        if self.outbox.is_empty() {
            return Vec::new();
        }
        self.outbox.batch(usize::MAX).await.results
    }
}

/// Runs to its end what the agent does.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| LocalSet::new().block_on(runtime, work))
}

/// A peer that sends its pieces one by one, and then ends its side or keeps silent.
pub struct Peer<'a> {
    pieces: Chunks<'a, u8>,
    piece: &'a [u8],
    ends: bool,
    heard: Rc<RefCell<Vec<u8>>>,
}

impl<'a> Peer<'a> {
    /// No piece of its text is longer than `length`.
    pub fn new(text: &'a [u8], length: usize, ends: bool) -> Self {
        Self {
            pieces: text.chunks(length.max(1)),
            piece: &[],
            ends,
            heard: Rc::default(),
        }
    }

    /// What it is told.
    pub fn heard(&self) -> Rc<RefCell<Vec<u8>>> {
        Rc::clone(&self.heard)
    }
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            match self.pieces.next() {
                Some(piece) => self.piece = piece,
                None if self.ends => return Poll::Ready(Ok(())),
                // The reader's timeout wakes it.
                None => return Poll::Pending,
            }
        }
        let (now, later) = self
            .piece
            .split_at(self.piece.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.piece = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.heard.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
