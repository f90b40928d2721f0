//! What each check said last, for people who look at this node, and for Prometheus.
//!
//! Every result of this node passes by here, those that others hand in included, so that all
//! that is remembered is bounded.

mod trends;

pub(crate) use trends::{Trend, Trends};

use crate::settings::Venus;
use serde::Serialize;
use serde_json::Value;
use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::Notify;
use venus_collectors::graphite::Scheme;
use venus_collectors::prometheus::Families;
use venus_collectors::{Spec, registry};
use venus_event::CheckResult;

/// How many checks are remembered.
const MOST: usize = 1024;
/// How many statuses of a check, as Sensu has it.
const HISTORY: usize = 21;
/// How many characters of the first line of an output.
const LINE: usize = 200;
/// How long an output of metrics may be to be remembered whole.
const METRICS: usize = 256 << 10;

/// What was said.
#[derive(Debug, Default)]
pub(crate) struct Board {
    checks: RefCell<BTreeMap<String, Said>>,
    trends: RefCell<Trends>,
    /// Grows with each result.
    version: Cell<u64>,
    changed: Notify,
}

/// The last result of a check, and the statuses before it.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(crate) struct Said {
    /// 0 ok, 1 warning, 2 critical, anything else unknown.
    pub(crate) status: i64,
    /// The beginning of its output's first line.
    pub(crate) output: String,
    /// When it ran, seconds since the epoch.
    pub(crate) executed: u64,
    /// When it runs next, where this node runs it at an interval.
    pub(crate) next: Option<u64>,
    /// Its last statuses, the newest last.
    pub(crate) history: VecDeque<i64>,
    /// What its collector measured.
    #[serde(skip)]
    metrics: Option<Metrics>,
}

#[derive(Debug, Clone)]
struct Metrics {
    spec: &'static Spec,
    /// What each path begins with.
    scheme: String,
    /// The Graphite lines.
    lines: String,
}

impl PartialEq for Metrics {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
            && self.scheme == other.scheme
            && self.lines == other.lines
    }
}

impl Board {
    /// Takes note of a result of an agent with these settings.
    pub(crate) fn note(&self, result: &CheckResult, venus: &Venus) {
        let check = &result.check;
        let text = |key: &str| check.get(key).and_then(Value::as_str);
        let number = |key: &str| check.get(key).and_then(Value::as_u64);
        let Some(executed) = number("executed") else {
            return;
        };
        let name = match text("source") {
            Some(source) => format!("{source}/{}", result.name()),
            None => result.name().to_owned(),
        };
        let mut checks = self.checks.borrow_mut();
        if checks.len() >= MOST && !checks.contains_key(&name) {
            let oldest = checks.iter().min_by_key(|(_, said)| said.executed);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                checks.remove(&oldest);
            }
        }
        let said = checks.entry(name).or_default();
        let output = text("output").unwrap_or_default();
        said.status = check.get("status").and_then(Value::as_i64).unwrap_or(3);
        said.executed = executed;
        let standalone = check.get("standalone") == Some(&Value::Bool(true));
        let interval = number("interval").filter(|_| standalone);
        said.next = interval.map(|interval| executed.saturating_add(interval));
        said.output.clear();
        let line = output.lines().next().unwrap_or_default();
        said.output.extend(line.chars().take(LINE));
        if said.history.len() == HISTORY {
            said.history.pop_front();
        }
        said.history.push_back(said.status);
        let extension = text("extension").and_then(registry::find);
        let spec = extension.filter(|_| said.status == 0 && output.len() <= METRICS);
        said.metrics = spec.map(|spec| {
            let mut metrics = said.metrics.take().unwrap_or_else(|| Metrics::of(spec));
            metrics.spec = spec;
            metrics.scheme = match text("scheme") {
                Some(scheme) => scheme.to_owned(),
                None => default_scheme(spec, venus.scheme.as_deref().unwrap_or(&result.client)),
            };
            metrics.lines.clear();
            metrics.lines.push_str(output);
            metrics
        });
        if let Some(Metrics {
            spec,
            scheme,
            lines,
        }) = &said.metrics
        {
            self.trends.borrow_mut().note(spec, scheme, lines, executed);
        }
        self.version.set(self.version.get() + 1);
        self.changed.notify_waiters();
    }

    /// The last result of each check, by the check's name, behind `SOURCE/` where it is that of a
    /// proxy client.
    pub(crate) fn checks(&self) -> Ref<'_, BTreeMap<String, Said>> {
        self.checks.borrow()
    }

    /// How this node was in the last hour.
    pub(crate) fn trends(&self) -> Ref<'_, Trends> {
        self.trends.borrow()
    }

    /// What the collectors measured last.
    pub(crate) fn families(&self) -> Families {
        let mut families = Families::default();
        for said in self.checks.borrow().values() {
            if let Some(Metrics {
                spec,
                scheme,
                lines,
            }) = &said.metrics
            {
                families.add(spec, scheme, lines);
            }
        }
        families
    }

    /// Waits until there is another version than this, and gives it.
    pub(crate) async fn changed_since(&self, version: u64) -> u64 {
        loop {
            let changed = self.changed.notified();
            if self.version.get() != version {
                return self.version.get();
            }
            changed.await;
        }
    }
}

impl Metrics {
    fn of(spec: &'static Spec) -> Self {
        Self {
            spec,
            scheme: String::new(),
            lines: String::new(),
        }
    }
}

fn default_scheme(spec: &Spec, host: &str) -> String {
    let scheme: Scheme = spec.default_scheme(host);
    scheme.as_str().to_owned()
}
