//! The fixture trees, and running a collector on one.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own, and uses some of it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use venus_collectors::graphite::Scheme;
use venus_collectors::source::docker::Host;
use venus_collectors::{CollectError, Collector, Given, Presence, Roots, Setup, registry};

pub const NOW: u64 = 1_453_048_230;

/// Where an expected output lies, and how it came about.
pub struct Case {
    pub collector: &'static str,
    pub options: &'static [(&'static str, &'static str)],
    /// Below tests/fixtures: has `proc`, `sys`, `expected`.
    pub tree: &'static str,
    pub expected: &'static str,
    pub scheme: &'static str,
    /// The files that it reads, by a part of their path.
    pub reads: &'static [&'static str],
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

impl Case {
    pub fn folder(&self) -> PathBuf {
        fixtures().join(self.tree)
    }

    pub fn expected_text(&self) -> String {
        let path = self.folder().join("expected").join(self.expected);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let (_command, lines) = text.split_once('\n').unwrap();
        lines.replace("@TS@", &NOW.to_string())
    }

    /// What a collector wrote, in the form of what is expected: where that says `@LIVE@`, the
    /// values are this machine's, and only which there are is the fixture's.
    pub fn shown(&self, text: &str) -> String {
        if !self.expected_text().contains(" @LIVE@ ") {
            return text.to_owned();
        }
        let live = |line: &str| {
            let mut fields: Vec<&str> = line.split(' ').collect();
            assert!(fields[1].parse::<u64>().is_ok(), "{line}");
            fields[1] = "@LIVE@";
            fields.join(" ") + "\n"
        };
        text.lines().map(live).collect()
    }

    pub fn does_read(&self, file: &Path) -> bool {
        let file = file.to_str().unwrap();
        self.reads.iter().any(|part| file.contains(part)) && !file.ends_with("/lifespan")
    }

    /// The collector on a copy of the tree, which the test may change. The copy has two
    /// processors, as the host had on which the expected output was taken.
    pub fn on_a_copy(&self) -> (TempDir, Box<dyn Collector>) {
        let copy = tempfile::tempdir().unwrap();
        for root in ["proc", "sys"] {
            let from = self.folder().join(root);
            if from.exists() {
                copy_folder(&from, &copy.path().join(root));
            }
        }
        let cpus = copy.path().join("sys/devices/system/cpu");
        fs::create_dir_all(&cpus).unwrap();
        fs::write(cpus.join("online"), "0-1\n").unwrap();
        let collector = build(self.collector, copy.path(), self.scheme, self.options);
        (copy, collector)
    }
}

pub fn build(
    name: &str,
    tree: &Path,
    scheme: &str,
    options: &[(&str, &str)],
) -> Box<dyn Collector> {
    let spec = registry::find(name).unwrap();
    let mut given = Given::of(spec.options);
    for (name, value) in options {
        given.set(name, value).unwrap();
    }
    let roots = Roots {
        proc: tree.join("proc"),
        sys: tree.join("sys"),
        dev: tree.join("dev"),
    };
    let scheme = Scheme::new(scheme).unwrap();
    (spec.build)(&Setup {
        roots: &roots,
        scheme: &scheme,
        docker: &Host::default(),
        given: &given,
    })
    .unwrap()
}

/// What a collector wrote, and what it complained of.
#[derive(Debug)]
pub struct Collected {
    pub presence: Result<Presence, CollectError>,
    pub text: String,
    pub problems: Vec<String>,
}

pub fn collect_at(collector: &mut dyn Collector, now: u64) -> Collected {
    let (mut out, mut problems) = (b"before\n".to_vec(), Vec::new());
    let presence = collector.collect(now, &mut out, &mut problems);
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before\n").unwrap().to_owned();
    if !matches!(presence, Ok(Presence::Here)) {
        assert_eq!(text, "", "what was appended is taken back");
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.iter().all(|problem| !problem.contains('\n')));
    Collected {
        presence,
        text,
        problems,
    }
}

pub fn collect(collector: &mut dyn Collector) -> Collected {
    collect_at(collector, NOW)
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

macro_rules! cases {
    ($($collector:literal $options:expr, $tree:literal, $expected:literal, $scheme:literal, $reads:expr;)*) => {
        pub static CASES: &[Case] = &[$(Case {
            collector: $collector,
            options: &$options,
            tree: $tree,
            expected: $expected,
            scheme: $scheme,
            reads: &$reads,
        }),*];
    };
}

cases! {
    "metrics-cpu" [], "plugins/venus001", "metrics-cpu.txt", "venus001.cpu", ["/proc/stat"];
    "metrics-cpu" [], "plugins/vm", "metrics-cpu.txt", "venus001.cpu", ["/proc/stat"];
    "metrics-load" [], "plugins/venus001", "metrics-load.txt", "venus001", ["/proc/loadavg"];
    "metrics-load" [], "plugins/vm", "metrics-load.txt", "venus001", ["/proc/loadavg"];
    "metrics-load" [("per-core", "true")], "plugins/venus001", "metrics-load-per-core.txt", "venus001", ["/proc/loadavg", "/cpu/online"];
    "metrics-load" [("per-core", "true")], "plugins/vm", "metrics-load-per-core.txt", "venus001", ["/proc/loadavg", "/cpu/online"];
    "metrics-memory" [], "plugins/venus001", "metrics-memory.txt", "venus001.memory", ["/proc/meminfo"];
    "metrics-memory" [], "plugins/vm", "metrics-memory.txt", "venus001.memory", ["/proc/meminfo"];
    "metrics-net" [], "plugins/venus001", "metrics-net.txt", "venus001.net", ["/proc/net/dev", "/speed"];
    "metrics-net" [], "plugins/vm", "metrics-net.txt", "venus001.net", ["/proc/net/dev", "/speed"];
    "metrics-infiniband" [], "infiniband", "metrics-infiniband.txt", "venus001.infiniband", ["/ports/"];
    "metrics-infiniband" [], "infiniband/single", "metrics-infiniband.txt", "venus001.infiniband", ["/ports/"];
    "metrics-cgroup" [], "cgroup/v1", "metrics-cgroup.txt", "venus001", ["/job_4711/"];
    // The kernel does not say how many lines io.stat has: one cut between two of them is not noticed.
    "metrics-cgroup" [], "cgroup/v2", "metrics-cgroup.txt", "venus001", ["/job_4712/cpu.stat", "/job_4712/memory.", "/job_4712/pids."];
    "metrics-disk" [], "plugins/venus001", "metrics-disk.txt", "venus001.disk", ["/proc/diskstats"];
    "metrics-memory-percent" [], "plugins/venus001", "metrics-memory-percent.txt", "venus001.memory_percent", ["/proc/meminfo"];
    "metrics-memory-vmstat" [], "plugins/venus001", "metrics-memory-vmstat.txt", "venus001.vmstat", ["/proc/vmstat"];
    "metrics-disk-usage" [], "sensors", "metrics-disk-usage.txt", "venus001.disk_usage", ["/proc/mounts"];
    "metrics-disk" [], "plugins/vm", "metrics-disk.txt", "venus001.disk", ["/proc/diskstats"];
    "metrics-memory-percent" [], "plugins/vm", "metrics-memory-percent.txt", "venus001.memory_percent", ["/proc/meminfo"];
    "metrics-memory-vmstat" [], "plugins/vm", "metrics-memory-vmstat.txt", "venus001.vmstat", ["/proc/vmstat"];
    "metrics-sockstat" [], "sensors", "metrics-sockstat.txt", "venus001.sockstat", ["/net/sockstat"];
    "metrics-interrupts" [], "sensors", "metrics-interrupts.txt", "venus001.interrupts", ["/proc/interrupts"];
    "metrics-hwmon" [], "sensors", "metrics-hwmon.txt", "venus001.hwmon", ["/hwmon/"];
    "metrics-edac" [], "sensors", "metrics-edac.txt", "venus001.edac", ["/edac/"];
    "metrics-numa" [], "sensors", "metrics-numa.txt", "venus001.numa", ["/numastat"];
    "metrics-cpu-frequency" [], "sensors", "metrics-cpu-frequency.txt", "venus001.cpu_frequency", ["_freq", "_throttle_count"];
    "metrics-nfs" [], "sensors", "metrics-nfs.txt", "venus001.nfsstat", ["/rpc/nfs", "/mountstats"];
    "metrics-nfs" [("no-mounts", "true")], "sensors", "metrics-nfs-no-mounts.txt", "venus001.nfsstat", ["/rpc/nfs"];
    "metrics-process" [], "sensors", "metrics-process.txt", "venus001.process", ["/stat"];
    // A command line has no end that shows where it was cut.
    "metrics-process" [("process-name", "slurmd,a.very.long.name,sshd"), ("pattern", "^hpcg -n [0-9]+$")], "sensors", "metrics-process-chosen.txt", "venus001.process", ["/stat"];
}
