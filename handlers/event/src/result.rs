//! The result of one run of a check, as a client publishes it.

use crate::{Attributes, Severity};
use serde::Serialize;

/// `{"client": NAME, "check": {…}}`, and `signature` where the client has one.
///
/// `check` is the whole definition, unknown attributes included, followed by
/// `issued` and `executed` (seconds since the epoch), `duration` (seconds, three
/// decimals), `output` and `status`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// Name of the client that ran the check.
    pub client: String,
    /// The definition and what came of it.
    pub check: Attributes,
    /// `client.signature`, by which the server knows its own clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl CheckResult {
    /// Name of the check; empty where a sender left it out.
    #[must_use]
    pub fn name(&self) -> &str {
        text(&self.check, "name")
    }

    /// What the check printed.
    #[must_use]
    pub fn output(&self) -> &str {
        text(&self.check, "output")
    }

    /// The exit status; 3 (UNKNOWN) where there is none.
    #[must_use]
    pub fn status(&self) -> i64 {
        self.check
            .get("status")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or(3)
    }

    /// The severity of [`status`](Self::status).
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(self.status())
    }

    /// Whether the output is metrics (`"type": "metric"`) rather than words.
    #[must_use]
    pub fn is_metric(&self) -> bool {
        text(&self.check, "type") == "metric"
    }
}

fn text<'a>(check: &'a Attributes, key: &str) -> &'a str {
    check
        .get(key)
        .and_then(serde_json::Value::as_str)
        .unwrap_or("")
}
