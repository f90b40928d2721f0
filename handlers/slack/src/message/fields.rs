//! What stands below the text of a message.

use super::words::Words;
use serde::Serialize;
use serde_json::Value;
use venus_event::{Attributes, Event};
use venus_hostlist::fold;

/// A field's value of fewer characters than this shares its line with another.
const SHORT_FIELD: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    pub(super) title: String,
    /// `null` where neither client nor check has the attribute.
    pub(super) value: Option<String>,
    pub(super) short: bool,
}

/// The containers and jobs that ran on the node, where the agent added them.
pub(super) fn context(event: &Event, words: Words) -> Vec<Field> {
    let context = event.check.get("context").and_then(Value::as_object);
    let lists = ["containers", "jobs"].map(|name| {
        let list = context?.get(name)?.as_array()?;
        let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        let value = words.field(&fold(&names).replace(',', ", "));
        (!names.is_empty()).then(|| Field {
            title: name.to_owned(),
            short: value.chars().count() < SHORT_FIELD,
            value: Some(value),
        })
    });
    lists.into_iter().flatten().collect()
}

/// An attribute of the client or else of the check; `a.b` is also `b` inside `a`.
pub(super) fn field(event: &Event, path: &str, how: Words) -> Field {
    let value = [&event.client, &event.check]
        .into_iter()
        .find_map(|attributes| attribute(attributes, path))
        .filter(|value| !value.is_null())
        .map(words);
    Field {
        title: path.to_owned(),
        short: value
            .as_ref()
            .is_none_or(|value| value.chars().count() < SHORT_FIELD),
        value: value.map(|value| how.field(&value)),
    }
}

fn attribute<'a>(attributes: &'a Attributes, path: &str) -> Option<&'a Value> {
    if let Some(value) = attributes.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    attribute(attributes.get(first)?.as_object()?, rest)
}

/// A value as a person writes it: no quotes, lists with commas.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
