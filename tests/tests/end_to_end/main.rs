//! The programs as users run them, against the real parts.
//!
//! One binary, so that all tests share what takes long to start. A number at the
//! start of a test's name (`f4_…`) is the section of Sensu's behaviour it keeps,
//! as in `docs/compatibility.md`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

mod builtin;
mod containers;
mod containers_agent;
mod docs;
mod doctor;
mod embedded;
mod graphite;
mod hostile;
mod infiniband;
mod local;
mod page;
mod redis;
mod reload;
mod requests;
mod resilience;
mod security;
mod services;
mod settings;
mod site;
mod stop;
mod systemd;
mod tls;
mod top;
mod wire;
