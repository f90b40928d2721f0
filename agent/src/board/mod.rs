//! What each check said last, for people who look at this node, and for Prometheus.
//!
//! Every result of this node passes by here, those that others hand in included, so that all
//! that is remembered is bounded.

mod trends;

pub(crate) use trends::{Trend, Trends};

use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::Notify;
use venus_collectors::prometheus::Families;
use venus_collectors::{Spec, registry};
use venus_event::CheckResult;

/// How many checks are remembered.
const MOST: usize = 1024;
/// How many statuses of a check, as Sensu has it.
const HISTORY: usize = 21;
/// How many characters of the first line of an output.
const LINE: usize = 200;
/// How many of them make room together when there are more.
const ROOM: usize = 64;
/// How long a name may be, in bytes.
const NAME: usize = 255;
/// How much of what collectors measured is remembered, in bytes.
const METRICS: usize = 1 << 20;

/// What was said.
#[derive(Debug, Default)]
pub(crate) struct Board {
    checks: RefCell<BTreeMap<String, Said>>,
    trends: RefCell<Trends>,
    /// How many checks this node has run, and for how many seconds in all.
    runs: Cell<(u64, f64)>,
    /// How long the lines of all metrics are.
    bytes: Cell<usize>,
    /// Grows with each result.
    version: Cell<u64>,
    changed: Notify,
}

/// The last result of a check, and the statuses before it.
#[derive(Debug, Default, Serialize)]
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

#[derive(Debug)]
struct Metrics {
    spec: &'static Spec,
    /// What each path begins with, where that is not as usual.
    scheme: Option<String>,
    /// The Graphite lines.
    lines: String,
}

impl Board {
    /// Takes note of a result; what others say that a collector measured is a text like any other.
    pub(crate) fn note(&self, result: &CheckResult, is_own: bool) {
        let check = &result.check;
        let text = |key: &str| check.get(key).and_then(Value::as_str);
        let number = |key: &str| check.get(key).and_then(Value::as_u64);
        let Some(executed) = number("executed") else {
            return;
        };
        if is_own && let Some(duration) = check.get("duration").and_then(Value::as_f64) {
            let (runs, seconds) = self.runs.get();
            self.runs.set((runs + 1, seconds + duration));
        }
        let name = match text("source") {
            Some(source) => Cow::Owned(format!("{source}/{}", result.name())),
            None => Cow::Borrowed(result.name()),
        };
        if name.len() > NAME {
            return;
        }
        let mut checks = self.checks.borrow_mut();
        if !checks.contains_key(&*name) {
            if checks.len() >= MOST {
                self.make_room(&mut checks);
            }
            checks.insert(name.clone().into_owned(), Said::default());
        }
        let Some(said) = checks.get_mut(&*name) else {
            return; // it is there
        };
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
        let extension = text("extension").filter(|_| is_own && said.status == 0);
        let before = said.metrics.take();
        let others = self.bytes.get() - before.as_ref().map_or(0, |metrics| metrics.lines.len());
        let spec = extension.and_then(registry::find);
        let spec = spec.filter(|_| others + output.len() <= METRICS);
        let lines = before.map(|metrics| metrics.lines).unwrap_or_default();
        said.metrics = spec.map(|spec| Metrics::of(spec, text("scheme"), lines, output));
        let lines = said
            .metrics
            .as_ref()
            .map_or(0, |metrics| metrics.lines.len());
        self.bytes.set(others + lines);
        if let Some(spec) = spec {
            self.trends.borrow_mut().note(spec, output, executed);
        }
        self.version.set(self.version.get() + 1);
        self.changed.notify_waiters();
    }

    /// Forgets those that were heard of longest ago.
    fn make_room(&self, checks: &mut BTreeMap<String, Said>) {
        let mut times: Vec<u64> = checks.values().map(|said| said.executed).collect();
        let (_, last, _) = times.select_nth_unstable(ROOM);
        let (last, mut most) = (*last, ROOM);
        checks.retain(|_, said| {
            let goes = said.executed <= last && most > 0;
            most -= usize::from(goes);
            if let (true, Some(metrics)) = (goes, &said.metrics) {
                self.bytes.set(self.bytes.get() - metrics.lines.len());
            }
            !goes
        });
    }

    /// The last result of each check, by the check's name, behind `SOURCE/` where it is that of a
    /// proxy client.
    pub(crate) fn checks(&self) -> Ref<'_, BTreeMap<String, Said>> {
        self.checks.borrow()
    }

    /// How many checks this node has run, and for how many seconds in all.
    pub(crate) fn runs(&self) -> (u64, f64) {
        self.runs.get()
    }

    /// How this node was in the last hour.
    pub(crate) fn trends(&self) -> Ref<'_, Trends> {
        self.trends.borrow()
    }

    /// What the collectors measured last, where schemes are by default of this host.
    pub(crate) fn families(&self, host: &str) -> Families {
        let mut families = Families::default();
        for said in self.checks.borrow().values() {
            let Some(Metrics {
                spec,
                scheme,
                lines,
            }) = &said.metrics
            else {
                continue;
            };
            match scheme {
                Some(scheme) => families.add(spec, scheme, lines),
                None => families.add(spec, spec.default_scheme(host).as_str(), lines),
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
    /// Of this output, in the buffer of an earlier one.
    fn of(spec: &'static Spec, scheme: Option<&str>, mut lines: String, output: &str) -> Self {
        lines.clear();
        lines.push_str(output);
        Self {
            spec,
            scheme: scheme.map(str::to_owned),
            lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use venus_event::Attributes;

    /// Of each a result, with the number as its time.
    fn note(board: &Board, number: u64, more: &Value, is_own: bool) {
        let mut check = json!({"name": format!("check-{number}"), "output": "", "status": 0,
            "executed": number});
        let all = check.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        let check: Attributes = all.clone();
        let result = CheckResult {
            client: "n".to_owned(),
            check,
            signature: None,
        };
        board.note(&result, is_own);
    }

    #[test]
    fn whatever_comes_what_is_remembered_is_bounded_and_the_newest_stay() {
        let board = Board::default();
        let metrics =
            json!({"extension": "metrics-load", "output": "n.load_avg.one 1 1\n".repeat(1000)});
        for number in 0..3000 {
            note(&board, number, &metrics, true);
        }
        note(&board, 3000, &json!({"name": "x".repeat(1 << 20)}), false);
        let count = board.checks().len();
        assert!((MOST - ROOM..=MOST).contains(&count), "{count}");
        assert!(board.checks().contains_key("check-2999"));
        assert!(!board.checks().contains_key("check-1000"));
        let kept = |board: &Board| -> usize {
            let checks = board.checks();
            let metrics = checks.values().filter_map(|said| said.metrics.as_ref());
            metrics.map(|metrics| metrics.lines.len()).sum()
        };
        assert!(kept(&board) <= METRICS);
        assert_eq!(kept(&board), board.bytes.get());
        assert!(kept(&board) > METRICS / 2, "there is room for these");

        let other = Board::default();
        note(&other, 1, &metrics, false);
        assert_eq!(kept(&other), 0, "it may be anything");
        assert_eq!(other.checks()["check-1"].output, "n.load_avg.one 1 1");
    }

    #[test]
    fn a_check_keeps_its_last_21_statuses() {
        let board = Board::default();
        for number in 0..30 {
            note(
                &board,
                number,
                &json!({"name": "a", "status": number}),
                true,
            );
        }
        let checks = board.checks();
        let history: Vec<i64> = checks["a"].history.iter().copied().collect();
        assert_eq!(history, (9..30).collect::<Vec<_>>());
    }
}
