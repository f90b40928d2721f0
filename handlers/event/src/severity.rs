//! The four severities of a check status.

use std::fmt;

/// What an exit status means (Nagios plugin API, as Sensu has it).
///
/// The order is from best to worst: a definite CRITICAL is worse than an
/// UNKNOWN, and an UNKNOWN is worse than a WARNING, because nobody has looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Exit status 0.
    Ok,
    /// Exit status 1.
    Warning,
    /// Exit status 3, and every status outside 0..=3.
    Unknown,
    /// Exit status 2.
    Critical,
}

impl Severity {
    /// The severity of an exit status.
    #[must_use]
    pub fn of(status: i64) -> Self {
        match status {
            0 => Self::Ok,
            1 => Self::Warning,
            2 => Self::Critical,
            _ => Self::Unknown,
        }
    }

    /// The exit status that stands for this severity, 0..=3.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn critical_is_worse_than_unknown_is_worse_than_warning() {
        let worst = [1, 3, 2, 0].map(Severity::of).into_iter().max();
        assert_eq!(worst, Some(Severity::Critical));
        assert!(Severity::of(3) > Severity::of(1));
    }

    #[test]
    fn a_status_outside_of_0_to_3_is_unknown() {
        for status in [-1, 4, 127, 255] {
            assert_eq!(Severity::of(status).to_string(), "UNKNOWN");
        }
    }
}
