//! Ranges of the Monitoring Plugins' guidelines: which values are worth an alert.

use std::fmt;
use std::str::FromStr;

use crate::status::{Number, Status};

/// The values that are right, both ends among them; with `@`, those that are not.
///
/// | given | alerts where the value is |
/// |---|---|
/// | `10` | below 0 or above 10 |
/// | `10:` | below 10 |
/// | `~:10` | above 10 |
/// | `10:20` | below 10 or above 20 |
/// | `@10:20` | from 10 to 20 |
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    start: f64,
    end: f64,
    alerts_inside: bool,
}

/// A text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It has another form.
    #[error("not a range; use a number such as 10, or 10:, ~:10, 10:20, @10:20")]
    Form,
    /// It has no value in it.
    #[error("the range's start is above its end; {0}")]
    UpsideDown(&'static str),
}

impl Range {
    /// `~:limit`: alerts above the limit.
    #[must_use]
    pub fn up_to(limit: f64) -> Self {
        Self {
            start: f64::NEG_INFINITY,
            end: limit,
            alerts_inside: false,
        }
    }

    /// `limit`: alerts below 0 and above the limit; below a limit that is below 0 there is no range,
    /// so it begins where the limit is.
    #[must_use]
    pub(super) fn from_zero(limit: f64) -> Self {
        Self {
            start: limit.min(0.0),
            ..Self::up_to(limit)
        }
    }

    /// `limit:`: alerts below the limit.
    #[must_use]
    pub(super) fn from(limit: f64) -> Self {
        Self {
            start: limit,
            ..Self::up_to(f64::INFINITY)
        }
    }

    /// Whether the value is worth an alert.
    #[must_use]
    pub fn alerts(&self, value: impl Into<Number>) -> bool {
        let value = value.into().to_f64();
        let inside = self.start <= value && value <= self.end;
        inside == self.alerts_inside
    }

    fn is_within(&self, other: &Self) -> bool {
        other.start <= self.start && self.end <= other.end
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let (alerts_inside, text) = match text.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let number = |text: &str| -> Result<f64, RangeError> {
            let number: f64 = text.parse().map_err(|_| RangeError::Form)?;
            if number.is_finite() {
                Ok(number)
            } else {
                Err(RangeError::Form)
            }
        };
        let (start, end) = match text.split_once(':') {
            None => (0.0, number(text)?),
            Some(("", "")) => return Err(RangeError::Form),
            Some((start, end)) => (
                match start {
                    "" => 0.0,
                    "~" => f64::NEG_INFINITY,
                    start => number(start)?,
                },
                match end {
                    "" => f64::INFINITY,
                    end => number(end)?,
                },
            ),
        };
        if start > end {
            return Err(RangeError::UpsideDown(if text.contains(':') {
                "use LOW:HIGH"
            } else {
                "a lone number begins at 0, use ~: and a number below 0"
            }));
        }
        Ok(Self {
            start,
            end,
            alerts_inside,
        })
    }
}

/// In the shortest form that is read as the same.
impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.alerts_inside {
            formatter.write_str("@")?;
        }
        if self.start == f64::NEG_INFINITY {
            formatter.write_str("~:")?;
        } else if self.start != 0.0 || self.end == f64::INFINITY {
            write!(formatter, "{}:", self.start)?;
        }
        if self.end == f64::INFINITY {
            Ok(())
        } else {
            write!(formatter, "{}", self.end)
        }
    }
}

/// The two ranges of one value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Thresholds {
    warning: Option<Range>,
    critical: Option<Range>,
}

/// What is critical would not even be worth a warning.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "warning {warning} and critical {critical} are upside down: what is critical must be worth a warning too"
)]
pub struct ThresholdsError {
    warning: Range,
    critical: Range,
}

impl Thresholds {
    /// Refuses thresholds that are upside down, as such a check would never warn.
    pub fn new(warning: Option<Range>, critical: Option<Range>) -> Result<Self, ThresholdsError> {
        if let (Some(warning), Some(critical)) = (warning, critical) {
            let fits = match (warning.alerts_inside, critical.alerts_inside) {
                (false, false) => warning.is_within(&critical),
                (true, true) => critical.is_within(&warning),
                // One alerts inside and one outside of its numbers: neither is above the other.
                (true, false) | (false, true) => true,
            };
            if !fits {
                return Err(ThresholdsError { warning, critical });
            }
        }
        Ok(Self { warning, critical })
    }

    /// What the value means.
    #[must_use]
    pub fn judge(&self, value: impl Into<Number>) -> Status {
        let value = value.into();
        let alerts = |range: Option<Range>| range.is_some_and(|range| range.alerts(value));
        if alerts(self.critical) {
            Status::Critical
        } else if alerts(self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    /// The range that is worth a warning.
    #[must_use]
    pub fn warning(&self) -> Option<Range> {
        self.warning
    }

    /// The range that is critical.
    #[must_use]
    pub fn critical(&self) -> Option<Range> {
        self.critical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn alerts_as_the_guidelines_say() {
        for (text, alerts, quiet) in [
            ("10", &[-0.1, 10.1, -1e9, 1e9][..], &[0.0, 5.0, 10.0][..]),
            ("10:", &[9.9, -10.0], &[10.0, 1e9]),
            ("~:10", &[10.1], &[10.0, -1e9]),
            ("10:20", &[9.9, 20.1], &[10.0, 20.0]),
            ("@10:20", &[10.0, 15.0, 20.0], &[9.9, 20.1]),
            ("@5", &[0.0, 5.0], &[-0.1, 5.1]),
            (":10", &[-0.1, 10.1], &[0.0, 10.0]),
            ("-20:-10.5", &[-21.0, -10.0, 0.0], &[-20.0, -10.5]),
            ("~:", &[], &[-1e300, 1e300]),
            ("0", &[0.1, -0.1], &[0.0]),
        ] {
            let range = range(text);
            assert!(alerts.iter().all(|value| range.alerts(*value)), "{text}");
            assert!(!quiet.iter().any(|value| range.alerts(*value)), "{text}");
            let again: Range = range.to_string().parse().unwrap();
            assert_eq!(again, range, "{text} is written as {range}");
        }
        for text in ["10", "10:", "~:10", "10:20", "@10:20", "@5", "~:", "0:"] {
            assert_eq!(range(text).to_string(), text);
        }
        // What is no number is right nowhere.
        assert!(range("10").alerts(f64::NAN) && range("~:").alerts(f64::NAN));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "", "x", "@", ":", "@:", "~", "1:2:3", "inf", "nan:", "1 ", "@@1", "10:x", "~:~",
        ] {
            assert_eq!(bad.parse::<Range>(), Err(RangeError::Form), "{bad:?}");
        }
        for bad in ["20:10", "-5", "@1:0"] {
            let error = bad.parse::<Range>().unwrap_err();
            assert!(matches!(error, RangeError::UpsideDown(_)), "{bad:?}");
        }
    }

    #[test]
    fn thresholds_are_judged_and_not_upside_down() {
        let thresholds = |warning: &str, critical: &str| {
            Thresholds::new(Some(range(warning)), Some(range(critical)))
        };
        let good = thresholds("80", "90").unwrap();
        assert_eq!(
            [80, 81, 90, 91, -1].map(|value| good.judge(value)),
            [
                Status::Ok,
                Status::Warning,
                Status::Warning,
                Status::Critical,
                Status::Critical
            ]
        );
        assert_eq!(Thresholds::default().judge(1_u64), Status::Ok);
        for (warning, critical) in [("10:", "5:"), ("@0:9", "@0:5"), ("@5", "90"), ("1", "1")] {
            assert!(thresholds(warning, critical).is_ok());
        }
        assert_eq!(
            thresholds("90", "80").unwrap_err().to_string(),
            "warning 90 and critical 80 are upside down: what is critical must be worth a warning too"
        );
        for (warning, critical) in [("5:", "10:"), ("@0:5", "@0:9"), ("10", "20:30")] {
            assert!(thresholds(warning, critical).is_err());
        }
    }
}
