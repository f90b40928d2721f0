//! Results become events: what is new, what goes on, what is over.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use venus_event::{Action, Attributes, CheckResult, Event, Severity};

/// How many past statuses Sensu keeps and shows.
const HISTORY: usize = 21;

/// What is remembered of every check.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checks {
    known: BTreeMap<String, State>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// Statuses, oldest first, at most [`HISTORY`].
    history: VecDeque<i64>,
    occurrences: u64,
    watermark: u64,
    last_ok: Option<u64>,
    last_state_change: Option<u64>,
    /// Whether there is an event that a later OK resolves.
    open: bool,
    /// Whether it changes its state too often, by the check's thresholds.
    #[serde(default)]
    flaps: bool,
}

impl Checks {
    /// The event that a result makes: none while a check is OK and was OK. Metrics make one each
    /// time.
    ///
    /// `client` describes the client, `now` is in seconds since the epoch.
    pub fn event(&mut self, result: &CheckResult, client: Attributes, now: u64) -> Option<Event> {
        let status = result.status();
        let state = self.known.entry(key(result)).or_default();
        let was_open = state.open;
        state.record(status, now);
        state.flaps = state.is_flapping(&result.check);
        let action = match result.severity() {
            _ if state.flaps => Action::Flapping,
            Severity::Ok if was_open => Action::Resolve,
            Severity::Ok if result.is_metric() => Action::Create,
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

    /// By the check's `low_flap_threshold` and `high_flap_threshold`, in percent: it begins at the
    /// high one, and ends at the low one.
    fn is_flapping(&self, check: &Attributes) -> bool {
        let threshold = |key| check.get(key).and_then(Value::as_i64);
        let low = threshold("low_flap_threshold");
        let Some((low, high)) = low.zip(threshold("high_flap_threshold")) else {
            return false;
        };
        if self.flaps {
            self.total_change() > low
        } else {
            self.total_change() >= high
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn i_a_check_flaps_from_its_high_threshold_to_its_low_one() {
        let mut checks = Checks::default();
        let mut actions = Vec::new();
        let flips = (0..24).map(|run| run % 2);
        for (now, status) in (100..).zip(flips.chain([0; 20])) {
            let check = json!({
                "name": "k", "status": status, "output": "",
                "low_flap_threshold": 20, "high_flap_threshold": 60,
            });
            let result = CheckResult {
                client: "c".to_owned(),
                check: check.as_object().unwrap().clone(),
                signature: None,
            };
            let event = checks.event(&result, Attributes::new(), now);
            actions.push(event.map(|event| event.action));
        }
        // The history has to be full before anything is said of it.
        assert_eq!(actions[19], Some(Action::Create));
        assert_eq!(actions[20..24], [Some(Action::Flapping); 4]);
        assert_eq!(actions[30], Some(Action::Flapping), "also while it is OK");
        assert_eq!(actions[43], None);
    }

    #[test]
    fn metrics_make_an_event_each_time() {
        let check = json!({"name": "m", "type": "metric", "status": 0, "output": "a 1 1"});
        let result = CheckResult {
            client: "c".to_owned(),
            check: check.as_object().unwrap().clone(),
            signature: None,
        };
        let mut checks = Checks::default();
        for now in [100, 110] {
            let event = checks.event(&result, Attributes::new(), now).unwrap();
            assert_eq!((event.action, event.status()), (Action::Create, 0));
        }
    }

    #[test]
    fn what_was_written_down_goes_on_as_if_nothing_had_happened() {
        let result = |status: i64| CheckResult {
            client: "c".to_owned(),
            check: json!({"name": "k", "status": status, "output": ""})
                .as_object()
                .unwrap()
                .clone(),
            signature: None,
        };
        let mut checks = Checks::default();
        checks.event(&result(2), Attributes::new(), 100);
        let text = serde_json::to_string(&checks).unwrap();
        let mut checks: Checks = serde_json::from_str(&text).unwrap();
        let event = checks.event(&result(2), Attributes::new(), 110).unwrap();
        assert_eq!(event.occurrences, 2);
        let event = checks.event(&result(0), Attributes::new(), 120).unwrap();
        assert_eq!(event.action, Action::Resolve);
    }
}
