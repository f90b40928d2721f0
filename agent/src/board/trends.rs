//! How this node was in the last hour: a few figures, for people.

use serde::Serialize;
use std::collections::VecDeque;
use venus_collectors::Spec;

/// An hour of points that are 10 s apart.
const POINTS: usize = 360;

/// A figure over time.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Trend {
    /// Its last values, the newest last, each with its time in seconds since the epoch.
    pub(crate) points: VecDeque<(u64, f32)>,
    /// A counter's last value, and when it had it.
    #[serde(skip)]
    before: Option<(u64, f64)>,
}

/// All of them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Trends {
    /// Percent of all processors that are not idle.
    pub(crate) cpu: Trend,
    /// Load average of a minute.
    pub(crate) load: Trend,
    /// Percent of the memory that programs cannot get.
    pub(crate) memory: Trend,
    /// Bytes a second of all interfaces, both ways.
    pub(crate) network: Trend,
    /// The same of all InfiniBand ports.
    pub(crate) infiniband: Trend,
    #[serde(skip)]
    idle: Option<f64>,
}

impl Trends {
    /// In the order of [`crate::human::TRENDS`].
    pub(crate) fn all(&self) -> [&Trend; 5] {
        [
            &self.cpu,
            &self.load,
            &self.memory,
            &self.network,
            &self.infiniband,
        ]
    }

    /// Takes note of what a collector measured. By the ends of the paths, whatever their schemes are.
    pub(super) fn note(&mut self, spec: &Spec, lines: &str, now: u64) {
        let sum = |is_wanted: &dyn Fn(&str, &str) -> bool| {
            let values = lines.lines().filter_map(|line| {
                let (path, rest) = line.split_once(' ')?;
                let (place, name) = path.rsplit_once('.')?;
                is_wanted(place, name).then(|| rest.split(' ').next()?.parse::<f64>().ok())?
            });
            let mut values = values.peekable();
            values.peek().is_some().then(|| values.sum::<f64>())
        };
        match spec.name {
            "metrics-cpu" => self.cpu(now, lines),
            "metrics-load" => {
                if let Some(one) = sum(&|_, name| name == "one") {
                    self.load.push(now, one);
                }
            }
            "metrics-memory" => {
                let total = sum(&|_, name| name == "total");
                let available = sum(&|_, name| name == "available");
                if let (Some(total), Some(available)) = (total, available) {
                    self.memory.push(now, 100.0 * (1.0 - available / total));
                }
            }
            "metrics-net" => {
                let bytes = sum(&|_, name| matches!(name, "rx_bytes" | "tx_bytes"));
                if let Some(bytes) = bytes {
                    self.network.count(now, bytes);
                }
            }
            "metrics-infiniband" => {
                let units = sum(&|place, name| {
                    matches!(name, "PortXmitData" | "PortRcvData") && !place.ends_with(".remote")
                });
                if let Some(units) = units {
                    self.infiniband.count(now, 4.0 * units);
                }
            }
            _ => {}
        }
    }

    /// The sum of all processors comes first; the lines of each are not looked at.
    fn cpu(&mut self, now: u64, lines: &str) {
        let (mut all, mut idle) = (0.0, 0.0);
        for line in lines.lines() {
            let mut words = line.split(' ');
            let mut nodes = words.next().unwrap_or_default().rsplit('.');
            let (mode, of) = (nodes.next(), nodes.next());
            let value = words.next().and_then(|value| value.parse::<f64>().ok());
            let (Some(mode), Some("total"), Some(value)) = (mode, of, value) else {
                break;
            };
            // Time of guests is in user and nice as well.
            if !mode.starts_with("guest") {
                all += value;
            }
            if matches!(mode, "idle" | "iowait") {
                idle += value;
            }
        }
        let idle_before = self.idle.replace(idle);
        let before = self.cpu.before.replace((now, all));
        if let (Some((_, all_before)), Some(idle_before)) = (before, idle_before)
            && all > all_before
        {
            let idle = (idle - idle_before) / (all - all_before);
            self.cpu.push(now, 100.0 * (1.0 - idle.clamp(0.0, 1.0)));
        }
    }
}

impl Trend {
    fn push(&mut self, now: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        if self.points.len() == POINTS {
            self.points.pop_front();
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is looked at")]
        self.points.push_back((now, value as f32));
    }

    /// A counter; the first value, and one after it has been reset, only begin.
    fn count(&mut self, now: u64, value: f64) {
        let Some((then, before)) = self.before.replace((now, value)) else {
            return;
        };
        if now > then && value >= before {
            #[expect(clippy::cast_precision_loss, reason = "a number of seconds")]
            self.push(now, (value - before) / (now - then) as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venus_collectors::registry;

    fn note(trends: &mut Trends, collector: &str, now: u64, lines: &str) {
        let spec = registry::find(collector).unwrap();
        trends.note(spec, lines, now);
    }

    #[test]
    fn counters_become_rates_and_a_reset_makes_no_peak() {
        let mut trends = Trends::default();
        for (now, bytes) in [(10, 1000), (20, 3000), (30, 500), (40, 600), (40, 900)] {
            let lines = format!("n.x.a.rx_bytes {bytes} {now}\nn.x.b.tx_bytes 0 {now}\n");
            note(&mut trends, "metrics-net", now, &lines);
        }
        assert_eq!(trends.network.points, [(20, 200.0), (40, 10.0)]);
        for (now, data) in [(10, 0), (20, 100)] {
            let lines =
                format!("n.x.port1.PortXmitData {data} 1\nn.x.port1.remote.PortRcvData 9 1\n");
            note(&mut trends, "metrics-infiniband", now, &lines);
        }
        assert_eq!(trends.infiniband.points, [(20, 40.0)]);
    }

    #[test]
    fn processors_and_memory_are_told_in_percent() {
        let mut trends = Trends::default();
        for (now, user, idle) in [(10, 100, 100), (20, 175, 125)] {
            let lines =
                format!("n.x.total.user {user} 1\nn.x.total.idle {idle} 1\nn.x.cpu0.user 9 1\n");
            note(&mut trends, "metrics-cpu", now, &lines);
        }
        assert_eq!(trends.cpu.points, [(20, 75.0)]);
        note(
            &mut trends,
            "metrics-memory",
            10,
            "n.x.total 200 1\nn.x.available 50 1\n",
        );
        assert_eq!(trends.memory.points, [(10, 75.0)]);
        note(
            &mut trends,
            "metrics-memory",
            20,
            "n.x.total 0 1\nn.x.available 0 1\n",
        );
        assert_eq!(trends.memory.points.len(), 1, "no number is no point");
    }

    #[test]
    fn an_hour_is_kept() {
        let mut trends = Trends::default();
        for now in 0..1000 {
            note(
                &mut trends,
                "metrics-load",
                now * 10,
                "n.x.load_avg.one 0.5 1\n",
            );
        }
        assert_eq!(trends.load.points.len(), POINTS);
        assert_eq!(trends.load.points.back(), Some(&(9990, 0.5)));
    }
}
