//! What the agent counts of itself, and how its checks are, in the text format of Prometheus.

use crate::board::Board;
use crate::figures::{self, head};
use crate::health::Health;
use crate::outbox::Outbox;
use venus_collectors::prometheus::escaped;

/// All of it.
pub(super) fn text(outbox: &Outbox, health: &Health, board: &Board) -> String {
    let mut page = figures::to_prometheus(&figures::all(outbox, health));
    let what = "How long checks of this node took.";
    let (runs, seconds) = board.runs();
    page.push_str(&head("check_duration_seconds", what, "summary"));
    page.push_str(&format!(
        "venus_check_duration_seconds_sum {seconds}\nvenus_check_duration_seconds_count {runs}\n"
    ));
    let checks = board.checks();
    if !checks.is_empty() {
        let what = "Status of each check: 0 ok, 1 warning, 2 critical, others unknown.";
        page.push_str(&head("check_status", what, "gauge"));
    }
    for (name, said) in checks.iter() {
        let (name, status) = (escaped(name), said.status);
        page.push_str(&format!(
            "venus_check_status{{check=\"{name}\"}} {status}\n"
        ));
    }
    page
}
