//! The collectors, one file each. `registry` lists them.
#![allow(
    clippy::unnecessary_wraps,
    reason = "the signature of `build` is the same for all, and options may contradict each other"
)]

mod attributes;
pub(crate) mod cgroup;
mod cgroup_files;
pub(crate) mod container_names;
pub(crate) mod cpu;
pub(crate) mod cpu_frequency;
pub(crate) mod disk;
pub(crate) mod disk_usage;
pub(crate) mod docker_host;
pub(crate) mod edac;
mod filter;
pub(crate) mod hwmon;
pub(crate) mod infiniband;
pub(crate) mod interrupts;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod memory_percent;
pub(crate) mod net;
mod net_guest;
mod net_names;
mod net_table;
pub(crate) mod nfs;
pub(crate) mod numa;
mod proc_file;
pub(crate) mod process;
mod said;
pub(crate) mod sockstat;
pub(crate) mod vmstat;
