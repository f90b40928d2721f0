//! What the agent counts of itself: to Prometheus on its page, to Graphite as the check extension
//! [`EXTENSION`].

use crate::clock::{self, Offset};
use crate::duties::Punctuality;
use crate::health::Health;
use crate::outbox::{Counters, OnDisk, Outbox};
use std::fmt::{self, Write};
use std::time::Duration;
use venus_collectors::graphite::Scheme;

/// The check extension that has the agent's own figures as Graphite lines.
pub(crate) const EXTENSION: &str = "metrics-agent";
/// Behind the host's name in the paths of these.
pub(crate) const SUFFIX: &str = "agent";

/// One of them, in its parts where it is told by class.
pub(crate) struct Figure {
    /// Without what stands before it: `venus_`, or the scheme.
    name: &'static str,
    /// One line for whoever reads it.
    what: &'static str,
    values: Values,
}

enum Values {
    /// Only grows, until the agent ends.
    Counter(u64),
    /// The same, by class.
    Classes([(&'static str, u64); 3]),
    Gauge(Gauge),
}

enum Gauge {
    Count(u64),
    Time(Duration),
    Offset(Offset),
}

impl Figure {
    fn counter(name: &'static str, what: &'static str, count: u64) -> Self {
        let values = Values::Counter(count);
        Self { name, what, values }
    }

    fn gauge(name: &'static str, what: &'static str, gauge: Gauge) -> Self {
        let values = Values::Gauge(gauge);
        Self { name, what, values }
    }

    fn count(name: &'static str, what: &'static str, count: u64) -> Self {
        Self::gauge(name, what, Gauge::Count(count))
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
            values: Values::Classes([
                ("metric", dropped.metrics),
                ("ok", dropped.ok),
                ("state", dropped.states),
            ]),
        },
        Figure::count(
            "results_in_memory",
            "Results that wait in memory.",
            outbox.len() as u64,
        ),
        Figure::count(
            "spool_results",
            "Results that wait in the spool.",
            results as u64,
        ),
        Figure::count("spool_bytes", "Size of the spool's files.", bytes),
        Figure::count(
            "spool_oldest_seconds",
            "Age of the oldest result there.",
            age,
        ),
        Figure::count(
            "connected",
            "Whether there is a connection.",
            u64::from(health.is_connected()),
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
            Gauge::Time(late),
        ),
    ];
    figures.extend(health.clock_offset.get().map(|offset| {
        let what = "How far this node's clock is ahead of the broker's, in whole seconds.";
        Figure::gauge("clock_offset_seconds", what, Gauge::Offset(offset))
    }));
    figures
}

/// As Prometheus wants them, in its text format 0.0.4.
pub(crate) fn to_prometheus(figures: &[Figure]) -> String {
    let mut page = String::new();
    for Figure { name, what, values } in figures {
        // A String takes all that is written.
        let written = match values {
            Values::Counter(count) => {
                head(&mut page, &format!("{name}_total"), what, "counter");
                writeln!(page, "venus_{name}_total {count}")
            }
            Values::Classes(classes) => {
                head(&mut page, &format!("{name}_total"), what, "counter");
                classes.iter().try_for_each(|(class, count)| {
                    writeln!(page, "venus_{name}_total{{class=\"{class}\"}} {count}")
                })
            }
            Values::Gauge(gauge) => {
                head(&mut page, name, what, "gauge");
                writeln!(page, "venus_{name} {gauge}")
            }
        };
        written.unwrap_or_default();
    }
    page
}

/// The two lines before a metric's values.
pub(crate) fn head(page: &mut String, name: &str, what: &str, kind: &str) {
    writeln!(
        page,
        "# HELP venus_{name} {what}\n# TYPE venus_{name} {kind}"
    )
    .unwrap_or_default();
}

/// As Graphite wants them, at a time in seconds since the epoch.
pub(crate) fn to_graphite(figures: &[Figure], scheme: &Scheme, time: u64) -> String {
    let mut lines = String::new();
    for Figure { name, values, .. } in figures {
        let written = match values {
            Values::Counter(count) => writeln!(lines, "{scheme}.{name} {count} {time}"),
            Values::Classes(classes) => classes.iter().try_for_each(|(class, count)| {
                writeln!(lines, "{scheme}.{name}.{class} {count} {time}")
            }),
            Values::Gauge(gauge) => writeln!(lines, "{scheme}.{name} {gauge} {time}"),
        };
        written.unwrap_or_default();
    }
    lines
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Time(time) => write!(f, "{}", time.as_secs_f64()),
            Self::Offset(Offset::Behind(seconds @ 1..)) => write!(f, "-{seconds}"),
            Self::Offset(offset) => write!(f, "{}", offset.seconds()),
        }
    }
}
