//! A result in an outbox, and what it counts for.

use super::record::Head;
use serde::Serialize;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;
use std::rc::Rc;
use tokio::sync::oneshot;
use venus_event::{Attributes, CheckResult, Severity};

/// What each value of a result weighs beside its text.
pub(super) const OVERHEAD: usize = 64;

/// What goes first where not everything can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Metrics.
    Metric,
    /// That something is well.
    Ok,
    /// That something is not.
    State,
}

impl Class {
    pub(super) fn of(result: &CheckResult) -> Self {
        match result.severity() {
            Severity::Ok if result.is_metric() => Self::Metric,
            Severity::Ok => Self::Ok,
            Severity::Warning | Severity::Critical | Severity::Unknown => Self::State,
        }
    }
}

/// How many results were dropped, by what they were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    /// Metrics.
    pub(crate) metrics: u64,
    /// Results that were OK.
    pub(crate) ok: u64,
    /// All others.
    pub(crate) states: u64,
}

impl Dropped {
    pub(super) fn add(&mut self, class: Class) {
        *match class {
            Class::Metric => &mut self.metrics,
            Class::Ok => &mut self.ok,
            Class::State => &mut self.states,
        } += 1;
    }

    /// All together.
    pub(crate) fn all(self) -> u64 {
        self.metrics + self.ok + self.states
    }
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, more: Self) {
        self.metrics += more.metrics;
        self.ok += more.ok;
        self.states += more.states;
    }
}

/// Where a result is, for whoever handed it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Delivered, or on the disk: it survives the end of this process.
    Safe,
    /// In memory only, for this reason.
    InMemory(Rc<str>),
}

/// Tells once where a result is; an error if it was dropped.
pub(crate) type Receipt = oneshot::Receiver<Kept>;

/// Whether a result is on the disk, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    None,
    /// None, and none is to be made: it would be wrong later.
    Never,
    Begun,
    /// By its number there.
    There(u64),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) head: Head,
    pub(super) result: Rc<CheckResult>,
    /// What it weighs in memory.
    pub(super) bytes: usize,
    pub(super) copy: Copy,
    pub(super) receipt: Option<oneshot::Sender<Kept>>,
}

impl Entry {
    /// Whether it is on the disk, or soon will be.
    pub(super) fn is_copied(&self) -> bool {
        matches!(self.copy, Copy::Begun | Copy::There(_))
    }

    pub(super) fn tell(&mut self, kept: Kept) {
        if let Some(receipt) = self.receipt.take() {
            // Whoever wanted to know may have gone.
            receipt.send(kept).unwrap_or_default();
        }
    }
}

/// About how many bytes of memory a value takes.
fn weight(value: &Value) -> usize {
    OVERHEAD
        + match value {
            Value::String(text) => text.capacity(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(object) => weight_of_all(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

pub(super) fn weight_of_all(attributes: &Attributes) -> usize {
    let weights = attributes
        .iter()
        .map(|(key, value)| key.len() + weight(value));
    weights.sum()
}

/// Which check a result is of, as a number; that of a proxy client is another.
pub(super) fn check_of(result: &CheckResult) -> u64 {
    let mut hasher = DefaultHasher::new();
    let source = result.check.get("source").and_then(Value::as_str);
    (&result.client, source, result.name()).hash(&mut hasher);
    hasher.finish()
}
