//! The collectors, one file each. `registry` lists them.
#![allow(
    clippy::unnecessary_wraps,
    reason = "the signature of `build` is the same for all, and options may contradict each other"
)]

pub(crate) mod cgroup;
mod cgroup_files;
pub(crate) mod container_names;
pub(crate) mod cpu;
pub(crate) mod docker_host;
pub(crate) mod infiniband;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod net;
mod net_guest;
mod net_names;
mod net_table;
mod said;
