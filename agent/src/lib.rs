//! The agent: a drop-in for sensu-client.
//!
//! Data flows one way through the rooms of this crate:
//!
//! ```text
//! settings → schedule → check → outbox → transport
//!  (what)     (when)    (run)  (waiting)  (gone)
//! ```
//!
//! - [`settings`]: found, merged, validated.
//! - [`schedule`]: when a check runs.
//! - [`check`]: one run of a check, by a command or by a built-in collector.
//! - [`outbox`]: results that are not delivered yet.
//! - `transport`: one trait; `RabbitMQ`, Redis, or none (embedded).
//! - `connection`: keeps a transport connected and serves it.
//! - `doctor`: looks at all of it without running it.
//! - `notify`: what systemd is told of it.
//! - `drift`: how far the broker's clock is from this one.
//! - [`health`]: what of it others on this node may know; `figures`: what it counts, for Graphite
//!   and Prometheus.
//! - `board`: what each check said last; [`status`]: how an agent is asked for it.
//! - `duties`: what this node runs by itself; [`local`]: what others hand in.
//! - [`keepalive`], [`pipeline`] (events and handlers of an agent without a
//!   server), [`terminal`], [`log`], `signals`, `supervise` (start, stop).
//!
//! Everything runs on one thread. What collectors read takes microseconds and
//! is read in place; commands are children.

mod board;
pub mod check;
pub mod cli;
pub mod clock;
mod configure;
mod connection;
mod daemon;
mod doctor;
mod drift;
mod duties;
mod figures;
pub mod health;
pub mod host;
pub mod human;
pub mod keepalive;
pub mod local;
pub mod log;
mod notify;
pub mod outbox;
pub mod pipeline;
pub mod schedule;
pub mod settings;
mod signals;
pub mod status;
mod supervise;
pub mod terminal;
mod transport;

pub use supervise::run;
