//! Really booted machines with systemd, played upon by Ansible: from empty to monitored, and
//! what may happen to them afterwards.
//!
//! `tests/machines/prepare` makes what these tests need.
//!
//! | module | holds |
//! |---|---|
//! | `packages` | what `packaging/build` has made, and an older version of it |
//! | `site` | machines, a broker that they can reach, and Ansible |
//! | the others | what happens |

#![allow(
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod by_hand;
mod el;
mod image;
mod mistakes;
mod one_play;
mod packages;
mod server;
mod site;
mod survival;
mod unit;
mod upgrade;
mod ways;
