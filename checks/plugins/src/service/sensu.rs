//! What the API of a Sensu server says of it: `GET /info` and `/health` of Sensu Core 0.12 to 1.9.

use serde::Deserialize;

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::http::Http;

/// `/info`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// The server itself.
    pub sensu: Sensu,
    /// How it gets keepalives and results.
    pub transport: Transport,
    /// Where it keeps them.
    pub redis: Redis,
}

/// The server itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sensu {
    /// `0.21.0`.
    pub version: String,
}

/// How it gets keepalives and results.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transport {
    /// Whether the API has a connection.
    pub connected: bool,
    /// What waits, and who takes it.
    pub keepalives: Queue,
    /// The same for results.
    pub results: Queue,
}

/// A queue. The numbers are null while the API has no connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Queue {
    /// How many wait.
    pub messages: Option<u64>,
    /// How many servers take them.
    pub consumers: Option<u64>,
}

/// Where it keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Redis {
    /// Whether the API has a connection.
    pub connected: bool,
}

impl Transport {
    /// The two queues by their names.
    #[must_use]
    pub fn queues(&self) -> [(&'static str, &Queue); 2] {
        [("keepalives", &self.keepalives), ("results", &self.results)]
    }
}

/// Asks for all of that.
pub fn info(http: &Http, context: &Context) -> Result<Info, ServiceError> {
    http.json("/info", context)
}

/// Why the API finds itself unhealthy, if it does: it answers 204, or else 412, and 503 before 0.22.
pub fn unhealthy(http: &Http, context: &Context) -> Result<Option<String>, ServiceError> {
    let answer = http.ask("/health", context)?;
    Ok((answer.status != 204).then(|| answer.summary()))
}
