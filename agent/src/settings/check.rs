//! `checks`: what this node runs.

use super::client::handlers;
use super::invocation::Invocation;
use super::reader::{Reader, is_name};
use crate::schedule::{self, DAYS, Recurrence, TimeOfDay};
use croner::Cron;
use serde_json::Value;
use std::time::Duration;
use venus_event::Attributes;

/// What a failing check can be told of.
pub(crate) const CONTEXT: [&str; 2] = ["containers", "jobs"];

/// A check that the settings define.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Name, unique among the checks of this node.
    pub name: String,
    /// The definition as it is published: every attribute in the order of the
    /// file, then `name`.
    pub definition: Attributes,
    /// When this node runs it by itself; none where only the server's requests
    /// start it.
    pub recurrence: Option<Recurrence>,
    /// Whether it is one of the agent's own.
    pub builtin: bool,
}

impl Check {
    /// Reads one entry of `checks`, its name included, noting in the reader what
    /// is wrong.
    pub fn read(name: &str, reader: &mut Reader<'_>) -> Self {
        let definition = reader.object().clone();
        if !is_name(name) {
            reader.complain(format!(
                "check name cannot contain spaces or special characters: {name:?}"
            ));
        }
        Invocation::read(reader);
        reader.string("extension");
        if reader.get("command").is_some() == reader.get("extension").is_some() {
            reader.complain("either check command or extension must be set".to_owned());
        }
        read_execution(reader);
        read_event(reader);
        let interval = reader.positive("interval");
        let publish = reader.boolean("publish").unwrap_or(true);
        let cron = read_cron(reader);
        if publish && reader.get("interval").is_none() && reader.get("cron").is_none() {
            reader.problem("interval", "must be an integer");
        }
        let standalone = reader.boolean("standalone").unwrap_or(false);
        reader.strings("subscribers");
        if !standalone && reader.get("subscribers").is_none() {
            reader.complain("check subscribers must be an array".to_owned());
        }
        // As in Sensu, cron goes before interval.
        let every = interval.map(|seconds| Recurrence::Every(Duration::from_secs(seconds)));
        let cron = cron.map(|cron| Recurrence::Cron(Box::new(cron)));
        Self {
            name: name.to_owned(),
            definition,
            recurrence: cron.or(every).filter(|_| standalone && publish),
            builtin: false,
        }
    }
}

fn read_cron(reader: &mut Reader<'_>) -> Option<Cron> {
    let parsed = schedule::cron::parse(reader.string("cron")?);
    match parsed {
        Ok(cron) => Some(cron),
        Err(error) => {
            let message = format!("string must use the cron syntax: {error}");
            reader.problem("cron", &message);
            None
        }
    }
}

/// What governs how the check is run.
fn read_execution(reader: &mut Reader<'_>) {
    reader.number("timeout");
    reader.boolean("stdin");
    read_source(reader);
    if let Some(mut hooks) = reader.child("hooks") {
        read_hooks(&mut hooks);
    }
    if let Some(mut subdue) = reader.child("subdue") {
        read_windows(&mut subdue);
    }
    reader.boolean("truncate_output");
    reader.positive("truncate_output_length");
}

/// The proxy client that the check speaks for.
pub(crate) fn read_source(reader: &mut Reader<'_>) {
    if let Some(source) = reader.string("source")
        && !is_source(source)
    {
        reader.problem(
            "source",
            "cannot contain spaces, special characters, or invalid tokens",
        );
    }
}

/// What goes with the result to the server.
pub(crate) fn read_event(reader: &mut Reader<'_>) {
    handlers(reader);
    reader.positive("ttl");
    reader.integer("ttl_status");
    if !matches!(
        reader.get("aggregate"),
        None | Some(Value::String(_) | Value::Bool(_))
    ) {
        reader.problem("aggregate", "must be a string or boolean");
    }
    if let Some(names) = reader.strings("aggregates")
        && !names.iter().all(|name| is_aggregate(name))
    {
        reader.problem("aggregates", "items must be valid names");
    }
    let low = reader.integer("low_flap_threshold").is_some();
    if low != reader.integer("high_flap_threshold").is_some() {
        reader.problem("low_flap_threshold", "and high_flap_threshold go together");
    }
}

fn read_hooks(hooks: &mut Reader<'_>) {
    for name in hooks.object().keys() {
        let known = matches!(
            name.as_str(),
            "ok" | "warning" | "critical" | "unknown" | "non-zero"
        );
        if !known && name.parse::<u8>().is_err() {
            hooks.problem(
                name,
                "must be ok, warning, critical, unknown, non-zero or a status from 0 to 255",
            );
        }
        if let Some(mut hook) = hooks.child(name) {
            Invocation::read_required(&mut hook);
            hook.number("timeout");
            hook.boolean("stdin");
        }
    }
}

/// `{"days": {DAY: [{"begin", "end"}]}}`, of checks and of filters.
pub(super) fn read_windows(windows: &mut Reader<'_>) {
    let Some(mut days) = windows.child("days") else {
        windows.problem("days", "must be a hash");
        return;
    };
    for day in days.object().keys() {
        if day != "all" && !DAYS.contains(&day.as_str()) {
            days.problem(day, "must be all or a day of the week");
        }
        let windows = days.get(day).and_then(Value::as_array);
        let whole = windows.is_some_and(|windows| {
            windows.iter().all(|window| {
                let time = |key| window.get(key).and_then(Value::as_str);
                let valid = |text| TimeOfDay::parse(text).is_some();
                time("begin").is_some_and(valid) && time("end").is_some_and(valid)
            })
        });
        if !whole {
            days.problem(
                day,
                "must be an array of objects with begin and end, times such as 5PM PST or 17:00",
            );
        }
    }
}

/// A name, or one that contains a token: `switch-:::rack|r1:::`.
fn is_source(text: &str) -> bool {
    let part = |text: &str| text.is_empty() || is_name(text);
    match text.split_once(":::") {
        None => is_name(text),
        Some((before, rest)) => rest.split_once(":::").is_some_and(|(token, after)| {
            let inner = token.replace('|', "");
            part(before) && !token.is_empty() && part(&inner) && part(after)
        }),
    }
}

/// `\A[\w\.:|-]+\z`
fn is_aggregate(text: &str) -> bool {
    is_name(&text.replace([':', '|'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_source_is_a_name_or_holds_one_token() {
        for good in ["switch-1", ":::rack:::", "sw-:::rack|r1:::.x"] {
            assert!(is_source(good), "{good}");
        }
        for bad in ["", "a b", "::::::", ":::rack", "a:::b c:::", "a::b"] {
            assert!(!is_source(bad), "{bad}");
        }
    }
}
