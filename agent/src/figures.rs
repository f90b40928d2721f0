//! What the agent counts of itself: to Prometheus on its page, to Graphite as the check extension
//! [`EXTENSION`].

use crate::clock;
use crate::health::Health;
use crate::outbox::Outbox;
use std::fmt::{self, Display, Write};
use std::time::Duration;
use venus_collectors::graphite::Scheme;

/// The check extension that has the agent's own figures as Graphite lines.
pub(crate) const EXTENSION: &str = "metrics-agent";
/// Behind the host's name in the paths of these.
pub(crate) const SUFFIX: &str = "agent";

/// One of them.
pub(crate) struct Figure {
    /// Without what stands before it: `venus_`, or the scheme.
    name: &'static str,
    /// Where the name has several, which results it counts.
    class: Option<&'static str>,
    /// One line for whoever reads it.
    what: &'static str,
    value: Value,
}

#[derive(Clone, Copy)]
enum Value {
    /// Only grows, until the agent ends.
    Counter(u64),
    Gauge(u64),
    Time(Duration),
    /// Whole seconds that this clock is ahead of another.
    Ahead(i64),
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(count) | Self::Gauge(count) => count.fmt(f),
            Self::Time(time) => time.as_secs_f64().fmt(f),
            Self::Ahead(seconds) => seconds.fmt(f),
        }
    }
}

/// All that are known, in the order in which they are shown.
pub(crate) fn all(outbox: &Outbox, health: &Health) -> Vec<Figure> {
    let (counted, disk, plan) = (outbox.counters(), outbox.on_disk(), health.punctuality());
    let since = |made| clock::epoch_seconds().saturating_sub(made);
    let age = disk.oldest.map_or(0, since);
    let figure = |name, what, value| Figure {
        name,
        class: None,
        what,
        value,
    };
    let dropped = |class, count| Figure {
        class: Some(class),
        ..figure(
            "results_dropped",
            "Results that were given up.",
            Value::Counter(count),
        )
    };
    let mut figures = vec![
        figure(
            "results_taken",
            "Results that came in.",
            Value::Counter(counted.taken),
        ),
        figure(
            "results_delivered",
            "Results that the broker has confirmed.",
            Value::Counter(counted.delivered),
        ),
        figure(
            "results_returned",
            "Results that came back, as no server had a queue for them.",
            Value::Counter(counted.returned),
        ),
        figure(
            "results_spooled",
            "Results that were written to the spool.",
            Value::Counter(counted.spooled),
        ),
        dropped("metric", counted.dropped.metrics),
        dropped("ok", counted.dropped.ok),
        dropped("state", counted.dropped.states),
        figure(
            "results_in_memory",
            "Results that wait in memory.",
            Value::Gauge(outbox.len() as u64),
        ),
        figure(
            "spool_results",
            "Results that wait in the spool.",
            Value::Gauge(disk.results as u64),
        ),
        figure(
            "spool_bytes",
            "Size of the spool's files.",
            Value::Gauge(disk.bytes),
        ),
        figure(
            "spool_oldest_seconds",
            "Age of the oldest result there.",
            Value::Gauge(age),
        ),
        figure(
            "connected",
            "Whether there is a connection.",
            Value::Gauge(health.is_connected().into()),
        ),
        figure(
            "connections",
            "Connections that were made.",
            Value::Counter(health.connections()),
        ),
        figure(
            "checks_started",
            "Standalone checks that were started.",
            Value::Counter(plan.started),
        ),
        figure(
            "checks_missed",
            "Runs that were left out, as their time was over.",
            Value::Counter(plan.missed),
        ),
        figure(
            "checks_late_seconds",
            "How much later than planned the last checks were started.",
            Value::Time(plan.late),
        ),
    ];
    figures.extend(health.clock_offset.get().map(|offset| {
        let what = "How far this node's clock is ahead of the broker's, in whole seconds.";
        figure("clock_offset_seconds", what, Value::Ahead(offset.ahead()))
    }));
    figures
}

/// As Prometheus wants them, in its text format 0.0.4.
pub(crate) fn to_prometheus(figures: &[Figure]) -> String {
    let mut page = String::new();
    let mut before = "";
    for figure in figures {
        let (kind, end) = match figure.value {
            Value::Counter(_) => ("counter", "_total"),
            _ => ("gauge", ""),
        };
        let name = format!("{}{end}", figure.name);
        if before != figure.name {
            page.push_str(&head(&name, figure.what, kind));
            before = figure.name;
        }
        let class = figure.class.map(|class| format!("{{class=\"{class}\"}}"));
        let class = class.unwrap_or_default();
        page.push_str(&format!("venus_{name}{class} {}\n", figure.value));
    }
    page
}

/// The two lines before a metric's values.
pub(crate) fn head(name: &str, what: &str, kind: &str) -> String {
    format!("# HELP venus_{name} {what}\n# TYPE venus_{name} {kind}\n")
}

/// As Graphite wants them, at a time in seconds since the epoch.
pub(crate) fn to_graphite(figures: &[Figure], scheme: &Scheme, time: u64) -> String {
    let mut lines = String::new();
    for figure in figures {
        let (name, value) = (figure.name, figure.value);
        // A String takes all that is written.
        match figure.class {
            Some(class) => writeln!(lines, "{scheme}.{name}.{class} {value} {time}"),
            None => writeln!(lines, "{scheme}.{name} {value} {time}"),
        }
        .unwrap_or_default();
    }
    lines
}
