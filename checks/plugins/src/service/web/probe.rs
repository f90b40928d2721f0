//! The connection on which is asked: made by ourselves, so as to see what that takes and what is
//! shown.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::Times;
use crate::context::Failure;
use crate::service::server::{self, Server};
use crate::service::stream::StreamTransport;
use crate::service::tls::inspect::{self, Client, Shown};

/// What is known when there is a connection, or none.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) times: Times,
    pub(super) shown: Option<Shown>,
    pub(super) failure: Option<Failure>,
}

/// Connects to this server, whatever the URI says.
pub(super) struct Probe {
    pub(super) server: Server,
    pub(super) name: String,
    pub(super) tls: Option<Client>,
    pub(super) begun: Instant,
    pub(super) within: Duration,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Probe of {}", self.server)
    }
}

impl Probe {
    fn stream(&self, seen: &mut Seen) -> io::Result<Stream> {
        let addresses = self.server.addresses()?;
        seen.times.lookup = self.begun.elapsed();
        let stream = server::connect(addresses, self.within)?;
        seen.times.connect = self.begun.elapsed();
        let Some(client) = &self.tls else {
            seen.times.pretransfer = self.begun.elapsed();
            return Ok(Stream::Plain(stream));
        };
        let done = match client.handshake(stream, &self.name) {
            Ok(done) => done,
            Err(failure) => {
                seen.failure = Some(failure);
                return Err(io::ErrorKind::InvalidInput.into());
            }
        };
        seen.times.pretransfer = self.begun.elapsed();
        seen.shown = done.shown;
        Ok(Stream::Tls(Box::new(done.stream?)))
    }
}

impl Connector for Probe {
    type Out = StreamTransport<Stream>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = self.stream(&mut seen)?;
        let has_tls = self.tls.is_some();
        Ok(Some(StreamTransport::new(stream, has_tls, details)))
    }
}

/// A connection with or without TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<inspect::Stream>),
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(from),
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
