//! Which events are announced.
//!
//! Occurrences and refresh are those of Sensu's filter `occurrences`. What was announced, and what
//! was kept back, is remembered in an [`Incident`], so that the end of something is told if, and
//! only if, its beginning was.

use crate::incident::Incident;
use crate::settings::Settings;
use serde_json::Value;
use venus_event::occurrences::{self, Turn};
use venus_event::{Action, Event, Severity};

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is announced.
    Send,
    /// It is not, for this reason.
    Drop(&'static str),
}

/// Judges an event; `incident` is what is remembered of its client and check.
#[must_use]
pub fn judge(event: &Event, incident: Option<&Incident>, settings: &Settings) -> Verdict {
    let is_listed = settings.severities.contains(&event.severity());
    if event.check.get("handle") == Some(&Value::Bool(false)) {
        return Verdict::Drop("the check's handle is false");
    }
    if event.silenced {
        return Verdict::Drop("it is silenced");
    }
    if event.action == Action::Flapping {
        return if incident.is_some_and(|incident| incident.flaps) {
            Verdict::Drop("that it flaps was said")
        } else {
            Verdict::Send
        };
    }
    if event.action == Action::Resolve {
        return end(event, incident, settings);
    }
    if !is_listed {
        return Verdict::Drop(if event.severity() == Severity::Ok {
            "nothing is wrong"
        } else {
            "its severity is not one of severities"
        });
    }
    again(event)
}

/// The end of an incident: was it announced?
fn end(event: &Event, incident: Option<&Incident>, settings: &Settings) -> Verdict {
    const NEVER: Verdict = Verdict::Drop("that it began was never announced");
    match incident {
        Some(incident) if incident.announced => return Verdict::Send,
        Some(_) => return NEVER,
        // Begun before this handler came, or its memory was lost: what the event itself tells.
        None => {}
    }
    if event.occurrences_watermark < occurrences::wanted(event) {
        return NEVER;
    }
    let history = event.check.get("history").and_then(Value::as_array);
    let statuses = history.into_iter().flatten().filter_map(status);
    let mut wrong = statuses.filter(|status| *status != 0);
    match wrong.next_back() {
        Some(status) if !settings.severities.contains(&Severity::of(status)) => NEVER,
        _ => Verdict::Send,
    }
}

/// Sensu Core writes statuses of the history as strings.
fn status(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// Whether it is the first time, or time to say it again.
fn again(event: &Event) -> Verdict {
    match occurrences::judge(event) {
        Turn::Due => Verdict::Send,
        Turn::TooFew => Verdict::Drop("it has not occurred often enough"),
        Turn::Told => Verdict::Drop("it was announced within refresh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::section;
    use serde_json::json;

    fn event(check: &Value, more: &Value) -> Event {
        let mut event = json!({
            "client": {"name": "c"},
            "check": {"name": "k", "status": 2},
            "occurrences": 1,
        });
        let check = check.as_object().unwrap().clone();
        event["check"].as_object_mut().unwrap().extend(check);
        let more = more.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(more);
        Event::from_json(event.to_string().as_bytes()).unwrap()
    }

    fn is_sent(check: &Value, more: &Value, incident: Option<&Incident>) -> bool {
        let settings = section(&json!({}));
        judge(&event(check, more), incident, &settings) == Verdict::Send
    }

    #[test]
    fn warning_and_critical_and_what_the_settings_list() {
        let sent: Vec<bool> = [0, 1, 2, 3, 127]
            .map(|status| {
                is_sent(
                    &json!({ "status": status }),
                    &json!({"action": "create"}),
                    None,
                )
            })
            .to_vec();
        assert_eq!(sent, [false, true, true, false, false]);
        let settings = section(&json!({"severities": ["OK", "unknown"]}));
        let sent: Vec<bool> = [0, 1, 2, 3, 127]
            .map(|status| {
                let event = event(&json!({ "status": status }), &json!({"action": "create"}));
                judge(&event, None, &settings) == Verdict::Send
            })
            .to_vec();
        assert_eq!(sent, [true, false, false, true, true]);
    }

    #[test]
    fn silenced_events_and_those_not_to_be_handled_are_not() {
        assert!(!is_sent(&json!({"handle": false}), &json!({}), None));
        assert!(!is_sent(&json!({}), &json!({"silenced": true}), None));
    }

    #[test]
    fn occurrences_and_refresh_are_those_of_sensus_filter() {
        let sent = |check: Value, occurrences: u64| {
            is_sent(&check, &json!({ "occurrences": occurrences }), None)
        };
        let sends = |check: &Value, up_to: u64| -> Vec<u64> {
            (1..=up_to)
                .filter(|count| sent(check.clone(), *count))
                .collect()
        };
        assert_eq!(sends(&json!({}), 70), [1, 31, 61]);
        assert_eq!(sends(&json!({"occurrences": 3}), 40), [3, 33]);
        let often = json!({"occurrences": "2", "refresh": "60", "interval": 20});
        assert_eq!(sends(&often, 9), [2, 5, 8]);
        // As often as it occurs, where it is refreshed more often than it runs.
        assert_eq!(sends(&json!({"refresh": 1, "interval": 60}), 3), [1, 2, 3]);
        assert_eq!(sends(&json!({"refresh": 60, "interval": 0}), 3), [1, 2, 3]);
    }

    #[test]
    fn of_sensu_go_the_first_is_announced_and_not_each() {
        let settings = section(&json!({}));
        let event = |occurrences: u64| {
            let json = json!({
                "entity": {"metadata": {"name": "c"}},
                "check": {
                    "metadata": {"name": "k"}, "status": 2, "interval": 600, "state": "failing",
                    "occurrences": occurrences, "occurrences_watermark": occurrences,
                },
            });
            Event::from_json(json.to_string().as_bytes()).unwrap()
        };
        let sent = (1..=7).filter(|count| judge(&event(*count), None, &settings) == Verdict::Send);
        assert_eq!(sent.collect::<Vec<_>>(), [1, 4, 7]);
    }

    #[test]
    fn an_end_is_told_if_the_beginning_was() {
        let resolve = json!({"action": "resolve", "occurrences_watermark": 2});
        let end =
            |check: &Value, incident: Option<Incident>| is_sent(check, &resolve, incident.as_ref());
        let ok = json!({"status": 0});
        let told = |announced| Incident {
            announced,
            ..Incident::default()
        };
        assert!(end(&ok, Some(told(true))));
        assert!(!end(&ok, Some(told(false))));
        // Nothing is remembered.
        assert!(end(&ok, None));
        assert!(!end(&json!({"status": 0, "occurrences": 3}), None));
        assert!(end(&json!({"status": 0, "history": ["0", "2", "0"]}), None));
        assert!(!end(
            &json!({"status": 0, "history": ["0", "3", "0"]}),
            None
        ));
    }

    #[test]
    fn that_it_flaps_is_said_once() {
        let flapping = json!({"action": "flapping", "occurrences": 7});
        assert!(is_sent(&json!({}), &flapping, None));
        let said = Incident {
            flaps: true,
            ..Incident::default()
        };
        assert!(!is_sent(&json!({}), &flapping, Some(&said)));
    }
}
