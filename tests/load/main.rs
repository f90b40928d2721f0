//! Much at once, and for long: what was taken arrives once, and leaves nothing behind.
//!
//! `tests/run` has a short form of each; `tests/load/run` has them as long as the promise says,
//! and prints the figures of `docs/performance.md`.
//!
//! | module | holds |
//! |---|---|
//! | `rig` | the agent under load, and the server that counts |
//! | `senders` | results that are handed in, side by side |
//! | the others | the loads |

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod builtins;
mod burst;
mod children;
mod flood;
mod rig;
mod senders;
mod soak;
mod spool;
