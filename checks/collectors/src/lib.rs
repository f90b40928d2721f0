//! Readers of this host and the collectors that turn what they read into Graphite lines.
//!
//! Data flows one way: [`source`] reads and parses kernel files and never formats; a collector
//! (one file each below `collect/`) chooses what to show and in which order; [`graphite`] writes
//! the lines. [`prometheus`] has them under other names. [`registry`] is the list of all collectors, from which both the command line and
//! the agent build theirs:
//!
//! ```
//! use venus_collectors::{Given, Presence, Roots, Setup, graphite::Scheme, registry};
//! use venus_collectors::source::docker::Host;
//!
//! let spec = registry::find("metrics-load").ok_or("no such collector")?;
//! let scheme = Scheme::new("venus001")?;
//! let given = Given::of(spec.options);
//! let mut collector = (spec.build)(&Setup {
//!     roots: &Roots::default(),
//!     scheme: &scheme,
//!     docker: &Host::default(),
//!     given: &given,
//! })?;
//! let (mut out, mut problems) = (Vec::new(), Vec::new());
//! assert!(matches!(collector.collect(1_453_048_230, &mut out, &mut problems)?, Presence::Here));
//! assert!(out.starts_with(b"venus001.load_avg.one "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing in here looks at the clock, the environment or the host name: these are passed in, so
//! that the same object serves a command, the agent and a test.

mod collect;
mod collector;
pub mod graphite;
mod options;
pub mod prometheus;
pub mod registry;
pub mod running;
pub mod source;
mod spec;
pub mod state;

/// The ports of this host's `InfiniBand` devices, as a check reads them.
pub mod infiniband {
    pub use crate::collect::infiniband::{Counter, Reading, read};
}

/// Load averages and processors, as a check reads them.
pub mod load {
    pub use crate::collect::load::{Cores, round};
}

pub use collector::{CollectError, Collector, Presence, Roots};
pub use options::{Given, Kind, OptionError, OptionSpec};
pub use spec::{Builtin, Setup, Spec};
