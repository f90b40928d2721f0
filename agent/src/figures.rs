//! What the agent counts of itself: to Prometheus on its page, to Graphite as the check extension
//! [`EXTENSION`].

use crate::clock;
use crate::duties::Punctuality;
use crate::health::Health;
use crate::outbox::{Counters, OnDisk, Outbox};
use std::fmt::Display;
use venus_collectors::graphite::Scheme;

/// The check extension that has the agent's own figures as Graphite lines.
pub(crate) const EXTENSION: &str = "metrics-agent";
/// Behind the host's name in the paths of these.
pub(crate) const SUFFIX: &str = "agent";

/// One of them.
pub(crate) struct Figure {
    /// Without what stands before it: `venus_`, or the scheme.
    name: &'static str,
    /// One line for whoever reads it.
    what: &'static str,
    /// Whether it only grows, until the agent ends.
    is_counter: bool,
    /// Its value, or one of each class of results.
    values: Vec<(Option<&'static str>, String)>,
}

impl Figure {
    fn counter(name: &'static str, what: &'static str, count: u64) -> Self {
        Self {
            is_counter: true,
            ..Self::gauge(name, what, count)
        }
    }

    fn gauge(name: &'static str, what: &'static str, value: impl Display) -> Self {
        Self {
            name,
            what,
            is_counter: false,
            values: vec![(None, value.to_string())],
        }
    }
}

/// All that are known, in the order in which they are shown.
pub(crate) fn all(outbox: &Outbox, health: &Health) -> Vec<Figure> {
    let Counters {
        taken,
        delivered,
        returned,
        spooled,
        dropped,
    } = outbox.counters();
    let OnDisk {
        results,
        bytes,
        oldest,
    } = outbox.on_disk();
    let age = oldest.map_or(0, |made| clock::epoch_seconds().saturating_sub(made));
    let Punctuality {
        started,
        missed,
        late,
    } = health.punctuality();
    let classes = [
        ("metric", dropped.metrics),
        ("ok", dropped.ok),
        ("state", dropped.states),
    ];
    let mut figures = vec![
        Figure::counter("results_taken", "Results that came in.", taken),
        Figure::counter(
            "results_delivered",
            "Results that the broker has confirmed.",
            delivered,
        ),
        Figure::counter(
            "results_returned",
            "Results that came back, as no server had a queue for them.",
            returned,
        ),
        Figure::counter(
            "results_spooled",
            "Results that were written to the spool.",
            spooled,
        ),
        Figure {
            name: "results_dropped",
            what: "Results that were given up.",
            is_counter: true,
            values: classes
                .map(|(class, count)| (Some(class), count.to_string()))
                .into(),
        },
        Figure::gauge(
            "results_in_memory",
            "Results that wait in memory.",
            outbox.len(),
        ),
        Figure::gauge("spool_results", "Results that wait in the spool.", results),
        Figure::gauge("spool_bytes", "Size of the spool's files.", bytes),
        Figure::gauge(
            "spool_oldest_seconds",
            "Age of the oldest result there.",
            age,
        ),
        Figure::gauge(
            "connected",
            "Whether there is a connection.",
            u8::from(health.is_connected()),
        ),
        Figure::counter(
            "connections",
            "Connections that were made.",
            health.connections(),
        ),
        Figure::counter(
            "checks_started",
            "Standalone checks that were started.",
            started,
        ),
        Figure::counter(
            "checks_missed",
            "Runs that were left out, as their time was over.",
            missed,
        ),
        Figure::gauge(
            "checks_late_seconds",
            "How much later than planned the last checks were started.",
            late.as_secs_f64(),
        ),
    ];
    figures.extend(health.clock_offset.get().map(|offset| {
        let what = "How far this node's clock is ahead of the broker's, in whole seconds.";
        Figure::gauge("clock_offset_seconds", what, offset.ahead())
    }));
    figures
}

/// As Prometheus wants them, in its text format 0.0.4.
pub(crate) fn to_prometheus(figures: &[Figure]) -> String {
    let mut page = String::new();
    for figure in figures {
        let (kind, end) = if figure.is_counter {
            ("counter", "_total")
        } else {
            ("gauge", "")
        };
        let name = format!("{}{end}", figure.name);
        page.push_str(&head(&name, figure.what, kind));
        for (class, value) in &figure.values {
            let labels = class.map_or_else(String::new, |class| format!("{{class=\"{class}\"}}"));
            page.push_str(&format!("venus_{name}{labels} {value}\n"));
        }
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
    for Figure { name, values, .. } in figures {
        for (class, value) in values {
            let class = class.map_or_else(String::new, |class| format!(".{class}"));
            lines.push_str(&format!("{scheme}.{name}{class} {value} {time}\n"));
        }
    }
    lines
}
