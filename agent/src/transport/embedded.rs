//! No broker: metrics go to standard output, everything else to the handlers.

use super::{Depth, Link, Requests, Transport, TransportError};
use crate::pipeline::Pipeline;
use crate::terminal::Terminal;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;
use venus_event::CheckResult;

/// The agent as its own server.
pub(crate) struct Embedded {
    pipeline: Rc<Pipeline>,
    terminal: Rc<Terminal>,
}

impl Embedded {
    pub(crate) fn new(pipeline: Rc<Pipeline>, terminal: Rc<Terminal>) -> Self {
        Self { pipeline, terminal }
    }
}

impl Transport for Embedded {
    type Link = EmbeddedLink;
    type Requests = Never;

    async fn connect(
        &mut self,
        _subscriptions: &[String],
    ) -> Result<(EmbeddedLink, Never), TransportError> {
        let link = EmbeddedLink {
            pipeline: Rc::clone(&self.pipeline),
            terminal: Rc::clone(&self.terminal),
        };
        Ok((link, Never))
    }
}

/// Hands results to the pipeline and to the terminal.
pub(crate) struct EmbeddedLink {
    pipeline: Rc<Pipeline>,
    terminal: Rc<Terminal>,
}

impl Link for EmbeddedLink {
    /// Nobody needs to be told that this process is alive.
    async fn keepalive(&self, _payload: &[u8]) -> Result<(), TransportError> {
        Ok(())
    }

    async fn results(&self, results: &[Rc<CheckResult>]) -> Result<Vec<usize>, TransportError> {
        let shown = self.terminal.show(results);
        shown.map_err(|error| TransportError::Output(Rc::new(error)))?;
        for result in results {
            self.pipeline.process(result);
        }
        self.pipeline.remember();
        Ok(Vec::new())
    }

    fn blocked(&self) -> Option<&'static str> {
        None
    }

    /// Nothing waits: results are handled at once.
    async fn depth(&self, _pipe: &str) -> Option<Depth> {
        None
    }

    /// There is no other side.
    async fn clock(&self) -> Option<Duration> {
        None
    }

    async fn close(&self) {
        self.pipeline.finished().await;
    }
}

/// Without a server nobody asks for anything.
pub(crate) struct Never;

impl Requests for Never {
    async fn next(&mut self) -> Result<Vec<u8>, TransportError> {
        pending().await
    }

    fn unsubscribe(&mut self) {}
}
