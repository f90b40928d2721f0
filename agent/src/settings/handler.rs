//! `handlers`: who is told, when the agent is its own server.

use super::reader::{Reader, is_name};
use std::time::Duration;

/// A handler of type `pipe`: a command that gets the event on its standard input.
#[derive(Debug, Clone, PartialEq)]
pub struct Handler {
    /// Name, by which checks choose it.
    pub name: String,
    /// Shell command.
    pub command: String,
    /// After this long the command is killed.
    pub timeout: Duration,
    /// Whether Sensu's built-in filter `occurrences` stands before it.
    pub filters_occurrences: bool,
}

/// Sensu waits for ever; a handler that hangs would pile up.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

impl Handler {
    /// Reads one entry of `handlers`. A type that only a Sensu server has is
    /// none of ours and gives nothing.
    pub fn read(name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        if !is_name(name) {
            reader.complain(format!(
                "handler name cannot contain spaces or special characters: {name:?}"
            ));
        }
        if reader.required_string("type")? != "pipe" {
            return None;
        }
        let command = reader.required_string("command");
        let timeout = reader.seconds("timeout");
        let filter = reader.string("filter");
        let filters = reader.strings("filters").unwrap_or_default();
        Some(Self {
            name: name.to_owned(),
            command: command?.to_owned(),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            filters_occurrences: filter == Some("occurrences") || filters.contains(&"occurrences"),
        })
    }
}
