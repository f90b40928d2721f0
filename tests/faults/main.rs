//! Faults, one after the other, each against the real parts: what was taken arrives.
//!
//! `tests/run` has a short selection; `tests/faults/run` has all of them, for as long as
//! the promise says, and writes the table of `docs/reliability.md`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod agent;
mod broker;
mod disk;
mod load;
mod network;
mod place;
mod redis;
mod trial;
