//! Which handler wants which event.

use crate::settings::{Filter, Handler};
use serde_json::Value;
use venus_event::{Action, Attributes, Event, Severity};

/// Sensu's own filter: the first time, from time to time, and the end.
const OCCURRENCES: &str = "occurrences";

/// Whether an event goes to a handler; if not, why.
pub(super) fn judge(
    handler: &Handler,
    filters: &[Filter],
    event: &Event,
) -> Result<(), &'static str> {
    if event.action == Action::Flapping && !handler.handles_flapping {
        return Err("the check flaps");
    }
    if !wants_severity(handler, event) {
        return Err("its severity is not one of the handler's");
    }
    for name in &handler.filters {
        let passes = match filters.iter().find(|filter| filter.name == *name) {
            Some(filter) => has_all(&filter.attributes, event) != filter.negate,
            None if name == OCCURRENCES => occurs_enough(event),
            // Sensu lets events pass that meet a filter it does not have.
            None => true,
        };
        if !passes {
            return Err("a filter keeps it back");
        }
    }
    Ok(())
}

/// An end is wanted by whoever wanted something of what came before it.
fn wants_severity(handler: &Handler, event: &Event) -> bool {
    let Some(wanted) = &handler.severities else {
        return true;
    };
    if event.action != Action::Resolve {
        return wanted.contains(&event.severity());
    }
    let history = event.check.get("history").and_then(Value::as_array);
    let statuses = history.into_iter().flatten().rev().skip(1);
    let statuses = statuses.filter_map(|status| status.as_str()?.parse().ok());
    let since = statuses.take_while(|status: &i64| *status != 0);
    let mut since = since.map(Severity::of);
    since.any(|severity| wanted.contains(&severity))
}

/// From the `occurrences`th time in a row (default 1), then once every `refresh` seconds (default
/// 1800); a recovery only of what was let through.
fn occurs_enough(event: &Event) -> bool {
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

/// Whether an event has these attributes, at any depth.
fn has_all(wanted: &Value, event: &Event) -> bool {
    // An event is made of JSON, which can be written.
    let event = serde_json::to_value(event).unwrap_or_default();
    has(wanted, Some(&event))
}

fn has(wanted: &Value, is: Option<&Value>) -> bool {
    match wanted {
        Value::Object(wanted) => {
            let is = is.and_then(Value::as_object);
            let of = |key: &str| is.and_then(|is: &Attributes| is.get(key));
            wanted.iter().all(|(key, value)| has(value, of(key)))
        }
        // Ruby, which a server would run; what cannot be told is no.
        Value::String(text) if text.starts_with("eval:") => false,
        wanted => is == Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use serde_json::json;

    fn passes(handler: &Value, filters: &Value, event: &Value) -> bool {
        let mut handler = handler.clone();
        handler["type"] = json!("pipe");
        handler["command"] = json!("true");
        let settings = json!({
            "client": {"name": "c", "subscriptions": []},
            "transport": {"name": "embedded"},
            "handlers": {"h": handler},
            "filters": filters,
        });
        let settings = settings.as_object().unwrap().clone();
        let settings = Settings::compile(settings, Vec::new()).unwrap();
        let mut whole = json!({
            "client": {"name": "venus001", "rack": {"row": "r1"}},
            "check": {"name": "k", "status": 2, "interval": 10, "history": ["0", "1", "2"]},
            "occurrences": 1,
        });
        for part in ["client", "check"] {
            let more = event[part].as_object().cloned().unwrap_or_default();
            whole[part].as_object_mut().unwrap().extend(more);
        }
        for part in ["action", "occurrences", "occurrences_watermark"] {
            whole[part] = event[part].clone();
        }
        let event = Event::from_json(whole.to_string().as_bytes()).unwrap();
        judge(&settings.handlers[0], &settings.filters, &event).is_ok()
    }

    #[test]
    fn i_severities_of_an_event_and_of_what_an_end_is_the_end_of() {
        let critical = json!({"severities": ["critical"]});
        let none = json!({});
        assert!(passes(&critical, &none, &none));
        assert!(!passes(&critical, &none, &json!({"check": {"status": 1}})));
        let end = |history: Value| json!({"action": "resolve", "check": {"status": 0, "history": history}});
        assert!(passes(&critical, &none, &end(json!(["0", "2", "1", "0"]))));
        assert!(!passes(&critical, &none, &end(json!(["2", "0", "1", "0"]))));
    }

    #[test]
    fn i_filters_by_attributes_let_through_or_keep_back() {
        let handler = json!({"filters": ["row"]});
        let row = |row: &str, negate: bool| json!({"row": {"attributes": {"client": {"rack": {"row": row}}}, "negate": negate}});
        let none = json!({});
        assert!(passes(&handler, &row("r1", false), &none));
        assert!(!passes(&handler, &row("r2", false), &none));
        assert!(!passes(&handler, &row("r1", true), &none));
        assert!(passes(&handler, &row("r2", true), &none));
        assert!(passes(&handler, &none, &none), "one that is not there");
        let eval = json!({"row": {"attributes": {"occurrences": "eval: value == 1"}}});
        assert!(!passes(&handler, &eval, &none));
    }

    #[test]
    fn i_what_flaps_is_for_those_who_ask_for_it() {
        let flapping = json!({"action": "flapping"});
        assert!(!passes(&json!({}), &json!({}), &flapping));
        assert!(passes(
            &json!({"handle_flapping": true}),
            &json!({}),
            &flapping
        ));
    }

    #[test]
    fn i_the_filter_occurrences_lets_the_first_every_refresh_and_the_recovery_through() {
        let handler = json!({"filter": "occurrences"});
        let passed: Vec<u64> = (1..=400)
            .filter(|count| passes(&handler, &json!({}), &json!({ "occurrences": count })))
            .collect();
        assert_eq!(passed, [1, 181, 361]);
        let end = |watermark: u64| {
            json!({
                "action": "resolve", "occurrences_watermark": watermark,
                "check": {"status": 0, "occurrences": 3},
            })
        };
        assert!(passes(&handler, &json!({}), &end(3)));
        assert!(!passes(&handler, &json!({}), &end(2)));
    }
}
