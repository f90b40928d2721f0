//! What a check answers with: its status, the line that it prints, the ranges of its thresholds
//! and the figures after its line. All in one place, so that every check means the same by them.
//!
//! The forms are those of the [Monitoring Plugins' guidelines], which Sensu, Nagios and their kin
//! read.
//!
//! [Monitoring Plugins' guidelines]: https://www.monitoring-plugins.org/doc/guidelines.html

mod findings;
mod limits;
mod outcome;
mod perfdata;
mod range;

use std::borrow::Borrow;
use std::fmt;
use std::process::ExitCode;

pub use findings::Findings;
pub use limits::{Limit, Limits, LimitsError};
pub use outcome::Outcome;
pub(crate) use outcome::is_of_a_script;
pub use perfdata::{Number, Perfdata, Unit};
pub use range::{Range, RangeError, Thresholds, ThresholdsError};

/// Rounded to two places, as percentages are shown.
#[must_use]
pub fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A part of all in percent, as it is shown. Of nothing it is 0.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage is no exact number"
)]
pub fn percent(part: u64, all: u64) -> f64 {
    match all {
        0 => 0.0,
        all => hundredths(100.0 * part as f64 / all as f64),
    }
}

/// Names one after the other, and how many there are beside these: `a, b, and 3 more`.
#[must_use]
pub fn listed<S: Borrow<str>>(names: &[S], more: usize) -> String {
    match more {
        0 => names.join(", "),
        more => format!("{}, and {more} more", names.join(", ")),
    }
}

/// A number and what it counts: `1 server`, `2 servers`.
#[must_use]
pub fn counted(number: impl Into<Number>, thing: &str) -> String {
    match number.into() {
        Number::Whole(1) => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// A time in words: `4 d 1 h 25 min`, `25 min`, and seconds only where there is no minute.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h {minutes} min"),
    }
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is as it should be, or what was asked for is done.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// It is broken.
    Critical,
    /// It cannot be told, or the command was not understood.
    Unknown,
}

impl Status {
    /// The exit code, 0 to 3.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The worse of two: `Critical`, `Warning`, `Unknown`, `Ok`.
    ///
    /// The Monitoring Plugins have two such functions, which differ in where they put UNKNOWN. This
    /// is the order of their `max_state_alt`: what could not be looked at must not pass for OK, and
    /// must not hide that something else is known to be wrong.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if self.rank() >= other.rank() {
            self
        } else {
            other
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_one_order() {
        use Status::{Critical, Ok, Unknown, Warning};
        let order = [Ok, Unknown, Warning, Critical];
        for (low, one) in order.into_iter().enumerate() {
            for (high, other) in order.into_iter().enumerate() {
                let worst = order[low.max(high)];
                assert_eq!(one.worst(other), worst, "{one} and {other}");
            }
        }
        let codes: Vec<u8> = [Ok, Warning, Critical, Unknown].map(Status::code).to_vec();
        assert_eq!(codes, [0, 1, 2, 3]);
    }
    #[test]
    fn parts_and_lists_are_shown_alike() {
        let shown = [(0, 0), (1, 3), (3, 3)].map(|(part, all)| percent(part, all).to_string());
        assert_eq!(shown, ["0", "33.33", "100"]);
        assert_eq!(listed(&["a", "b"], 0), "a, b");
        assert_eq!(listed(&["a", "b"], 7), "a, b, and 7 more");
    }
}
