//! The list of all collectors.

use crate::collect::{
    cgroup, cpu, cpu_frequency, disk, disk_usage, edac, hwmon, infiniband, interrupts, load,
    memory, memory_percent, net, nfs, numa, process, sockstat, vmstat,
};
use crate::spec::Spec;

static ALL: [&Spec; 18] = [
    &cpu::SPEC,
    &load::SPEC,
    &memory::SPEC,
    &net::SPEC,
    &infiniband::SPEC,
    &cgroup::SPEC,
    &disk::SPEC,
    &disk_usage::SPEC,
    &memory_percent::SPEC,
    &vmstat::SPEC,
    &sockstat::SPEC,
    &interrupts::SPEC,
    &hwmon::SPEC,
    &edac::SPEC,
    &cpu_frequency::SPEC,
    &numa::SPEC,
    &nfs::SPEC,
    &process::SPEC,
];

/// Every collector, in the order in which they are listed and run.
#[must_use]
pub fn all() -> &'static [&'static Spec] {
    &ALL
}

/// The collector of exactly this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    ALL.iter().find(|spec| spec.name == name).copied()
}
