//! Which handler wants which event.

use super::News;
use crate::schedule;
use crate::settings::handler::EVAL;
use crate::settings::{Filter, Handler};
use chrono::{DateTime, Local};
use serde_json::Value;
use venus_event::occurrences::{self, Turn};
use venus_event::{Action, Attributes, Event};

/// Sensu's own filter: the first time, from time to time, and the end.
pub(super) const OCCURRENCES: &str = "occurrences";

/// Whether an event goes to a handler at `now`; if not, why.
pub(super) fn judge(
    handler: &Handler,
    filters: &[Filter],
    news: &News,
    now: DateTime<Local>,
) -> Result<(), &'static str> {
    let event = &news.event;
    if event.action == Action::Flapping && !handler.handles_flapping {
        return Err("the check flaps");
    }
    if !wants_severity(handler, news) {
        return Err("its severity is not one of the handler's");
    }
    if schedule::handler_subdued(&handler.subdue, now) {
        return Err("the handler is subdued");
    }
    for name in &handler.filters {
        let passes = match find(filters, name) {
            Some(filter) => !is_asked(filter, now) || has_all(filter, event) != filter.negate,
            None if name == OCCURRENCES => occurrences::judge(event) == Turn::Due,
            // Sensu lets events pass that meet a filter it does not have.
            None => true,
        };
        if !passes {
            return Err("a filter keeps it back");
        }
    }
    Ok(())
}

/// The filter of a name.
pub(super) fn find<'a>(filters: &'a [Filter], name: &str) -> Option<&'a Filter> {
    filters.iter().find(|filter| filter.name == name)
}

fn is_asked(filter: &Filter, now: DateTime<Local>) -> bool {
    let when = filter.when.as_ref();
    when.is_none_or(|windows| schedule::is_within(windows, now))
}

/// An end is wanted by whoever wanted something of what came before it.
fn wants_severity(handler: &Handler, news: &News) -> bool {
    let Some(wanted) = &handler.severities else {
        return true;
    };
    let is_end = news.event.action == Action::Resolve;
    let mut before = news.severities.iter();
    wanted.contains(&news.event.severity())
        || (is_end && before.any(|severity| wanted.contains(severity)))
}

/// Whether an event has the attributes of a filter, at any depth.
fn has_all(filter: &Filter, event: &Event) -> bool {
    // An event is made of JSON, which can be written.
    let event = serde_json::to_value(event).unwrap_or_default();
    has(&filter.attributes, event.as_object())
}

fn has(wanted: &Value, is: Option<&Attributes>) -> bool {
    let wanted = wanted.as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, wanted)| {
        let is = is.and_then(|is| is.get(key)).unwrap_or(&Value::Null);
        match (wanted, is) {
            (Value::Object(_), Value::Object(is)) => has(wanted, Some(is)),
            // Ruby, which a server would run; what cannot be told is no.
            (Value::String(text), _) if text.starts_with(EVAL) => false,
            (wanted, is) => wanted == is || is_same_text(wanted, is),
        }
    })
}

/// Sensu takes what reads alike for equal, `2` and `"2"`.
fn is_same_text(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let texts = text(one).zip(text(other));
    texts.is_some_and(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use serde_json::json;
    use venus_event::Severity;

    /// At noon of a Monday.
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
            "client": {"name": "venus001", "rack": {"row": "r1"}, "slot": 7},
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
        let since = event["since"].as_array().cloned().unwrap_or_default();
        let news = News {
            event: Event::from_json(whole.to_string().as_bytes()).unwrap(),
            severities: since
                .iter()
                .map(|status| Severity::of(status.as_i64().unwrap()))
                .collect(),
        };
        let noon = chrono::NaiveDate::from_ymd_opt(2016, 1, 18).unwrap();
        let noon = noon.and_hms_opt(12, 0, 0).unwrap();
        let noon = noon.and_local_timezone(Local).unwrap();
        judge(&settings.handlers[0], &settings.filters, &news, noon).is_ok()
    }

    #[test]
    fn i_severities_of_an_event_and_of_what_an_end_is_the_end_of() {
        let critical = json!({"severities": ["critical"]});
        let none = json!({});
        assert!(passes(&critical, &none, &none));
        assert!(!passes(&critical, &none, &json!({"check": {"status": 1}})));
        let end =
            |since: Value| json!({"action": "resolve", "check": {"status": 0}, "since": since});
        assert!(passes(&critical, &none, &end(json!([1, 2]))));
        assert!(!passes(&critical, &none, &end(json!([1]))));
        assert!(passes(
            &json!({"severities": ["ok"]}),
            &none,
            &end(json!([1]))
        ));
        let unknown = json!({"severities": ["unknown"]});
        assert!(passes(&unknown, &none, &json!({"check": {"status": 127}})));
        assert!(!passes(&json!({"severities": []}), &none, &none));
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
    fn i_what_reads_alike_is_equal_to_a_filter() {
        let is = |attributes: Value| {
            let filters = json!({"f": {"attributes": attributes}});
            passes(&json!({"filter": "f"}), &filters, &json!({}))
        };
        assert!(is(json!({"client": {"slot": "7"}, "check": {"status": 2}})));
        assert!(is(
            json!({"check": {"status": "2", "history": ["0", "1", "2"]}})
        ));
        assert!(is(json!({"client": {"nothing": null}})));
        assert!(!is(json!({"client": {"slot": 8}})));
        assert!(!is(json!({"client": {"nothing": {"x": 1}}})));
        assert!(!is(json!({"client": {"rack": "r1"}})));
    }

    #[test]
    fn i_of_filter_and_filters_the_latter_is_taken() {
        let filters = json!({
            "ours": {"attributes": {"client": {"name": "venus001"}}},
            "others": {"attributes": {"client": {"name": "another"}}},
        });
        let none = json!({});
        let handler = json!({"filter": "others", "filters": ["ours"]});
        assert!(passes(&handler, &filters, &none));
        assert!(!passes(
            &json!({"filters": ["ours", "others"]}),
            &filters,
            &none
        ));
    }

    #[test]
    fn i_outside_its_windows_a_filter_is_not_asked() {
        let handler = json!({"filter": "f"});
        let filter = |begin: &str| {
            let windows = json!({"days": {"all": [{"begin": begin, "end": "5PM"}]}});
            json!({"f": {"attributes": {"client": {"name": "another"}}, "when": windows}})
        };
        assert!(!passes(&handler, &filter("9AM"), &json!({})));
        assert!(passes(&handler, &filter("1PM"), &json!({})));
    }

    #[test]
    fn i_a_handler_is_told_nothing_while_it_is_subdued() {
        let handler = |end: &str| json!({"subdue": {"begin": "9AM", "end": end}});
        assert!(!passes(&handler("5PM"), &json!({}), &json!({})));
        assert!(passes(&handler("11AM"), &json!({}), &json!({})));
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
