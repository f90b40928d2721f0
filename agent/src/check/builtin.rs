//! Collectors as check extensions: run in the process, without a fork.

use crate::figures;
use crate::schedule::Recurrence;
use crate::settings::{Check, Settings, Venus};
use serde_json::{Value, json};
use std::collections::HashMap;
use venus_collectors::graphite::{Scheme, SchemeError};
use venus_collectors::{
    CollectError, Collector, Given, OptionError, Presence, Setup, Spec, registry,
};
use venus_event::Attributes;

/// How many collectors are kept for reuse. Requests can ask for any
/// combination of options; beyond this many all are built anew.
const KEPT: usize = 64;

/// The built-in checks of this client: of each collector that belongs to one of
/// its subscriptions, unless the settings define a check of that name.
#[must_use]
pub fn builtin_checks(settings: &Settings) -> Vec<Check> {
    let Settings {
        client,
        checks,
        venus,
        ..
    } = settings;
    if !venus.builtin_checks {
        return Vec::new();
    }
    registry::all()
        .iter()
        .filter_map(|spec| spec.builtin.map(|builtin| (spec.name, builtin)))
        .filter(|(_, builtin)| {
            let subscribed = |name: &String| name == builtin.subscription;
            client.subscriptions.iter().any(subscribed)
                && !checks.iter().any(|check| check.name == builtin.check)
        })
        .map(|(extension, builtin)| {
            let mut definition = Attributes::from_iter([
                ("extension".to_owned(), json!(extension)),
                ("standalone".to_owned(), json!(true)),
                ("interval".to_owned(), json!(venus.interval.as_secs())),
                ("type".to_owned(), json!("metric")),
                ("handlers".to_owned(), json!(venus.handlers)),
            ]);
            let options = venus.metrics.get(extension).cloned();
            definition.extend(options.into_iter().flatten());
            definition.insert("name".to_owned(), json!(builtin.check));
            Check {
                name: builtin.check.to_owned(),
                definition,
                recurrence: Some(Recurrence::Every(venus.interval)),
                builtin: true,
            }
        })
        .collect()
}

/// Whether the agent has a check extension of this name.
pub(crate) fn is_extension(name: &str) -> bool {
    name == figures::EXTENSION || registry::find(name).is_some()
}

/// What a collector answered.
#[derive(Debug)]
pub(crate) struct Collected {
    /// Finished Graphite lines; empty where this host has nothing to measure.
    pub lines: String,
    /// What could not be measured, one line each, or why there is nothing.
    pub notes: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuiltinError {
    /// A scheme that Graphite cannot take.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// An attribute of the check that the collector does not take.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The collector failed.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// Something else than text came out.
    #[error("the collector wrote bytes that are not UTF-8")]
    NotText,
}

/// Collectors by extension and options, kept with their buffers and open files.
pub(crate) struct Collectors {
    kept: HashMap<String, Kept>,
}

/// A collector at work. It may move to another thread, and comes back by
/// [`Collectors::keep`].
pub(crate) struct Kept {
    key: String,
    collector: Box<dyn Collector>,
    problems: Vec<CollectError>,
    /// How long its longest output was, so that the next one need not grow.
    capacity: usize,
}

impl Collectors {
    /// None yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            kept: HashMap::new(),
        }
    }

    /// The collector `spec` as `check` wants it: its options are the check's
    /// attributes of the same name (`include_device`), `scheme` too.
    pub(crate) fn take(
        &mut self,
        spec: &'static Spec,
        check: &Attributes,
        host: &str,
        venus: &Venus,
    ) -> Result<Kept, BuiltinError> {
        let key = key(spec, check);
        match self.kept.remove(&key) {
            Some(kept) => Ok(kept),
            None => Ok(Kept {
                key,
                collector: build(spec, check, host, venus)?,
                problems: Vec::new(),
                capacity: 0,
            }),
        }
    }

    /// Keeps it for the next time.
    pub(crate) fn keep(&mut self, kept: Kept) {
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert(kept.key.clone(), kept);
    }
}

impl Kept {
    /// Whether to run it on a thread of its own.
    pub(crate) fn may_wait(&mut self, now: u64) -> bool {
        self.collector.may_wait(now)
    }

    /// Collects once.
    pub(crate) fn collect(&mut self, now: u64) -> Result<Collected, BuiltinError> {
        self.problems.clear();
        let mut out = Vec::with_capacity(self.capacity);
        let presence = self.collector.collect(now, &mut out, &mut self.problems)?;
        self.capacity = out.len().max(self.capacity);
        let mut notes: Vec<String> = self.problems.drain(..).map(|p| p.to_string()).collect();
        if let Presence::Absent(reason) = presence {
            notes.push(reason);
        }
        let lines = String::from_utf8(out).map_err(|_| BuiltinError::NotText)?;
        Ok(Collected { lines, notes })
    }
}

/// What tells two collectors apart: all that [`build`] looks at.
fn key(spec: &Spec, check: &Attributes) -> String {
    let mut key = spec.name.to_owned();
    for (name, value) in check {
        if name == "scheme" || spec.options.iter().any(|option| option.is_attribute(name)) {
            key.push_str(&format!(" {name}={value}"));
        }
    }
    key
}

/// What the paths of a check begin with: its own scheme, or that of this host with a suffix.
pub(super) fn scheme(
    check: &Attributes,
    host: &str,
    venus: &Venus,
    suffix: &str,
) -> Result<Scheme, SchemeError> {
    if let Some(scheme) = check.get("scheme").and_then(Value::as_str) {
        return Scheme::new(scheme);
    }
    let host = venus.scheme.as_deref().unwrap_or(host);
    Ok(Scheme::default_for(host, suffix))
}

fn build(
    spec: &Spec,
    check: &Attributes,
    host: &str,
    venus: &Venus,
) -> Result<Box<dyn Collector>, BuiltinError> {
    let scheme = scheme(check, host, venus, spec.scheme_suffix)?;
    let mut given = Given::of(spec.options);
    for option in spec.options {
        match check.get(&option.attribute()) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => given.set(option.name, text)?,
            Some(other) => given.set(option.name, &other.to_string())?,
        }
    }
    Ok((spec.build)(&Setup {
        roots: &venus.roots,
        scheme: &scheme,
        docker: &venus.docker,
        given: &given,
    })?)
}
