//! The collectors, one file each. `registry` lists them.
#![allow(
    clippy::unnecessary_wraps,
    reason = "the signature of `build` is the same for all, and options may contradict each other"
)]

mod attributes;
pub(crate) mod cpu;
pub(crate) mod disk;
pub(crate) mod edac;
pub(crate) mod hwmon;
pub(crate) mod infiniband;
pub(crate) mod interrupts;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod memory_percent;
pub(crate) mod net;
pub(crate) mod numa;
pub(crate) mod sockstat;
pub(crate) mod vmstat;
