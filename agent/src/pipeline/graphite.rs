//! Metrics to Carbon from this process, over a connection that stays: the handler `graphite`, where
//! nobody has defined another of this name, and the settings have its key.
//!
//! Carbon may hang, so that a thread writes to it. It wakes up for lines and for nothing else.

use handler_graphite::event;
use handler_graphite::sender::Sender;
use handler_graphite::settings::Settings;
use handler_graphite::stream::Stream;
use handler_graphite::tls::TlsError;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::SystemTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use venus_event::Event;

/// Carbon cannot be written to at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum GraphiteError {
    /// By the files that TLS needs.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// The way to Carbon.
pub(super) struct Graphite {
    settings: Settings,
    lines: mpsc::Sender<String>,
}

/// What came of writing to Carbon: none if all is well again. The end of them is that of the thread.
pub(super) type Reports = UnboundedReceiver<Option<String>>;

impl Graphite {
    /// Opens nothing before there are lines.
    pub(super) fn new(
        settings: &Settings,
        now: fn() -> SystemTime,
    ) -> Result<(Self, Reports), GraphiteError> {
        let sender = Sender::new(&settings.target)?;
        let stream = Stream::new(sender, settings.spool, settings.repeat);
        let (lines, waiting) = mpsc::channel();
        let (report, reports) = unbounded_channel();
        thread::Builder::new().spawn(move || work(stream, &waiting, &report, now))?;
        let settings = settings.clone();
        Ok((Self { settings, lines }, reports))
    }

    /// Hands the lines of an event over; what of them Carbon would not take is said.
    pub(super) fn put(&self, event: &Event, now: u64) -> Option<String> {
        // An event is made of JSON, which can be written.
        let event = serde_json::to_string(event).unwrap_or_default();
        let lines = match event::read(&event, &self.settings, now) {
            Ok(lines) => lines,
            Err(error) => return Some(error.to_string()),
        };
        if self.lines.send(lines.text().to_owned()).is_err() {
            return Some("the thread that writes to Carbon has ended".to_owned());
        }
        lines.complaint()
    }
}

fn work(
    mut stream: Stream,
    waiting: &Receiver<String>,
    report: &UnboundedSender<Option<String>>,
    now: fn() -> SystemTime,
) {
    let mut last = None;
    let mut tell = |failure: Option<String>| {
        if failure != last {
            last.clone_from(&failure);
            if report.send(failure).is_err() {
                // The agent is at its end.
            }
        }
    };
    while let Ok(mut lines) = waiting.recv() {
        // While Carbon was slow, more came.
        lines.extend(waiting.try_iter());
        let before = stream.dropped();
        let sent = stream.send(lines, now());
        let dropped = stream.dropped() - before;
        let failure = sent.err().map(|failure| match dropped {
            0 => failure.to_string(),
            dropped => format!("{failure}; {dropped} events waited too long, and are lost"),
        });
        tell(failure);
    }
    let failure = stream.finish(now()).err();
    tell(failure.map(|failure| format!("{failure}; {} bytes of lines are lost", stream.waiting())));
}
