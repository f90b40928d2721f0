//! Readers that only a check needs. They find and parse, and never judge or format.

pub(crate) mod adjtimex;
#[cfg(feature = "verbs")]
pub(crate) mod rdma;
pub(crate) mod smartctl;
#[cfg(feature = "verbs")]
pub(crate) mod verbs;
