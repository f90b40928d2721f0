//! Results become events: what is new, what goes on, what is over.

use crate::settings::Handler;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use venus_event::{Action, Attributes, CheckResult, Event, Severity};

/// How many past statuses Sensu keeps and shows.
const HISTORY: usize = 21;

/// What is remembered of every check.
#[derive(Debug, Default)]
pub struct Checks {
    known: HashMap<String, State>,
}

#[derive(Debug, Default)]
struct State {
    /// Statuses, oldest first, at most [`HISTORY`].
    history: VecDeque<i64>,
    occurrences: u64,
    watermark: u64,
    last_ok: Option<u64>,
    last_state_change: Option<u64>,
    /// Whether there is an event that a later OK resolves.
    open: bool,
}

impl Checks {
    /// The event that a result makes: none while a check is OK and was OK.
    ///
    /// `client` describes the client, `now` is in seconds since the epoch.
    pub fn event(&mut self, result: &CheckResult, client: Attributes, now: u64) -> Option<Event> {
        let status = result.status();
        let state = self.known.entry(key(result)).or_default();
        let was_open = state.open;
        state.record(status, now);
        let action = match result.severity() {
            Severity::Ok if was_open => Action::Resolve,
            Severity::Ok => return None,
            Severity::Warning | Severity::Critical | Severity::Unknown => Action::Create,
        };
        let mut check = result.check.clone();
        check
            .entry("type".to_owned())
            .or_insert_with(|| json!("standard"));
        let history: Vec<String> = state.history.iter().map(ToString::to_string).collect();
        check.insert("history".to_owned(), json!(history));
        check.insert("total_state_change".to_owned(), json!(state.total_change()));
        let event = Event {
            id: Some(uuid::Uuid::new_v4().to_string()),
            client,
            check,
            occurrences: state.occurrences,
            occurrences_watermark: state.watermark,
            last_ok: state.last_ok.and_then(|at| i64::try_from(at).ok()),
            action,
            timestamp: i64::try_from(now).ok(),
            last_state_change: state
                .last_state_change
                .and_then(|at| i64::try_from(at).ok()),
            silenced: false,
            silenced_by: Vec::new(),
        };
        Some(event)
    }
}

/// A check of a proxy client is another check.
fn key(result: &CheckResult) -> String {
    match result.check.get("source").and_then(Value::as_str) {
        Some(source) => format!("{source}:{}", result.name()),
        None => result.name().to_owned(),
    }
}

impl State {
    fn record(&mut self, status: i64, now: u64) {
        let same = self.history.back() == Some(&status);
        if !same {
            self.last_state_change = Some(now);
        }
        self.history.push_back(status);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        if status == 0 {
            self.last_ok = Some(now);
            // The event that says "resolved" tells how long it was bad.
            if !self.open {
                self.occurrences = 1;
                self.watermark = 1;
            }
            self.open = false;
        } else {
            self.occurrences = if same && self.open {
                self.occurrences + 1
            } else {
                1
            };
            self.watermark = if self.open {
                self.watermark.max(self.occurrences)
            } else {
                self.occurrences
            };
            self.open = true;
        }
    }

    /// How much the status changes, in percent, with recent changes weighing
    /// more (0.82 to 1.2), as Sensu computes it; 0 before the history is full.
    fn total_change(&self) -> i64 {
        if self.history.len() < HISTORY {
            return 0;
        }
        let pairs = self.history.iter().zip(self.history.iter().skip(1));
        let mut weight = 0.82;
        let mut change = 0.0;
        for (before, after) in pairs {
            if before != after {
                change += weight;
            }
            weight += 0.02;
        }
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 101")]
        let percent = (change / 20.0 * 100.0) as i64;
        percent
    }
}

/// Whether a handler's filter lets an event through.
///
/// Sensu's built-in filter `occurrences`: from the `occurrences`th time in a
/// row (default 1), then once every `refresh` seconds (default 1800); a
/// recovery only of what was let through.
pub(super) fn wants(handler: &Handler, event: &Event) -> bool {
    if !handler.filters_occurrences {
        return true;
    }
    let number = |key: &str, default: u64| {
        event
            .check
            .get(key)
            .and_then(Value::as_u64)
            .filter(|number| *number > 0)
            .unwrap_or(default)
    };
    let first = number("occurrences", 1);
    match event.action {
        Action::Resolve => event.occurrences_watermark >= first,
        Action::Create | Action::Flapping => {
            let every = number("refresh", 1800) / number("interval", 30);
            match event.occurrences.checked_sub(first) {
                None => false,
                Some(0) => true,
                Some(since) => every == 0 || since % every == 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(statuses: &[i64]) -> Vec<Option<Event>> {
        let mut checks = Checks::default();
        let mut events = Vec::new();
        for (now, status) in (100..).zip(statuses) {
            let check = json!({"name": "k", "interval": 10, "status": status, "output": ""});
            let result = CheckResult {
                client: "c".to_owned(),
                check: check.as_object().unwrap().clone(),
                signature: None,
            };
            events.push(checks.event(&result, Attributes::new(), now));
        }
        events
    }

    type Summary = (Action, [u64; 2], [Option<i64>; 2]);

    fn summary(event: Option<&Event>) -> Option<Summary> {
        let event = event?;
        let times = [event.occurrences, event.occurrences_watermark];
        Some((
            event.action,
            times,
            [event.last_ok, event.last_state_change],
        ))
    }

    #[test]
    fn i_an_event_is_created_goes_on_and_is_resolved() {
        let events = run(&[0, 1, 1, 2, 0, 0]);
        let seen: Vec<_> = events.iter().map(|event| summary(event.as_ref())).collect();
        assert_eq!(
            seen,
            [
                None,
                Some((Action::Create, [1, 1], [Some(100), Some(101)])),
                Some((Action::Create, [2, 2], [Some(100), Some(101)])),
                Some((Action::Create, [1, 2], [Some(100), Some(103)])),
                Some((Action::Resolve, [1, 2], [Some(104), Some(104)])),
                None,
            ]
        );
        let last = events[4].as_ref().unwrap();
        assert_eq!(last.check["history"], json!(["0", "1", "1", "2", "0"]));
    }

    #[test]
    fn i_the_first_event_of_a_check_has_the_shape_that_sensu_gives_it() {
        const CAPTURED: &str = include_str!("../../../tests/fixtures/wire/event-create.json");
        let captured: Value = serde_json::from_str(CAPTURED).unwrap();
        let mut check = captured["check"].as_object().unwrap().clone();
        for added in ["type", "history", "total_state_change"] {
            check.shift_remove(added);
        }
        let result = CheckResult {
            client: "venus001".to_owned(),
            check,
            signature: None,
        };
        let client = captured["client"].as_object().unwrap().clone();
        let event = Checks::default().event(&result, client, 1_795_468_077);
        let mut event = serde_json::to_value(event.unwrap()).unwrap();
        assert_eq!(event["id"].as_str().unwrap().len(), 36);
        event["id"] = captured["id"].clone();
        assert_eq!(event.to_string(), captured.to_string());
    }

    #[test]
    fn the_history_holds_21_and_a_check_that_flips_changes_by_100_percent() {
        let statuses: Vec<i64> = (0..40).map(|run| run % 2).collect();
        let events = run(&statuses);
        let last = events[39].as_ref().unwrap();
        assert_eq!(last.check["history"].as_array().unwrap().len(), 21);
        let change = last.check["total_state_change"].as_i64().unwrap();
        assert!((98..=101).contains(&change), "{change}");
    }

    #[test]
    fn the_filter_occurrences_lets_the_first_every_refresh_and_the_recovery_through() {
        let handler = Handler {
            name: "slack".to_owned(),
            command: String::new(),
            timeout: Duration::from_secs(1),
            filters_occurrences: true,
        };
        let mut statuses = vec![0];
        statuses.extend([1; 400]);
        statuses.push(0);
        let passed: Vec<usize> = run(&statuses)
            .iter()
            .enumerate()
            .filter(|(_, event)| event.as_ref().is_some_and(|event| wants(&handler, event)))
            .map(|(index, _)| index)
            .collect();
        assert_eq!(passed, [1, 181, 361, 401]);
    }
}
