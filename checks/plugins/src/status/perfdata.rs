//! The figures after a check's line: `'label'=value[unit];warn;crit;min;max`.

use std::fmt;

use crate::status::outcome::is_unseen;
use crate::status::{Range, Thresholds};

/// A figure: whole numbers stay exact, as 64-bit counters do not fit a floating-point number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i128),
    /// Any other. Without a value (not a number, infinite) it is written as `U`, undetermined.
    Real(f64),
}

impl Number {
    /// For comparing with a threshold, which nobody gives with more than 15 digits.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a threshold has fewer digits than what is lost"
    )]
    pub(crate) fn to_f64(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }
}

macro_rules! whole {
    ($($from:ty),*) => {
        $(impl From<$from> for Number {
            fn from(number: $from) -> Self {
                Self::Whole(number.into())
            }
        })*
    };
}
whole!(u8, u16, u32, u64, i32, i64);

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        // A usize has 64 bits at most.
        Self::Whole(i128::try_from(number).unwrap_or(i128::MAX))
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(formatter),
            Self::Real(number) if number.is_finite() => number.fmt(formatter),
            Self::Real(_) => formatter.write_str("U"),
        }
    }
}

/// What a figure counts: the units of the guidelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: processes, ports, a load.
    None,
    /// `s`.
    Seconds,
    /// `ms`.
    Milliseconds,
    /// `%`.
    Percent,
    /// `B`.
    Bytes,
    /// `c`: only ever grows.
    Counter,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::Bytes => "B",
            Self::Counter => "c",
        })
    }
}

/// One figure with its label, and where it is known its thresholds and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Perfdata {
    label: String,
    value: Number,
    unit: Unit,
    thresholds: Thresholds,
    min: Option<Number>,
    max: Option<Number>,
}

impl Perfdata {
    /// A figure without thresholds and limits. The label may come from outside.
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<Number>, unit: Unit) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            unit,
            thresholds: Thresholds::default(),
            min: None,
            max: None,
        }
    }

    /// With the thresholds that it was judged by.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// With the least that it can be.
    #[must_use]
    pub fn min(mut self, min: impl Into<Number>) -> Self {
        self.min = Some(min.into());
        self
    }

    /// With the most that it can be.
    #[must_use]
    pub fn max(mut self, max: impl Into<Number>) -> Self {
        self.max = Some(max.into());
        self
    }
}

impl fmt::Display for Perfdata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = label(&self.label);
        write!(formatter, "'{label}'={}{}", self.value, self.unit)?;
        let range = |range: Option<Range>| range.map(|range| range.to_string());
        let number = |number: Option<Number>| number.map(|number| number.to_string());
        let fields = [
            range(self.thresholds.warning()),
            range(self.thresholds.critical()),
            number(self.min),
            number(self.max),
        ];
        // Separators at the end may go.
        let used = fields
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        fields.iter().take(used).try_for_each(|field| {
            formatter.write_str(";")?;
            formatter.write_str(field.as_deref().unwrap_or_default())
        })
    }
}

/// A label between quotes: a quote in it is doubled, and what would end it or the line is `_`.
fn label(text: &str) -> String {
    if text.is_empty() {
        return "_".to_owned();
    }
    let mut label = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' => label.push_str("''"),
            '=' | '|' => label.push('_'),
            other if other.is_control() || is_unseen(other) => label.push('_'),
            other => label.push(other),
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_their_order_and_empty_ones_at_the_end_go() {
        let range = |text: &str| Some(text.parse().unwrap());
        let both = Thresholds::new(range("80"), range("~:90.5")).unwrap();
        let critical = Thresholds::new(None, range("@5:10")).unwrap();
        let used = Perfdata::new("used", 12.5, Unit::Percent);
        for (perfdata, text) in [
            (used.clone(), "'used'=12.5%"),
            (used.clone().thresholds(both), "'used'=12.5%;80;~:90.5"),
            (
                used.clone().thresholds(critical).max(100),
                "'used'=12.5%;;@5:10;;100",
            ),
            (used.min(0), "'used'=12.5%;;;0"),
            (
                Perfdata::new("rx bytes", u64::MAX, Unit::Counter),
                "'rx bytes'=18446744073709551615c",
            ),
            (Perfdata::new("time", f64::NAN, Unit::Seconds), "'time'=Us"),
            (
                Perfdata::new("free", 1e21, Unit::Bytes),
                "'free'=1000000000000000000000B",
            ),
        ] {
            assert_eq!(perfdata.to_string(), text);
        }
    }

    #[test]
    fn a_label_cannot_forge_another_figure() {
        for (given, written) in [
            ("a'=1 'b", "'a''_1 ''b'=0"),
            ("a|b\nc\u{2028}d\0", "'a_b_c_d_'=0"),
            ("", "'_'=0"),
            ("Größe /", "'Größe /'=0"),
        ] {
            assert_eq!(Perfdata::new(given, 0, Unit::None).to_string(), written);
        }
    }
}
