//! One line about the node, for a person who looks at it.

use venus_event::CheckResult;

const GIB: f64 = 1_073_741_824.0;

/// Reads the node's state from the metric lines that go by.
#[derive(Debug, Default)]
pub(super) struct Summary {
    now: Reading,
    before: Option<Reading>,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Reading {
    lines: usize,
    /// Ticks since boot of all processors, and those spent idle.
    ticks: u64,
    idle: u64,
    load: Option<String>,
    memory_total: Option<f64>,
    memory_available: Option<f64>,
}

impl Summary {
    /// Takes a metric result of this cycle.
    pub(super) fn take(&mut self, result: &CheckResult) {
        for line in result.output().lines() {
            self.now.lines += 1;
            let mut words = line.split(' ');
            if let (Some(path), Some(value)) = (words.next(), words.next()) {
                self.now.take(path, value);
            }
        }
    }

    /// The line of the cycle that ends here; the next cycle begins.
    pub(super) fn finish(&mut self) -> String {
        let now = std::mem::take(&mut self.now);
        let mut facts = Vec::new();
        if let Some(busy) = self.before.as_ref().and_then(|before| now.busy(before)) {
            facts.push(format!("cpu {busy} %"));
        }
        if let Some(load) = &now.load {
            facts.push(format!("load {load}"));
        }
        if let (Some(total), Some(available)) = (now.memory_total, now.memory_available) {
            let (used, total) = ((total - available) / GIB, total / GIB);
            facts.push(format!("memory {used:.1} of {total:.1} GiB"));
        }
        facts.push(format!("{} metrics", now.lines));
        self.before = Some(now);
        facts.join("  ")
    }
}

impl Reading {
    fn take(&mut self, path: &str, value: &str) {
        if let Some((_, mode)) = path.rsplit_once(".cpu.total.") {
            let ticks = value.parse().unwrap_or(0);
            // The kernel counts the time of guests in user and nice, too.
            if !mode.starts_with("guest") {
                self.ticks += ticks;
            }
            if mode == "idle" || mode == "iowait" {
                self.idle += ticks;
            }
        } else if path.ends_with(".load_avg.one") {
            self.load = Some(value.to_owned());
        } else if path.ends_with(".memory.total") {
            self.memory_total = value.parse().ok();
        } else if path.ends_with(".memory.available") {
            self.memory_available = value.parse().ok();
        }
    }

    /// Percent of the time since `before` in which processors were busy.
    fn busy(&self, before: &Self) -> Option<u64> {
        let ticks = self.ticks.checked_sub(before.ticks)?;
        let idle = self.idle.checked_sub(before.idle)?;
        (ticks.checked_sub(idle)? * 100).checked_div(ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(output: &str) -> CheckResult {
        let check = json!({ "name": "m", "output": output });
        CheckResult {
            client: String::new(),
            check: check.as_object().unwrap().clone(),
            signature: None,
        }
    }

    #[test]
    fn a_cycle_is_told_in_one_line() {
        let mut summary = Summary::default();
        summary.take(&result("v.cpu.total.user 10 1\nv.cpu.total.idle 90 1\n"));
        assert_eq!(summary.finish(), "2 metrics");
        summary.take(&result("v.cpu.total.user 40 2\nv.cpu.total.idle 160 2\n"));
        summary.take(&result("v.load_avg.one 0.39 2\n"));
        summary.take(&result(
            "v.memory.total 4294967296 2\nv.memory.available 1073741824 2\n",
        ));
        assert_eq!(
            summary.finish(),
            "cpu 30 %  load 0.39  memory 3.0 of 4.0 GiB  5 metrics"
        );
    }
}
