//! What a check is and how one run of it goes.
//!
//! [`Runner`] takes definitions (from the schedule) and requests (from the
//! server), substitutes tokens, runs a command or a built-in collector, then
//! hooks, and puts the result into the outbox.

mod builtin;
mod command;
mod hooks;
mod orphans;
mod path;
mod runner;
mod tokens;

pub(crate) use builtin::Collectors;
pub use builtin::builtin_checks;
pub use command::{Execution, Groups, Limits, run_command};
pub(crate) use orphans::reap_orphans;
pub(crate) use path::child_path;
pub use runner::Runner;
pub(crate) use tokens::substituted;
