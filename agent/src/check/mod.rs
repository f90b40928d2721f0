//! What a check is and how one run of it goes.
//!
//! [`Runner`] takes definitions (from the schedule) and requests (from the
//! server), substitutes tokens, runs a command or a built-in collector, then
//! hooks, and puts the result into the outbox.

mod agents_end;
mod builtin;
mod command;
mod context;
mod environment;
mod hooks;
mod orphans;
mod runner;
mod tokens;

pub use builtin::builtin_checks;
pub(crate) use builtin::{Collectors, is_extension};
pub use command::{Execution, Groups, Limits, run_command};
pub use environment::{ChildEnvironment, Variables};
pub(crate) use orphans::reap_orphans;
pub use runner::Runner;
pub use tokens::substituted;
