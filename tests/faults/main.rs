//! Faults, one after the other, each against the real parts: what was taken arrives.
//!
//! `tests/run` has a short selection; `tests/faults/run` has all of them, for as long as
//! the promise says, and writes the table of `docs/reliability.md`.
//!
//! | module | holds |
//! |---|---|
//! | `place` | the network namespace and the broker, for one test at a time |
//! | `load` | what is sent meanwhile |
//! | `trial` | a fault from its beginning to the account of it |
//! | the others | the faults |

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
