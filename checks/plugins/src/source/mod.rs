//! Readers that only a check needs. They find and parse, and never judge or format.

pub(crate) mod rdma;
pub(crate) mod verbs;
