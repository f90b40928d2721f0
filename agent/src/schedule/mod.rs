//! When the checks of this node run.

pub mod cron;
mod plan;
mod splay;
mod subdue;
mod timetable;

pub use plan::Plan;
pub use splay::splay;
pub use subdue::{DAYS, TimeOfDay, handler_subdued, is_within, subdued};
pub use timetable::Timetable;

use croner::Cron;
use std::time::Duration;

/// When a check runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Recurrence {
    /// Every so often.
    Every(Duration),
    /// By a cron expression, in the host's time zone.
    Cron(Box<Cron>),
}
