//! Sensu's vocabulary: check results, events, severities and redaction.
//!
//! Nothing here does I/O; the agent and the handlers share it so that both mean
//! the same by the same word. The shapes are those of Sensu Core (0.21 to 1.9),
//! kept as captured from the original in `tests/fixtures/wire/`.
//!
//! | module | holds |
//! |---|---|
//! | [`result`] | what a client publishes about one run of a check |
//! | [`event`] | what a handler gets on its standard input |
//! | [`occurrences`] | how often an event is told |
//! | [`severity`] | OK, WARNING, CRITICAL, UNKNOWN and which of them is worse |
//! | [`redact`] | which values never leave the node |

pub mod event;
mod go;
pub mod occurrences;
pub mod redact;
pub mod result;
pub mod severity;

pub use event::{Action, Event, EventError};
pub use result::CheckResult;
pub use severity::Severity;

/// A JSON object whose keys stay in the order in which they were written.
pub type Attributes = serde_json::Map<String, serde_json::Value>;
