//! What sends lines to Carbon, over a connection that it keeps.

use crate::connection::{Connection, Failure};
use crate::settings::Target;
use crate::tls::{self, TlsError};
use rustls::ClientConfig;
use std::sync::Arc;

/// Sends to one Carbon. Nothing is tried twice here, nothing is kept.
pub struct Sender {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    connection: Option<Connection>,
}

impl Sender {
    /// Connects to nothing yet.
    pub fn new(target: &Target) -> Result<Self, TlsError> {
        Ok(Self {
            tls: target.tls.as_ref().map(tls::config).transpose()?,
            target: target.clone(),
            connection: None,
        })
    }

    /// Writes whole lines to the connection, and opens one where there is none. That they are
    /// written says nothing of whether Carbon has read them: see [`finish`](Self::finish).
    pub fn send(&mut self, lines: &str) -> Result<(), Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.target, self.tls.as_ref())?,
        };
        connection.send(lines, self.target.protocol)?;
        // After a failure there is none: what comes next would follow half a line.
        self.connection = Some(connection);
        Ok(())
    }

    /// Whether what was sent is on a connection that the other side has closed meanwhile.
    pub fn is_lost(&mut self) -> bool {
        let lost = self
            .connection
            .as_mut()
            .is_some_and(|connection| connection.look().is_err());
        if lost {
            self.connection = None;
        }
        lost
    }

    /// Ends the connection. When this returns, all that was sent over it has been read by
    /// whoever took it, unless the protocol is UDP.
    pub fn finish(&mut self) -> Result<(), Failure> {
        match self.connection.take() {
            Some(connection) => connection.finish(),
            None => Ok(()),
        }
    }
}
