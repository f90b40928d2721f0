//! What collectors measure in the terms of Prometheus: one family for all that is alike, with
//! labels, in base units (seconds, bytes), counters named `_total`.
//!
//! Made of the Graphite lines, when somebody asks, so that the collectors need not know. A path for
//! which there is no rule is left out: what Graphite gets, it has under other names.
//! The conventions: <https://prometheus.io/docs/practices/naming/>.

use std::collections::{BTreeMap, HashSet};

use crate::spec::Spec;

/// What each name begins with.
const PREFIX: &str = "venus_";
/// Seconds of a clock tick in `/proc/stat` and elsewhere: `USER_HZ` is 100 wherever Linux runs now.
const TICK: f64 = 0.01;
const MICROSECOND: f64 = 1e-6;
const MILLISECOND: f64 = 1e-3;
/// Bytes per second of a megabit per second, and of a gigabit.
const MEGABIT: f64 = 125e3;
const GIGABIT: f64 = 125e6;
const PERCENT: f64 = 0.01;
/// Octets of what InfiniBand counts as one.
const LANES: f64 = 4.0;
/// Bytes of a sector in `/proc/diskstats`, whatever the device's are.
const SECTOR: f64 = 512.0;

/// Families of samples, by name.
#[derive(Debug, Default)]
pub struct Families {
    by_name: BTreeMap<String, Family>,
    /// Samples that are there, as Prometheus takes each only once.
    there: HashSet<String>,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    samples: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// Which lines make which samples.
struct Rule {
    collector: &'static str,
    /// Nodes of the path behind the scheme. `{label}` is any, `{label*}` one or more.
    path: &'static str,
    /// The name behind the prefix, or nothing for lines that others add up to.
    name: &'static str,
    kind: Kind,
    /// Of the base unit.
    factor: f64,
    help: &'static str,
}

const fn counter(
    collector: &'static str,
    path: &'static str,
    name: &'static str,
    factor: f64,
    help: &'static str,
) -> Rule {
    Rule {
        collector,
        path,
        name,
        kind: Kind::Counter,
        factor,
        help,
    }
}

const fn gauge(
    collector: &'static str,
    path: &'static str,
    name: &'static str,
    factor: f64,
    help: &'static str,
) -> Rule {
    Rule {
        kind: Kind::Gauge,
        ..counter(collector, path, name, factor, help)
    }
}

const CPU: &str = "metrics-cpu";
const LOAD: &str = "metrics-load";
const MEMORY: &str = "metrics-memory";
const NET: &str = "metrics-net";
const DISK: &str = "metrics-disk";
const CGROUP: &str = "metrics-cgroup";
const INFINIBAND: &str = "metrics-infiniband";
const DISK_USAGE: &str = "metrics-disk-usage";
const PROCESS: &str = "metrics-process";

/// The first that fits counts.
#[rustfmt::skip]
static RULES: &[Rule] = &[
    counter(CPU, "total.{mode}", "", TICK, ""),
    counter(CPU, "{cpu}.{mode}", "cpu_seconds_total", TICK, "Time of each processor; that of guests is in user and nice as well."),
    counter(CPU, "intr", "interrupts_total", 1.0, "Interrupts since boot."),
    counter(CPU, "ctxt", "context_switches_total", 1.0, "Context switches since boot."),
    gauge(CPU, "btime", "boot_time_seconds", 1.0, "When this host was booted, since the epoch."),
    counter(CPU, "processes", "forks_total", 1.0, "Processes and threads made since boot."),
    gauge(CPU, "procs_running", "processes_running", 1.0, "Processes that run or could."),
    gauge(CPU, "procs_blocked", "processes_blocked", 1.0, "Processes that wait for I/O."),
    gauge(CPU, "cpu_count", "cpus", 1.0, "Processors."),
    gauge(LOAD, "load_avg.one", "load1", 1.0, "Load average of a minute."),
    gauge(LOAD, "load_avg.five", "load5", 1.0, "Load average of 5 minutes."),
    gauge(LOAD, "load_avg.fifteen", "load15", 1.0, "Load average of 15 minutes."),
    gauge(MEMORY, "total", "memory_total_bytes", 1.0, "Memory of this host."),
    gauge(MEMORY, "free", "memory_free_bytes", 1.0, "Memory that nothing uses."),
    gauge(MEMORY, "available", "memory_available_bytes", 1.0, "Memory that programs could get."),
    gauge(MEMORY, "buffers", "memory_buffers_bytes", 1.0, "Buffers of block devices."),
    gauge(MEMORY, "cached", "memory_cached_bytes", 1.0, "Page cache."),
    gauge(MEMORY, "dirty", "memory_dirty_bytes", 1.0, "What is to be written to a disk."),
    gauge(MEMORY, "used", "memory_used_bytes", 1.0, "Total less free."),
    gauge(MEMORY, "swapTotal", "memory_swap_total_bytes", 1.0, "Swap space."),
    gauge(MEMORY, "swapFree", "memory_swap_free_bytes", 1.0, "Swap space that nothing uses."),
    gauge(MEMORY, "swapUsed", "memory_swap_used_bytes", 1.0, "Swap space in use."),
    counter(NET, "{interface*}.rx_bytes", "network_receive_bytes_total", 1.0, "Received."),
    counter(NET, "{interface*}.tx_bytes", "network_transmit_bytes_total", 1.0, "Sent."),
    counter(NET, "{interface*}.rx_packets", "network_receive_packets_total", 1.0, "Packets received."),
    counter(NET, "{interface*}.tx_packets", "network_transmit_packets_total", 1.0, "Packets sent."),
    counter(NET, "{interface*}.rx_errors", "network_receive_errors_total", 1.0, "Packets received with an error."),
    counter(NET, "{interface*}.tx_errors", "network_transmit_errors_total", 1.0, "Packets that could not be sent."),
    gauge(NET, "{interface*}.if_speed", "network_speed_bytes_per_second", MEGABIT, "What the link can carry."),
    counter(DISK, "{device*}.reads", "disk_reads_completed_total", 1.0, "Reads completed."),
    counter(DISK, "{device*}.writes", "disk_writes_completed_total", 1.0, "Writes completed."),
    counter(DISK, "{device*}.sectorsRead", "disk_read_bytes_total", SECTOR, "Read."),
    counter(DISK, "{device*}.sectorsWritten", "disk_written_bytes_total", SECTOR, "Written."),
    counter(DISK, "{device*}.readTime", "disk_read_time_seconds_total", MILLISECOND, "What reads took, all added up."),
    counter(DISK, "{device*}.writeTime", "disk_write_time_seconds_total", MILLISECOND, "What writes took, all added up."),
    counter(DISK, "{device*}.ioTime", "disk_io_time_seconds_total", MILLISECOND, "Time in which there was a request."),
    gauge(DISK_USAGE, "{mount*}.used_percentage", "filesystem_used_ratio", PERCENT, "Used, of what everybody may use; 0 to 1."),
    gauge(DISK_USAGE, "{mount*}.iused_percentage", "filesystem_inodes_used_ratio", PERCENT, "Inodes used; 0 to 1."),
    counter(PROCESS, "{process}.cpu.ticks", "process_cpu_seconds_total", TICK, "Processor time of chosen processes."),
    gauge(PROCESS, "{process}.memory.rss", "process_resident_memory_bytes", 1.0, "Memory in use by chosen processes."),
    gauge(PROCESS, "{process}.fds", "process_open_fds", 1.0, "Open files of chosen processes."),
    counter(CGROUP, "{kind}.{name}.cpu.usage_usec", "cgroup_cpu_seconds_total", MICROSECOND, "Processor time of each container and job."),
    counter(CGROUP, "{kind}.{name}.cpu.throttled_usec", "cgroup_cpu_throttled_seconds_total", MICROSECOND, "Time waited as the limit was reached."),
    gauge(CGROUP, "{kind}.{name}.memory.current", "cgroup_memory_bytes", 1.0, "Memory in use, page cache included."),
    gauge(CGROUP, "{kind}.{name}.memory.max", "cgroup_memory_limit_bytes", 1.0, "Memory that may be used."),
    counter(CGROUP, "{kind}.{name}.memory.oom_kill", "cgroup_memory_oom_kills_total", 1.0, "Processes killed as the limit was reached."),
    counter(CGROUP, "{kind}.{name}.io.rbytes", "cgroup_read_bytes_total", 1.0, "Read from block devices."),
    counter(CGROUP, "{kind}.{name}.io.wbytes", "cgroup_written_bytes_total", 1.0, "Written to block devices."),
    gauge(CGROUP, "{kind}.{name}.pids.current", "cgroup_tasks", 1.0, "Tasks."),
    counter(INFINIBAND, "PortXmitData", "infiniband_transmit_bytes_total", LANES, "Sent."),
    counter(INFINIBAND, "PortRcvData", "infiniband_receive_bytes_total", LANES, "Received."),
    counter(INFINIBAND, "PortXmitPkts", "infiniband_transmit_packets_total", 1.0, "Packets sent."),
    counter(INFINIBAND, "PortRcvPkts", "infiniband_receive_packets_total", 1.0, "Packets received."),
    gauge(INFINIBAND, "state", "infiniband_state", 1.0, "1 down, 2 initialize, 3 armed, 4 active."),
    gauge(INFINIBAND, "phys_state", "infiniband_physical_state", 1.0, "1 sleep, 2 polling, 3 disabled, 4 training, 5 link up, 6 error recovery, 7 test."),
    gauge(INFINIBAND, "lid", "infiniband_lid", 1.0, "Local identifier of the port, 0 for none."),
    gauge(INFINIBAND, "sm_lid", "infiniband_subnet_manager_lid", 1.0, "That of its subnet manager."),
    gauge(INFINIBAND, "link_layer", "infiniband_link_layer", 1.0, "1 InfiniBand, 2 Ethernet."),
    gauge(INFINIBAND, "width", "infiniband_lanes", 1.0, "Lanes of the link."),
    gauge(INFINIBAND, "speed", "infiniband_lane_bytes_per_second", GIGABIT, "What a lane carries, coding included."),
    gauge(INFINIBAND, "rate", "infiniband_bytes_per_second", GIGABIT, "What all lanes carry, coding included."),
    counter(INFINIBAND, "{counter}", "infiniband_port_events_total", 1.0, "Counters of IBTA and of the driver, by their name there; errors among them."),
];

impl Families {
    /// Adds a collector's Graphite lines, whose paths begin with `scheme`. Of what two checks
    /// measure the first stays.
    pub fn add(&mut self, spec: &Spec, scheme: &str, lines: &str) {
        for line in lines.lines() {
            let mut words = line.split(' ');
            let (Some(path), Some(value)) = (words.next(), words.next()) else {
                continue;
            };
            let path = path.strip_prefix(scheme);
            let path = path.and_then(|path| path.strip_prefix('.'));
            let (Some(path), Ok(value)) = (path, value.parse::<f64>()) else {
                continue;
            };
            self.add_sample(spec.name, path, value);
        }
    }

    fn add_sample(&mut self, collector: &str, path: &str, value: f64) {
        let mut labels = Vec::new();
        let rest = if collector == INFINIBAND {
            let Some(rest) = port(path, &mut labels) else {
                return;
            };
            rest
        } else {
            path
        };
        let fits = |rule: &&Rule| rule.collector == collector && is_like(rule.path, rest);
        let Some(rule) = RULES.iter().find(fits) else {
            return;
        };
        // The speed of what has none is told as -1.
        let is_told = rule.kind == Kind::Counter || value >= 0.0;
        if rule.name.is_empty() || !is_told {
            return;
        }
        labels.extend(captured(rule.path, rest));
        let mut sample = format!("{PREFIX}{}", rule.name);
        let family = self
            .by_name
            .entry(sample.clone())
            .or_insert_with(|| Family {
                kind: rule.kind,
                help: rule.help,
                samples: String::new(),
            });
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            sample.push_str(&format!("{before}{label}=\"{}\"", escaped(value)));
        }
        if !labels.is_empty() {
            sample.push('}');
        }
        let value = value * rule.factor;
        if !self.there.contains(&sample) {
            family.samples.push_str(&format!("{sample} {value}\n"));
            self.there.insert(sample);
        }
    }

    /// In the text format 0.0.4, in the order of the names.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.by_name {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let Family { help, samples, .. } = family;
            text.push_str(&format!(
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}"
            ));
        }
        text
    }
}

/// `[DEVICE.]portN.[remote.]NAME`: gives the name, and notes the port.
fn port<'a>(path: &'a str, labels: &mut Vec<(&'static str, &'a str)>) -> Option<&'a str> {
    let (mut place, name) = path.rsplit_once('.')?;
    let near = place.strip_suffix(".remote");
    let end = if near.is_some() { "remote" } else { "local" };
    place = near.unwrap_or(place);
    let (device, port) = place.rsplit_once('.').unwrap_or(("", place));
    if !device.is_empty() {
        labels.push(("device", device));
    }
    labels.push(("port", port.strip_prefix("port")?));
    labels.push(("end", end));
    Some(name)
}

fn is_like(pattern: &str, path: &str) -> bool {
    let (wanted, there) = (nodes(pattern), nodes(path));
    let fits = if pattern.contains("*}") {
        there >= wanted
    } else {
        there == wanted
    };
    let is_it = |(node, found): (&str, &str)| node.starts_with('{') || node == found;
    fits && aligned(pattern, path).all(is_it)
}

fn nodes(path: &str) -> usize {
    path.split('.').count()
}

/// Each node of a pattern with what stands for it in the path.
fn aligned<'p, 'a>(pattern: &'p str, path: &'a str) -> impl Iterator<Item = (&'p str, &'a str)> {
    let more = (nodes(path) + 1).saturating_sub(nodes(pattern));
    let mut rest = path;
    pattern.split('.').map(move |node| {
        let nodes = if node.ends_with("*}") { more } else { 1 };
        let dots = rest.match_indices('.').map(|(at, _)| at);
        let end = dots.chain([rest.len()]).nth(nodes.saturating_sub(1));
        let (found, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.strip_prefix('.').unwrap_or(after);
        (node, found)
    })
}

fn captured<'a>(pattern: &'static str, path: &'a str) -> Vec<(&'static str, &'a str)> {
    let nodes = aligned(pattern, path);
    let labels = nodes.filter_map(|(node, found)| {
        let label = node.strip_prefix('{')?.strip_suffix('}')?;
        Some((label.trim_end_matches('*'), found))
    });
    labels.collect()
}

/// The value of a label, as it stands between the quotes.
#[must_use]
pub fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn families(collector: &str, lines: &str) -> String {
        let mut families = Families::default();
        families.add(registry::find(collector).unwrap(), "n.x", lines);
        let text = families.to_text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn lines_become_samples_in_base_units() {
        let lines = "n.x.total.user 5 1\nn.x.cpu0.user 150 1\nn.x.ctxt 7 1\nother.cpu0.user 1 1\n";
        assert_eq!(
            families("metrics-cpu", lines),
            "venus_context_switches_total 7\n\
             venus_cpu_seconds_total{cpu=\"cpu0\",mode=\"user\"} 1.5"
        );
        let lines = "n.x.eth0.100.rx_bytes 5 1\nn.x.eth1.if_speed -1 1\nn.x.eth2.if_speed 1000 1\n\
                     n.x.rx_bytes 5 1\nn.x.eth0.colour 1 1\nn.x.eth0.rx_bytes x 1\n";
        assert_eq!(
            families("metrics-net", lines),
            "venus_network_receive_bytes_total{interface=\"eth0.100\"} 5\n\
             venus_network_speed_bytes_per_second{interface=\"eth2\"} 125000000"
        );
        let lines = "n.x.root.var.lib.used_percentage 25 1\nn.x.root.used 7 1\n";
        assert_eq!(
            families("metrics-disk-usage", lines),
            "venus_filesystem_used_ratio{mount=\"root.var.lib\"} 0.25"
        );
        let lines = "n.x.venus-agent.cpu.ticks 150 1\nn.x.process_count 7 1\n";
        assert_eq!(
            families("metrics-process", lines),
            "venus_process_cpu_seconds_total{process=\"venus-agent\"} 1.5"
        );
        let lines = "n.x.port1.PortXmitData 3 1\nn.x.mlx4_0.port2.remote.SymbolErrorCounter 9 1\n\
                     n.x.port1.rate 40 1\nn.x.nonsense 1 1\n";
        assert_eq!(
            families("metrics-infiniband", lines),
            "venus_infiniband_bytes_per_second{port=\"1\",end=\"local\"} 5000000000\n\
             venus_infiniband_port_events_total{device=\"mlx4_0\",port=\"2\",end=\"remote\",counter=\"SymbolErrorCounter\"} 9\n\
             venus_infiniband_transmit_bytes_total{port=\"1\",end=\"local\"} 12"
        );
    }

    /// Two checks may have the same collector.
    #[test]
    fn a_family_is_explained_once_and_a_sample_is_there_once() {
        let mut families = Families::default();
        let spec = registry::find("metrics-load").unwrap();
        for host in ["a", "b"] {
            families.add(spec, host, &format!("{host}.load_avg.one 0.5 1\n"));
        }
        assert_eq!(
            families.to_text(),
            "# HELP venus_load1 Load average of a minute.\n# TYPE venus_load1 gauge\n\
             venus_load1 0.5\n"
        );
    }

    /// So that no rule is for a collector that there is not, and counters are named as such.
    #[test]
    fn rules_keep_the_conventions() {
        for rule in RULES {
            assert!(registry::find(rule.collector).is_some(), "{}", rule.path);
            if rule.name.is_empty() {
                continue;
            }
            let is_total = rule.name.ends_with("_total");
            assert_eq!(is_total, rule.kind == Kind::Counter, "{}", rule.name);
            assert!(rule.help.ends_with('.'), "{}", rule.name);
        }
    }
}
