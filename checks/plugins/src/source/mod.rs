//! Readers of this host that only checks and their metrics need. They find and parse, and never judge or format.

pub(crate) mod adjtimex;
pub(crate) mod kernel;
pub(crate) mod mdstat;
#[cfg(feature = "verbs")]
pub(crate) mod rdma;
pub(crate) mod smartctl;
pub(crate) mod sysfs;
pub(crate) mod systemd;
#[cfg(feature = "verbs")]
pub(crate) mod verbs;
