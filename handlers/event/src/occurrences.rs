//! How often an event is told: from the `occurrences`th time in a row, then once every `refresh`
//! seconds, as Sensu's filter `occurrences` has it.

use crate::{Action, Event};
use serde_json::Value;

/// Seconds between two tellings of the same, where the check has no `refresh`.
const REFRESH: u64 = 1800;
/// Seconds between two runs, where the check has no `interval`.
const INTERVAL: u64 = 60;

/// What the filter makes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is told.
    Due,
    /// It has not occurred often enough; of an end: it never had.
    TooFew,
    /// It was told within `refresh`.
    Told,
}

/// Judges an event by its check's `occurrences`, `refresh` and `interval`.
///
/// With a `refresh` below the interval, 0 included, each one is due.
#[must_use]
pub fn judge(event: &Event) -> Turn {
    let wanted = wanted(event);
    if event.action == Action::Resolve {
        return if event.occurrences_watermark >= wanted {
            Turn::Due
        } else {
            Turn::TooFew
        };
    }
    let Some(after) = event.occurrences.checked_sub(wanted) else {
        return Turn::TooFew;
    };
    let interval = above_zero(event, "interval").unwrap_or(INTERVAL);
    let refresh = event.check.get("refresh").and_then(number);
    let every = refresh.unwrap_or(REFRESH) / interval;
    if after.is_multiple_of(every.max(1)) {
        Turn::Due
    } else {
        Turn::Told
    }
}

/// How many times in a row an event has to occur before it is told: at least once, where Sensu's
/// filter would hold the first back for an `occurrences` of 0.
#[must_use]
pub fn wanted(event: &Event) -> u64 {
    above_zero(event, "occurrences").unwrap_or(1)
}

fn above_zero(event: &Event, key: &str) -> Option<u64> {
    let number = event.check.get(key).and_then(number);
    number.filter(|number| *number > 0)
}

/// A number, also as a string.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn turn(check: &Value, more: &Value) -> Turn {
        let mut event = json!({"client": {"name": "c"}, "check": {"name": "k", "status": 2}});
        for (part, more) in [("/check", check), ("", more)] {
            let part = event.pointer_mut(part).and_then(Value::as_object_mut);
            part.unwrap().extend(more.as_object().unwrap().clone());
        }
        judge(&Event::from_json(event.to_string().as_bytes()).unwrap())
    }

    fn told(check: &Value, action: &str, up_to: u64) -> Vec<u64> {
        (1..=up_to)
            .filter(|count| {
                let more = json!({"action": action, "occurrences": count});
                turn(check, &more) == Turn::Due
            })
            .collect()
    }

    #[test]
    fn from_the_first_or_as_the_check_wants_and_then_every_refresh() {
        let told = |check: Value, up_to| told(&check, "create", up_to);
        assert_eq!(told(json!({}), 70), [1, 31, 61]);
        assert_eq!(told(json!({"interval": 10}), 400), [1, 181, 361]);
        assert_eq!(told(json!({"occurrences": 3}), 40), [3, 33]);
        let text = json!({"occurrences": "2", "refresh": "60", "interval": 20});
        assert_eq!(told(text, 9), [2, 5, 8]);
        // Refreshed more often than it runs.
        assert_eq!(told(json!({"refresh": 1}), 3), [1, 2, 3]);
        assert_eq!(told(json!({"refresh": 0}), 3), [1, 2, 3]);
    }

    #[test]
    fn what_makes_no_sense_holds_nothing_back_for_ever() {
        for odd in [json!(0), json!(-3), json!("often"), json!(null), json!([])] {
            let check = json!({"occurrences": odd});
            assert_eq!(told(&check, "create", 40), [1, 31], "{odd}");
            let check = json!({"interval": odd, "refresh": 120});
            assert_eq!(told(&check, "create", 5), [1, 3, 5], "{odd}");
        }
        let check = json!({"refresh": "rarely"});
        assert_eq!(told(&check, "create", 40), [1, 31]);
    }

    #[test]
    fn that_it_flaps_is_told_as_often() {
        assert_eq!(told(&json!({"occurrences": 2}), "flapping", 40), [2, 32]);
    }

    #[test]
    fn an_end_is_told_if_there_were_enough() {
        let end = |watermark: u64| {
            let more = json!({
                "action": "resolve", "occurrences": 1, "occurrences_watermark": watermark,
            });
            turn(&json!({"status": 0, "occurrences": 3}), &more)
        };
        assert_eq!(
            [end(2), end(3), end(9)],
            [Turn::TooFew, Turn::Due, Turn::Due]
        );
    }
}
