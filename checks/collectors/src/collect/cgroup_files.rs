//! The files of a control group, and the metrics in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::source::cgroup::{self, Hierarchy};
use crate::source::text::{Malformed, only_decimal};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CpuStat,
    Cpuacct,
    CpuacctStat,
    CpuStatV1,
    MemoryCurrent,
    MemoryMax,
    MemoryMaxV1,
    MemoryStat,
    MemoryStatV1,
    MemoryEvents,
    IoStat,
    BlkioBytes,
    BlkioOperations,
    PidsCurrent,
    PidsMax,
}

/// The files of version 1. Where there is one that counts for the groups below as well, it is
/// before the one that does not.
const V1: [(Kind, Hierarchy, &str); 13] = [
    (Kind::Cpuacct, Hierarchy::Cpuacct, "cpuacct.usage"),
    (Kind::CpuacctStat, Hierarchy::Cpuacct, "cpuacct.stat"),
    (Kind::CpuStatV1, Hierarchy::Cpu, "cpu.stat"),
    (
        Kind::MemoryCurrent,
        Hierarchy::Memory,
        "memory.usage_in_bytes",
    ),
    (
        Kind::MemoryMaxV1,
        Hierarchy::Memory,
        "memory.limit_in_bytes",
    ),
    (Kind::MemoryStatV1, Hierarchy::Memory, "memory.stat"),
    (Kind::MemoryEvents, Hierarchy::Memory, "memory.oom_control"),
    (
        Kind::BlkioBytes,
        Hierarchy::Blkio,
        "blkio.throttle.io_service_bytes_recursive",
    ),
    (
        Kind::BlkioBytes,
        Hierarchy::Blkio,
        "blkio.throttle.io_service_bytes",
    ),
    (
        Kind::BlkioOperations,
        Hierarchy::Blkio,
        "blkio.throttle.io_serviced_recursive",
    ),
    (
        Kind::BlkioOperations,
        Hierarchy::Blkio,
        "blkio.throttle.io_serviced",
    ),
    (Kind::PidsCurrent, Hierarchy::Pids, "pids.current"),
    (Kind::PidsMax, Hierarchy::Pids, "pids.max"),
];

/// The files of version 2, each with the hierarchy of version 1 that has the subject if there is
/// one: a controller is in use by one version only.
const V2: [(Kind, Hierarchy, &str); 8] = [
    (Kind::CpuStat, Hierarchy::Cpuacct, "cpu.stat"),
    (Kind::MemoryCurrent, Hierarchy::Memory, "memory.current"),
    (Kind::MemoryMax, Hierarchy::Memory, "memory.max"),
    (Kind::MemoryStat, Hierarchy::Memory, "memory.stat"),
    (Kind::MemoryEvents, Hierarchy::Memory, "memory.events"),
    (Kind::IoStat, Hierarchy::Blkio, "io.stat"),
    (Kind::PidsCurrent, Hierarchy::Pids, "pids.current"),
    (Kind::PidsMax, Hierarchy::Pids, "pids.max"),
];

/// The files of a group whose folders these are.
pub(super) fn files(folders: &BTreeMap<Hierarchy, PathBuf>) -> Vec<(Kind, PathBuf)> {
    let mut files: Vec<(Kind, PathBuf)> = Vec::new();
    for (kind, hierarchy, name) in V1 {
        let Some(folder) = folders.get(&hierarchy) else {
            continue;
        };
        let is_io = matches!(kind, Kind::BlkioBytes | Kind::BlkioOperations);
        let is_partial = is_io && !name.ends_with("_recursive") && cgroup::has_children(folder);
        let file = folder.join(name);
        // Not every kernel and configuration has all of them.
        if !is_partial && !files.iter().any(|(other, _)| *other == kind) && file.exists() {
            files.push((kind, file));
        }
    }
    if let Some(folder) = folders.get(&Hierarchy::Unified) {
        let not_v1 = |(_, v1, _): &(_, Hierarchy, _)| !folders.contains_key(v1);
        let v2 = V2.into_iter().filter(not_v1);
        let v2 = v2.map(|(kind, _, name)| (kind, folder.join(name)));
        files.extend(v2.filter(|(_, file)| file.exists()));
    }
    files
}

impl Kind {
    /// Hands over the metrics in a file. A name always comes with the same unit.
    pub(super) fn metrics(
        self,
        text: &[u8],
        number: &mut impl FnMut(&[u8], u64),
    ) -> Result<(), Malformed> {
        /// Clock ticks are hundredths of a second in all that the kernel tells programs.
        const USEC_PER_TICK: u64 = 10_000;
        const NSEC_PER_USEC: u64 = 1_000;
        let mut some = |name: &[u8], value: Option<u64>| {
            if let Some(value) = value {
                number(name, value);
            }
        };
        match self {
            Self::CpuStat => {
                let [usage, user, system, periods, throttled, time] = cgroup::keyed(
                    text,
                    [
                        "usage_usec",
                        "user_usec",
                        "system_usec",
                        "nr_periods",
                        "nr_throttled",
                        "throttled_usec",
                    ],
                )?;
                some(b"cpu.usage_usec", usage);
                some(b"cpu.user_usec", user);
                some(b"cpu.system_usec", system);
                some(b"cpu.nr_periods", periods);
                some(b"cpu.nr_throttled", throttled);
                some(b"cpu.throttled_usec", time);
            }
            Self::Cpuacct => number(b"cpu.usage_usec", only_decimal(text)? / NSEC_PER_USEC),
            Self::CpuacctStat => {
                let ticks = cgroup::keyed(text, ["user", "system"])?;
                let [user, system] = ticks.map(|ticks| ticks?.checked_mul(USEC_PER_TICK));
                some(b"cpu.user_usec", user);
                some(b"cpu.system_usec", system);
            }
            Self::CpuStatV1 => {
                let keys = ["nr_periods", "nr_throttled", "throttled_time"];
                let [periods, throttled, time] = cgroup::keyed(text, keys)?;
                some(b"cpu.nr_periods", periods);
                some(b"cpu.nr_throttled", throttled);
                some(b"cpu.throttled_usec", time.map(|time| time / NSEC_PER_USEC));
            }
            Self::MemoryCurrent => number(b"memory.current", only_decimal(text)?),
            Self::MemoryMax => some(b"memory.max", cgroup::limit(text)?),
            Self::MemoryMaxV1 => some(b"memory.max", cgroup::limit_v1(text)?),
            Self::MemoryStat | Self::MemoryStatV1 => {
                let keys = match self {
                    Self::MemoryStat => ["anon", "file"],
                    _ => ["total_rss", "total_cache"],
                };
                let [anon, file] = cgroup::keyed(text, keys)?;
                some(b"memory.anon", anon);
                some(b"memory.file", file);
            }
            Self::MemoryEvents => {
                let [kills] = cgroup::keyed(text, ["oom_kill"])?;
                some(b"memory.oom_kill", kills);
            }
            Self::IoStat => {
                if let Some((bytes, operations)) = cgroup::io_stat(text)? {
                    number(b"io.rbytes", bytes.read);
                    number(b"io.wbytes", bytes.written);
                    number(b"io.rios", operations.read);
                    number(b"io.wios", operations.written);
                }
            }
            Self::BlkioBytes => {
                let bytes = cgroup::blkio(text)?;
                number(b"io.rbytes", bytes.read);
                number(b"io.wbytes", bytes.written);
            }
            Self::BlkioOperations => {
                let operations = cgroup::blkio(text)?;
                number(b"io.rios", operations.read);
                number(b"io.wios", operations.written);
            }
            Self::PidsCurrent => number(b"pids.current", only_decimal(text)?),
            Self::PidsMax => some(b"pids.max", cgroup::limit(text)?),
        }
        Ok(())
    }
}
