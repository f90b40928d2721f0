//! What the agent counts of itself, and how its checks are, in the text format of Prometheus.

use crate::board::Board;
use crate::figures;
use crate::health::Health;
use crate::outbox::Outbox;
use std::fmt::Write;
use venus_collectors::prometheus::escaped;

/// All of it.
pub(super) fn text(outbox: &Outbox, health: &Health, board: &Board) -> String {
    let mut page = figures::to_prometheus(&figures::all(outbox, health));
    let what = "How long checks of this node took.";
    let (runs, seconds) = board.runs();
    figures::head(&mut page, "check_duration_seconds", what, "summary");
    // A String takes all that is written.
    writeln!(
        page,
        "venus_check_duration_seconds_sum {seconds}\nvenus_check_duration_seconds_count {runs}"
    )
    .unwrap_or_default();
    let checks = board.checks();
    if !checks.is_empty() {
        let what = "Status of each check: 0 ok, 1 warning, 2 critical, others unknown.";
        figures::head(&mut page, "check_status", what, "gauge");
    }
    for (name, said) in checks.iter() {
        let (name, status) = (escaped(name), said.status);
        writeln!(page, "venus_check_status{{check=\"{name}\"}} {status}").unwrap_or_default();
    }
    page
}
