//! Thresholds of how many of something there are, as a number or in percent of all.

use clap::{Arg, ArgMatches};

use crate::check::limits;
use crate::context::Failure;
use crate::status::{Limit, Limits, LimitsError, Perfdata, RangeError, Status, Unit, percent};

/// One threshold: `3`, `10%`, or a range of either.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    limit: Limit,
    is_percent: bool,
}

impl std::str::FromStr for Part {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let number = text.strip_suffix('%');
        Ok(Self {
            limit: number.unwrap_or(text).parse()?,
            is_percent: number.is_some(),
        })
    }
}

/// The two thresholds, whatever they are in.
pub(super) struct Share {
    number: Limits,
    percent: Limits,
}

/// What is worth a warning if nothing is given, and what is critical, in percent.
const USUAL: [f64; 2] = [10.0, 50.0];

pub(super) fn arguments() -> [Arg; 2] {
    limits::arguments(
        "Nodes of a partition that cannot be used, or their share, that are worth a warning [default: 10%]",
        "Those that are critical [default: 50%]",
    )
    .map(|argument| argument.value_parser(|text: &str| text.parse::<Part>()))
}

impl Share {
    /// Those given by `-w` and `-c`. A default that contradicts the one that is given is left out.
    pub(super) fn given(matches: &ArgMatches) -> Result<Self, Failure> {
        let given = limits::both::<Part>(matches);
        let is_too_high = |part: &Part| {
            part.is_percent && matches!(part.limit, Limit::Number(number) if number > 100.0)
        };
        if given.iter().flatten().any(is_too_high) {
            return Err(Failure::new("invalid percentage: use at most 100%"));
        }
        let usual = USUAL.map(|percent| {
            Some(Part {
                limit: Limit::Number(percent),
                is_percent: true,
            })
        });
        let [warning, critical] = given;
        let with_defaults = Self::new(warning.or(usual[0]), critical.or(usual[1]));
        match with_defaults {
            Err(_) if warning.is_none() || critical.is_none() => Ok(Self::new(warning, critical)?),
            done => Ok(done?),
        }
    }

    fn new(warning: Option<Part>, critical: Option<Part>) -> Result<Self, LimitsError> {
        let limits = |is_percent: bool| {
            let of = |part: Option<Part>| {
                let part = part.filter(|part| part.is_percent == is_percent);
                part.map(|part| part.limit)
            };
            Limits::at_least(of(warning), of(critical))
        };
        Ok(Self {
            number: limits(false)?,
            percent: limits(true)?,
        })
    }

    /// What so many of all mean, and in words their share and the threshold that they reach:
    /// `(25%), threshold 10%`.
    pub(super) fn judge(&self, count: usize, all: usize) -> (Status, String) {
        let percent = percent(count as u64, all as u64);
        let by_number = self.number.judge(count);
        let status = by_number.worst(self.percent.judge(percent));
        let limit = if by_number == status {
            limits::judged(&self.number, count, "").1
        } else {
            limits::judged(&self.percent, percent, "%").1
        };
        let reached = match limit.as_str() {
            "" => String::new(),
            limit => format!(", threshold {limit}"),
        };
        (status, format!("({percent}%){reached}"))
    }

    /// The figures of that.
    pub(super) fn figures(&self, label: &str, count: usize, all: usize) -> [Perfdata; 2] {
        let percent = percent(count as u64, all as u64);
        let share = Perfdata::new(format!("{label} share"), percent, Unit::Percent);
        [
            Perfdata::new(label, count, Unit::None)
                .thresholds(self.number.thresholds())
                .min(0)
                .max(all),
            share.thresholds(self.percent.thresholds()).min(0).max(100),
        ]
    }
}
