//! Figures of the agent, and how its checks are, in the text format of Prometheus, version 0.0.4.

use crate::board::Board;
use crate::clock::{self, Offset};
use crate::duties::Punctuality;
use crate::health::Health;
use crate::outbox::{Counters, Dropped, OnDisk, Outbox};
use std::fmt::Write;
use venus_collectors::prometheus::escaped;

/// All figures.
pub(super) fn text(outbox: &Outbox, health: &Health, board: &Board) -> String {
    let Counters {
        taken,
        delivered,
        returned,
        spooled,
        dropped,
    } = outbox.counters();
    let Dropped {
        metrics,
        ok,
        states,
    } = dropped;
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
    let mut page = Page::default();
    page.counter("results_taken", "Results that came in.", taken);
    page.counter(
        "results_delivered",
        "Results that the broker has confirmed.",
        delivered,
    );
    let what = "Results that came back, as no server had a queue for them.";
    page.counter("results_returned", what, returned);
    page.counter(
        "results_spooled",
        "Results that were written to the spool.",
        spooled,
    );
    page.head(
        "results_dropped_total",
        "Results that were given up.",
        "counter",
    );
    for (class, count) in [("metric", metrics), ("ok", ok), ("state", states)] {
        page.value(
            &format!("results_dropped_total{{class=\"{class}\"}}"),
            count,
        );
    }
    page.gauge(
        "results_in_memory",
        "Results that wait in memory.",
        outbox.len(),
    );
    page.gauge("spool_results", "Results that wait in the spool.", results);
    page.gauge("spool_bytes", "Size of the spool's files.", bytes);
    page.gauge(
        "spool_oldest_seconds",
        "Age of the oldest result there.",
        age,
    );
    let connected = u8::from(health.is_connected());
    page.gauge("connected", "Whether there is a connection.", connected);
    page.counter(
        "connections",
        "Connections that were made.",
        health.connections(),
    );
    page.counter(
        "checks_started",
        "Standalone checks that were started.",
        started,
    );
    page.counter(
        "checks_missed",
        "Runs that were left out, as their time was over.",
        missed,
    );
    let what = "How much later than planned the last checks were started.";
    page.gauge("checks_late_seconds", what, late.as_secs_f64());
    if let Some(offset) = health.clock_offset.get() {
        let sign = if matches!(offset, Offset::Behind(1..)) {
            "-"
        } else {
            ""
        };
        let what = "How far this node's clock is ahead of the broker's, in whole seconds.";
        let seconds = format!("{sign}{}", offset.seconds());
        page.gauge("clock_offset_seconds", what, seconds);
    }
    checks(&mut page, board);
    page.text
}

/// What is remembered of checks.
fn checks(page: &mut Page, board: &Board) {
    let what = "How long checks of this node took.";
    let (runs, seconds) = board.runs();
    page.head("check_duration_seconds", what, "summary");
    page.value("check_duration_seconds_sum", seconds);
    page.value("check_duration_seconds_count", runs);
    let checks = board.checks();
    if !checks.is_empty() {
        let what = "Status of each check: 0 ok, 1 warning, 2 critical, others unknown.";
        page.head("check_status", what, "gauge");
    }
    for (name, said) in checks.iter() {
        let name = escaped(name);
        page.value(&format!("check_status{{check=\"{name}\"}}"), said.status);
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn counter(&mut self, name: &str, what: &str, value: u64) {
        let name = format!("{name}_total");
        self.head(&name, what, "counter");
        self.value(&name, value);
    }

    fn gauge(&mut self, name: &str, what: &str, value: impl std::fmt::Display) {
        self.head(name, what, "gauge");
        self.value(name, value);
    }

    fn head(&mut self, name: &str, what: &str, kind: &str) {
        // A String takes all that is written.
        writeln!(
            self.text,
            "# HELP venus_{name} {what}\n# TYPE venus_{name} {kind}"
        )
        .unwrap_or_default();
    }

    fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.text, "venus_{name} {value}").unwrap_or_default();
    }
}
