//! The event that a handler gets on its standard input.

use crate::{Attributes, Severity, go};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why an event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The input is not JSON at all.
    #[error("the event is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// One of the three attributes without which there is no event.
    #[error("the event has no {path} ({wanted})")]
    Missing {
        /// Dotted path of the attribute.
        path: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
}

/// What the event says about its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The check is not OK (again).
    Create,
    /// The check is OK after it was not.
    Resolve,
    /// The check changes its state too often.
    Flapping,
}

/// An event as Sensu Core 1.9 hands it to a pipe handler, attributes in its order.
///
/// Older servers (0.21) send fewer attributes, so reading needs nothing but
/// `client.name`, `check.name` and `check.status`. An event of Sensu Go, which has
/// an `entity`, is read into the same shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// A UUID of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The client as its last keepalive described it.
    pub client: Attributes,
    /// The check's definition, last result, `history` (up to 21 statuses as
    /// strings, oldest first) and `total_state_change` (percent).
    pub check: Attributes,
    /// How many times in a row the check has had this status.
    pub occurrences: u64,
    /// The highest `occurrences` since the check was last OK.
    pub occurrences_watermark: u64,
    /// When the check was last OK, seconds since the epoch.
    pub last_ok: Option<i64>,
    /// What happened.
    pub action: Action,
    /// When the event was made, seconds since the epoch.
    pub timestamp: Option<i64>,
    /// When the status last changed, seconds since the epoch; none of metrics that are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_state_change: Option<i64>,
    /// Whether somebody silenced this client or check.
    pub silenced: bool,
    /// The silence entries that match.
    pub silenced_by: Vec<String>,
}

impl Event {
    /// Reads an event; what is optional and absent, or of another type than
    /// Sensu's, gets its default.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        let whole: Value = serde_json::from_slice(json)?;
        let whole = go::to_core(&whole).unwrap_or(whole);
        let missing = |path, wanted| EventError::Missing { path, wanted };
        let part = |key: &str| whole.get(key).and_then(Value::as_object).cloned();
        let client = part("client").ok_or(missing("client", "an object"))?;
        let check = part("check").ok_or(missing("check", "an object"))?;
        if client.get("name").and_then(Value::as_str).is_none() {
            return Err(missing("client.name", "a string"));
        }
        if check.get("name").and_then(Value::as_str).is_none() {
            return Err(missing("check.name", "a string"));
        }
        let Some(status) = check.get("status").and_then(Value::as_i64) else {
            return Err(missing("check.status", "a whole number"));
        };
        let occurrences = whole
            .get("occurrences")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        let fallback = if status == 0 {
            Action::Resolve
        } else {
            Action::Create
        };
        Ok(Self {
            id: whole.get("id").and_then(Value::as_str).map(str::to_owned),
            client,
            check,
            occurrences,
            occurrences_watermark: whole
                .get("occurrences_watermark")
                .and_then(Value::as_u64)
                .unwrap_or(occurrences),
            last_ok: whole.get("last_ok").and_then(Value::as_i64),
            action: whole
                .get("action")
                .and_then(|action| Action::deserialize(action).ok())
                .unwrap_or(fallback),
            timestamp: whole.get("timestamp").and_then(Value::as_i64),
            last_state_change: whole.get("last_state_change").and_then(Value::as_i64),
            silenced: whole.get("silenced").and_then(Value::as_bool) == Some(true),
            silenced_by: strings(whole.get("silenced_by")),
        })
    }

    /// `client.name`.
    #[must_use]
    pub fn client_name(&self) -> &str {
        text(&self.client, "name").unwrap_or("")
    }

    /// `client.address`, where the client has one.
    #[must_use]
    pub fn client_address(&self) -> Option<&str> {
        text(&self.client, "address")
    }

    /// `client.subscriptions`; empty where there are none.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        strings(self.client.get("subscriptions"))
    }

    /// `check.name`.
    #[must_use]
    pub fn check_name(&self) -> &str {
        text(&self.check, "name").unwrap_or("")
    }

    /// `check.output`, empty where the check printed nothing.
    #[must_use]
    pub fn output(&self) -> &str {
        text(&self.check, "output").unwrap_or("")
    }

    /// `check.status`.
    #[must_use]
    pub fn status(&self) -> i64 {
        self.check
            .get("status")
            .and_then(Value::as_i64)
            .unwrap_or(3)
    }

    /// The severity of [`status`](Self::status).
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(self.status())
    }
}

fn text<'a>(attributes: &'a Attributes, key: &str) -> Option<&'a str> {
    attributes.get(key).and_then(Value::as_str)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let array = value.and_then(Value::as_array);
    array
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPTURED: &str = include_str!("../../../tests/fixtures/wire/event-create.json");

    #[test]
    fn an_event_of_sensu_reads_and_writes_unchanged() {
        let event = Event::from_json(CAPTURED.as_bytes()).unwrap();
        let mut written = serde_json::to_string_pretty(&event).unwrap();
        written.push('\n');
        assert_eq!(written.trim_end(), CAPTURED.trim_end());
    }

    #[test]
    fn an_event_of_sensu_0_21_needs_only_two_names_and_a_status() {
        let json = br#"{"client":{"name":"c"},"check":{"name":"k","status":0}}"#;
        let event = Event::from_json(json).unwrap();
        assert_eq!(event.action, Action::Resolve);
        assert_eq!((event.client_name(), event.check_name()), ("c", "k"));
        assert_eq!((event.output(), event.client_address()), ("", None));
    }

    #[test]
    fn what_is_missing_is_named() {
        let json = br#"{"client":{"name":"c"},"check":{"name":"k","status":"bad"}}"#;
        let error = Event::from_json(json).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the event has no check.status (a whole number)"
        );
    }

    #[test]
    fn a_cut_event_is_an_error_and_never_a_panic() {
        for end in 0..CAPTURED.trim_end().len() {
            assert!(Event::from_json(&CAPTURED.as_bytes()[..end]).is_err());
        }
    }

    #[test]
    fn an_event_of_sensu_go_reads_as_one_of_sensu_core() {
        let captured = include_str!("../../../tests/fixtures/wire-go/handler-stdin.jsonl");
        let mut lines = captured.lines();
        let event = Event::from_json(lines.next().unwrap().as_bytes()).unwrap();
        assert_eq!((event.client_name(), event.check_name()), ("rust1", "c1"));
        assert_eq!(event.subscriptions(), ["linux", "web", "entity:rust1"]);
        assert_eq!((event.status(), event.action), (2, Action::Create));
        assert_eq!(event.check["history"], serde_json::json!(["2"]));
        assert_eq!(event.client_address(), None);
        assert_eq!((event.id.as_deref(), event.occurrences), (None, 1));
        assert_eq!(event.check.get("occurrences"), None);
        // One that has metrics only.
        let error = Event::from_json(lines.next().unwrap().as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the event has no check (an object)");
    }

    #[test]
    fn what_sensu_go_counts_is_not_what_a_check_wants() {
        let json = serde_json::json!({
            "entity": {"metadata": {"name": "c"}},
            "check": {
                "metadata": {"name": "k"}, "status": 2, "interval": 60,
                "occurrences": 3, "occurrences_watermark": 3,
            },
            "id": "another-each-time",
        });
        let event = Event::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!((event.occurrences, event.occurrences_watermark), (3, 3));
        assert_eq!(event.check.get("occurrences"), None);
        assert_eq!(event.check.get("occurrences_watermark"), None);
        assert_eq!(event.id, None);
    }

    #[test]
    fn sensu_go_tells_the_first_ok_by_its_history() {
        let event = |before: u32, state: &str| {
            let json = serde_json::json!({
                "entity": {
                    "metadata": {"name": "c"},
                    "system": {"network": {"interfaces": [
                        {"name": "lo", "addresses": ["127.0.0.1/8", "::1/128"]},
                        {"name": "eth0", "addresses": ["10.0.2.15/24"]},
                    ]}},
                },
                "check": {
                    "metadata": {"name": "k"}, "status": 0, "state": state, "is_silenced": true,
                    "history": [{"status": before}, {"status": 0}],
                },
                "id": null,
            });
            Event::from_json(json.to_string().as_bytes()).unwrap()
        };
        assert_eq!(event(2, "passing").action, Action::Resolve);
        assert_eq!(event(0, "passing").action, Action::Create);
        assert_eq!(event(2, "flapping").action, Action::Flapping);
        let silenced = event(0, "passing");
        assert!(silenced.silenced);
        assert_eq!(silenced.client_address(), Some("10.0.2.15"));
    }
}
