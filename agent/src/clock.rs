//! The wall clock. Everything else is told the time.

use chrono::{DateTime, Local};
use std::fmt;
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

/// From here on somebody should look at the clocks.
const SKEWED: u64 = 5;
/// From here on a healthy node may look dead: Sensu warns when a keepalive is
/// 120 s old, and one may be 20 s old when the next is sent.
const DEAD: u64 = 100;

/// How far this node's clock is from another, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    Ahead(u64),
    Behind(u64),
}

impl Offset {
    /// From a clock that tells whole seconds: `told` was read between `before` and `after`
    /// (since the epoch).
    pub(crate) fn between(before: Duration, told: Duration, after: Duration) -> Self {
        let ahead = before.saturating_sub(told + Duration::from_secs(1));
        let behind = told.saturating_sub(after);
        if ahead > behind {
            Self::Ahead(ahead.as_secs())
        } else {
            Self::Behind(behind.as_secs())
        }
    }

    /// Whether somebody should look at the clocks.
    pub(crate) fn is_skewed(self) -> bool {
        self.seconds() >= SKEWED
    }

    /// Whether a healthy node may look dead.
    pub(crate) fn looks_dead(self) -> bool {
        self.seconds() >= DEAD
    }

    /// How many seconds this clock is ahead; of one that is behind, they are negative.
    pub(crate) fn ahead(self) -> i64 {
        match self {
            Self::Ahead(seconds) => 0_i64.saturating_add_unsigned(seconds),
            Self::Behind(seconds) => 0_i64.saturating_sub_unsigned(seconds),
        }
    }

    /// Without the direction.
    fn seconds(self) -> u64 {
        let (Self::Ahead(seconds) | Self::Behind(seconds)) = self;
        seconds
    }
}

/// To be followed by whose clock the other is.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead(0) | Self::Behind(0) => write!(f, "the same as"),
            Self::Ahead(seconds) => write!(f, "{seconds} s ahead of"),
            Self::Behind(seconds) => write!(f, "{seconds} s behind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_has_negative_seconds() {
        let between = |before, told, after| {
            let [before, told, after] = [before, told, after].map(Duration::from_secs);
            Offset::between(before, told, after).ahead()
        };
        assert_eq!(between(100, 100, 101), 0);
        assert_eq!(between(100, 150, 101), -49);
        assert_eq!(between(100, 50, 101), 49);
        assert_eq!(Offset::Behind(u64::MAX).ahead(), i64::MIN);
    }
}
