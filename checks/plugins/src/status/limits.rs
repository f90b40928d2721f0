//! Thresholds as the community's plugins have them: a number that alerts when it is reached.

use std::str::FromStr;

use crate::status::{Number, Range, RangeError, Status, Thresholds, ThresholdsError};

/// One threshold: a number alone alerts when it is reached, a range outside of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// A number alone: `80`.
    Number(f64),
    /// Any other form of a range: `10:20`, `@5`.
    Range(Range),
}

impl FromStr for Limit {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Self::Number(number)),
            Ok(_) | Err(_) => text.parse().map(Self::Range),
        }
    }
}

/// Which way a value gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worse {
    Higher,
    Lower,
}

/// The two thresholds of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    warning: Option<Limit>,
    critical: Option<Limit>,
    worse: Worse,
}

/// Thresholds that cannot both be meant.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LimitsError {
    /// Two numbers in the wrong order.
    #[error(
        "warning {warning} and critical {critical} are upside down: critical must not come before the warning"
    )]
    Numbers {
        /// As given.
        warning: f64,
        /// As given.
        critical: f64,
    },
    /// Two ranges in the wrong order.
    #[error(transparent)]
    Ranges(#[from] ThresholdsError),
}

impl Limits {
    /// Numbers alert where the value is as high, or higher.
    pub fn at_least(warning: Option<Limit>, critical: Option<Limit>) -> Result<Self, LimitsError> {
        Self::new(warning, critical, Worse::Higher)
    }

    /// Numbers alert where the value is as low, or lower.
    pub fn at_most(warning: Option<Limit>, critical: Option<Limit>) -> Result<Self, LimitsError> {
        Self::new(warning, critical, Worse::Lower)
    }

    fn new(
        warning: Option<Limit>,
        critical: Option<Limit>,
        worse: Worse,
    ) -> Result<Self, LimitsError> {
        match (warning, critical) {
            (Some(Limit::Number(warning)), Some(Limit::Number(critical))) => {
                let upside_down = match worse {
                    Worse::Higher => critical < warning,
                    Worse::Lower => critical > warning,
                };
                if upside_down {
                    return Err(LimitsError::Numbers { warning, critical });
                }
            }
            (Some(Limit::Range(warning)), Some(Limit::Range(critical))) => {
                Thresholds::new(Some(warning), Some(critical))?;
            }
            // A number and a range say nothing of each other.
            _ => {}
        }
        Ok(Self {
            warning,
            critical,
            worse,
        })
    }

    /// What the value means.
    #[must_use]
    pub fn judge(&self, value: impl Into<Number>) -> Status {
        let value = value.into();
        let alerts = |limit: Option<Limit>| match (limit, self.worse) {
            (None, _) => false,
            (Some(Limit::Number(limit)), Worse::Higher) => value.to_f64() >= limit,
            (Some(Limit::Number(limit)), Worse::Lower) => value.to_f64() <= limit,
            (Some(Limit::Range(range)), _) => range.alerts(value),
        };
        if alerts(self.critical) {
            Status::Critical
        } else if alerts(self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    /// What is worth a warning.
    #[must_use]
    pub fn warning(&self) -> Option<Limit> {
        self.warning
    }

    /// What is critical.
    #[must_use]
    pub fn critical(&self) -> Option<Limit> {
        self.critical
    }

    /// In the form of figures, which has no threshold that alerts when it is just reached.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        let range = |limit: Option<Limit>| {
            limit.map(|limit| match (limit, self.worse) {
                (Limit::Number(limit), Worse::Higher) => Range::from_zero(limit),
                (Limit::Number(limit), Worse::Lower) => Range::from(limit),
                (Limit::Range(range), _) => range,
            })
        };
        // Those that fit as limits fit as ranges; if not, the figure goes without them.
        Thresholds::new(range(self.warning), range(self.critical)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(
        build: fn(Option<Limit>, Option<Limit>) -> Result<Limits, LimitsError>,
        warning: &str,
        critical: &str,
    ) -> Result<Limits, LimitsError> {
        build(warning.parse().ok(), critical.parse().ok())
    }

    #[test]
    fn a_number_alerts_when_it_is_reached() {
        use Status::{Critical, Ok, Warning};
        let high = limits(Limits::at_least, "80", "90.5").unwrap();
        assert_eq!(
            [79.9, 80.0, 90.4, 90.5].map(|value| high.judge(value)),
            [Ok, Warning, Warning, Critical]
        );
        let low = limits(Limits::at_most, "10", "5").unwrap();
        assert_eq!(
            [11, 10, 6, 5].map(|value| low.judge(value)),
            [Ok, Warning, Warning, Critical]
        );
        let range = limits(Limits::at_least, "10:20", "@30:40").unwrap();
        assert_eq!(
            [20, 21, 35].map(|value| range.judge(value)),
            [Ok, Warning, Critical]
        );
        let none = Limits::at_least(None, None).unwrap();
        assert_eq!(none.judge(f64::INFINITY), Ok);
        assert_eq!(limits(Limits::at_most, "", "5").unwrap().judge(5), Critical);
        for (limits, text) in [(high, "80;90.5"), (low, "10:;5:"), (range, "10:20;@30:40")] {
            let shown = limits.thresholds();
            let shown = [shown.warning().unwrap(), shown.critical().unwrap()];
            assert_eq!(shown.map(|range| range.to_string()).join(";"), text);
        }
    }

    #[test]
    fn upside_down_and_no_numbers_are_refused() {
        assert_eq!(
            limits(Limits::at_least, "90", "80")
                .unwrap_err()
                .to_string(),
            "warning 90 and critical 80 are upside down: critical must not come before the warning"
        );
        assert!(limits(Limits::at_most, "80", "90").is_err());
        assert!(limits(Limits::at_least, "@0:5", "@0:9").is_err());
        assert!(limits(Limits::at_least, "90", "90").is_ok());
        for bad in ["", "x", "inf", "nan", "80%", "1,2"] {
            assert_eq!(bad.parse::<Limit>(), Err(RangeError::Form), "{bad:?}");
        }
    }
}
