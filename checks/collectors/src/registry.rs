//! The list of all collectors.

use crate::collect::{cgroup, cpu, infiniband, load, memory, net};
use crate::spec::Spec;

static ALL: [&Spec; 6] = [
    &cpu::SPEC,
    &load::SPEC,
    &memory::SPEC,
    &net::SPEC,
    &infiniband::SPEC,
    &cgroup::SPEC,
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
