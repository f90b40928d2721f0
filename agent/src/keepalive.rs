//! Keepalives: the client's attributes, redacted, with a version and the time.

use crate::settings::Client;
use serde_json::json;
use std::time::Duration;
use venus_event::{Attributes, redact};

/// The version of sensu-client that we are a drop-in for. Servers and Uchiwa
/// show it, and the name of the client's queue contains it.
pub const SENSU_VERSION: &str = "1.9.0";

/// How often a keepalive is sent; Sensu's own figure.
pub const INTERVAL: Duration = Duration::from_secs(20);

/// The client as a keepalive describes it at `timestamp` (seconds since the epoch).
#[must_use]
pub fn describe(client: &Client, timestamp: u64) -> Attributes {
    let mut described = redact::redacted(&client.attributes, &client.redact);
    described.insert("version".to_owned(), json!(SENSU_VERSION));
    described.insert("timestamp".to_owned(), json!(timestamp));
    described
}
