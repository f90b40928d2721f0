//! How messages leave and requests arrive: one trait, several ways.
//!
//! A [`Transport`] connects; what it gives is a [`Link`] that sends and the
//! [`Requests`] that come in. When either fails, both are given up and the
//! supervisor connects anew. The payloads are the same for every transport.

mod attempt;
pub(crate) mod embedded;
pub(crate) mod rabbitmq;
pub(crate) mod redis;
mod runtime;
mod tls;

use serde::Serialize;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use venus_event::CheckResult;

/// Makes connections.
pub(crate) trait Transport {
    /// What sends.
    type Link: Link;
    /// What arrives.
    type Requests: Requests;

    /// Connects and subscribes, once; waiting and trying again is the caller's.
    async fn connect(
        &mut self,
        subscriptions: &[String],
    ) -> Result<(Self::Link, Self::Requests), TransportError>;
}

/// A live connection, as the sender sees it.
///
/// Keepalives and results may be sent at the same time: a flood of results must
/// not hold back a keepalive.
pub(crate) trait Link {
    /// Sends a keepalive, a JSON object.
    async fn keepalive(&self, payload: &[u8]) -> Result<(), TransportError>;

    /// Sends results in their order, and waits until they are where a server finds them. Gives the
    /// places of those that came back, as no server has a queue for them. On an error any of them
    /// may or may not have arrived.
    async fn results(&self, results: &[Rc<CheckResult>]) -> Result<Vec<usize>, TransportError>;

    /// Why the other side takes nothing for now although it is there; none where it does.
    fn blocked(&self) -> Option<&'static str>;

    /// What waits in `pipe` for the server; none where that cannot be known.
    async fn depth(&self, pipe: &str) -> Option<Depth>;

    /// The time at the other side since the epoch, in whole seconds; none where it does not tell.
    /// The caller sets the deadline.
    async fn clock(&self) -> Option<Duration>;

    /// Says goodbye; the caller sets the deadline.
    async fn close(&self);
}

/// A live connection, as the receiver sees it.
pub(crate) trait Requests {
    /// Waits for the next check request, and notices when the connection is
    /// lost. Safe to cancel.
    async fn next(&mut self) -> Result<Vec<u8>, TransportError>;

    /// Leaves all further requests to other clients; from now on `next` only
    /// notices when the connection is lost.
    fn unsubscribe(&mut self);
}

/// What keepalives are sent to.
pub(crate) const KEEPALIVES: &str = "keepalives";
/// What results are sent to.
pub(crate) const RESULTS: &str = "results";

/// How much waits for the server.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Depth {
    /// Messages that nobody has taken yet.
    pub(crate) messages: u64,
    /// Servers that take them; 0 where the transport cannot tell.
    pub(crate) consumers: u64,
}

/// Why a transport cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TransportError {
    /// A broker that cannot be reached, refuses, or went away.
    #[error("{broker}: {what}")]
    Broker {
        /// Which one, without its password.
        broker: String,
        /// What it or the system said, and what to do.
        what: String,
    },
    /// A peer that takes nothing any more.
    #[error("nothing could be sent for {} s", .0.as_secs())]
    Silent(Duration),
    /// Standard output cannot be written; trying again does not help.
    #[error("cannot write metrics to standard output: {0}")]
    Output(Rc<io::Error>),
}
