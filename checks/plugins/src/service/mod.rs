//! Clients of the cluster's services, which ask and parse, and judge nothing.

pub mod access;
pub mod certificate;
pub mod consul;
pub mod dns;
pub mod docker;
pub mod expiry;
pub mod http;
pub mod kafka;
pub mod ntp;
pub mod ping;
pub mod port;
pub mod rabbitmq;
pub mod redis;
pub mod samza;
pub mod secret;
pub mod sensu;
pub mod server;
pub mod settings;
pub mod slurm;
mod stream;
pub mod swarm;
pub mod tls;
mod unix;
pub mod web;
pub mod zookeeper;

use std::fmt::Display;
use std::io;

use crate::context::Failure;
use crate::status::{Outcome, Status};

/// A service could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Nobody is there: it is down.
    #[error("{0}")]
    Away(String),
    /// Somebody may be there, but does not answer as it should: this is not known.
    #[error("{0}")]
    Unclear(String),
}

impl ServiceError {
    /// What came of `what` (`asking http://…`) that failed with this.
    pub fn io(what: impl Display, error: &io::Error) -> Self {
        let said = format!("{what} failed: {error}");
        match error.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NotFound => {
                Self::Away(format!("{said}; is it running, and is this its address?"))
            }
            io::ErrorKind::PermissionDenied => {
                Self::Unclear(format!("{said}; run as a user who may use it"))
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::Unclear(format!("{what} failed: no answer in time"))
            }
            // The library has no kind for it.
            _ if error.to_string().starts_with("failed to lookup address") => {
                Self::Unclear(format!("{said}; is that its name?"))
            }
            _ => Self::Unclear(said),
        }
    }

    /// How bad that is.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Away(_) => Status::Critical,
            Self::Unclear(_) => Status::Unknown,
        }
    }

    /// The answer of a check that can look at nothing else.
    pub fn answer(self) -> Result<Outcome, Failure> {
        match self {
            Self::Away(what) => Ok(Outcome::new(Status::Critical, what)),
            Self::Unclear(what) => Err(Failure::new(what)),
        }
    }
}
