//! The wall clock. Everything else is told the time.

use chrono::{DateTime, Local};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that reads the wall clock"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Time since the epoch; zero where the clock stands before 1970.
#[must_use]
pub fn since_epoch() -> Duration {
    now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whole seconds since the epoch, as Sensu stamps everything.
#[must_use]
pub fn epoch_seconds() -> u64 {
    since_epoch().as_secs()
}

/// The time in the host's time zone, for people.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one module that reads the wall clock"
)]
pub fn local_now() -> DateTime<Local> {
    Local::now()
}
