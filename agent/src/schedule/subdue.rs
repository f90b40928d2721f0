//! Times of day at which a check does not run.

use chrono::{DateTime, Datelike, Local, Timelike};
use serde_json::Value;
use venus_event::Attributes;

const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// The names of days as Sensu spells them, from Monday.
pub const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Whether `check` is subdued at `now`.
#[must_use]
pub fn subdued(check: &Attributes, now: DateTime<Local>) -> bool {
    let windows = check.get("subdue");
    windows.is_some_and(|windows| is_within(windows, now))
}

/// Whether `now` is within one of the windows `{"days": {DAY: [{"begin", "end"}]}}` of this day, or
/// of `all` days. A window whose end is before its begin crosses midnight.
#[must_use]
pub fn is_within(windows: &Value, now: DateTime<Local>) -> bool {
    let days = windows.get("days");
    ["all", today(now)]
        .iter()
        .filter_map(|day| days?.get(day)?.as_array())
        .flatten()
        .any(|window| covers(window, now))
}

/// Whether a handler is subdued at `now`, in the form of Sensu 0.21: `begin` and `end`, or an array
/// of `days`, but for `exceptions`. The form of later ones will do as well.
#[must_use]
pub fn handler_subdued(condition: &Value, now: DateTime<Local>) -> bool {
    let listed = |key| condition.get(key).and_then(Value::as_array);
    let days = listed("days").into_iter().flatten();
    let mut days = days.filter_map(Value::as_str);
    let is_subdued = covers(condition, now) || days.any(|day| day.eq_ignore_ascii_case(today(now)));
    let mut exceptions = listed("exceptions").into_iter().flatten();
    (is_subdued && !exceptions.any(|window| covers(window, now))) || is_within(condition, now)
}

fn today(now: DateTime<Local>) -> &'static str {
    let weekday = usize::try_from(now.weekday().num_days_from_monday()).unwrap_or_default();
    DAYS.get(weekday).copied().unwrap_or_default()
}

/// Whether `now` is from `begin` to `end` of a window.
fn covers(window: &Value, now: DateTime<Local>) -> bool {
    let seconds = i64::from(now.num_seconds_from_midnight());
    let offset = i64::from(now.offset().local_minus_utc());
    let time = |key| {
        let text = window.get(key).and_then(Value::as_str);
        text.and_then(TimeOfDay::parse)
            .map(|time| time.local(offset))
    };
    match (time("begin"), time("end")) {
        (Some(begin), Some(end)) if begin <= end => begin <= seconds && seconds <= end,
        (Some(begin), Some(end)) => begin <= seconds || seconds <= end,
        _ => false,
    }
}

/// A time of day, in a zone or in the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay {
    /// Seconds since midnight.
    seconds: i64,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

impl TimeOfDay {
    /// Reads `5PM`, `5:30 pm PST`, `17:00`, `22:00:00 +01:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let length = upper.find(|c: char| !c.is_ascii_digit() && c != ':');
        let (clock, rest) = upper.split_at_checked(length.unwrap_or(upper.len()))?;
        let rest = rest.trim_start();
        let (noon, zone) = match rest.get(..2) {
            Some("AM") => (Some(0), rest.get(2..)?),
            Some("PM") => (Some(12), rest.get(2..)?),
            _ => (None, rest),
        };
        let mut numbers = clock.splitn(3, ':').map(str::parse::<i64>);
        let hours = numbers.next()?.ok()?;
        let minutes = numbers.next().unwrap_or(Ok(0)).ok()?;
        let seconds = numbers.next().unwrap_or(Ok(0)).ok()?;
        let hours = match noon {
            Some(noon) if (1..=12).contains(&hours) => hours % 12 + noon,
            // A number alone could be a day or a year.
            None if hours < 24 && clock.contains(':') => hours,
            _ => return None,
        };
        if minutes > 59 || seconds > 60 {
            return None;
        }
        Some(Self {
            seconds: hours * HOUR + minutes * 60 + seconds,
            offset: zone_offset(zone.trim())?,
        })
    }

    /// Seconds since midnight where the host is.
    fn local(self, host_offset: i64) -> i64 {
        match self.offset {
            None => self.seconds,
            Some(offset) => (self.seconds - offset + host_offset).rem_euclid(DAY),
        }
    }
}

/// Seconds east of UTC: of the zones whose abbreviations Ruby's `Time.parse`
/// knows, or of `+HH:MM`. The outer none is a zone that nobody knows, the inner
/// one is no zone.
#[expect(clippy::option_option, reason = "no zone and no such zone differ")]
fn zone_offset(zone: &str) -> Option<Option<i64>> {
    let hours = match zone {
        "" => return Some(None),
        "Z" | "UT" | "UTC" | "GMT" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return numeric_offset(zone).map(Some),
    };
    Some(Some(hours * HOUR))
}

/// `+HH:MM`, `+HHMM` or `+HH`.
fn numeric_offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (hours * HOUR + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use serde_json::json;

    fn at(day: u32, hour: u32, minute: u32) -> DateTime<Local> {
        // 2016-01-18 was a Monday.
        Local
            .with_ymd_and_hms(2016, 1, 18 + day, hour, minute, 0)
            .unwrap()
    }

    fn check(day: &str, begin: &str, end: &str) -> Attributes {
        let check = json!({"subdue": {"days": {day: [{"begin": begin, "end": end}]}}});
        check.as_object().unwrap().clone()
    }

    #[test]
    fn f8_a_check_is_subdued_within_its_window_on_its_day() {
        let check = check("tuesday", "9AM", "5:30 pm");
        assert!(subdued(&check, at(1, 9, 0)));
        assert!(subdued(&check, at(1, 17, 30)));
        assert!(!subdued(&check, at(1, 17, 31)));
        assert!(!subdued(&check, at(2, 12, 0)));
        assert!(!subdued(&Attributes::new(), at(1, 12, 0)));
    }

    #[test]
    fn f8_a_window_may_cross_midnight() {
        let check = check("all", "22:00", "06:00");
        assert!(subdued(&check, at(3, 23, 59)));
        assert!(subdued(&check, at(3, 5, 59)));
        assert!(!subdued(&check, at(3, 12, 0)));
    }

    #[test]
    fn f8_a_time_in_a_zone_is_that_moment_here() {
        let five = TimeOfDay::parse("5PM PST").unwrap();
        assert_eq!(five.local(0), HOUR);
        assert_eq!(five.local(-8 * HOUR), 17 * HOUR);
        let half = TimeOfDay::parse("12:15 AM +05:30").unwrap();
        assert_eq!(half.local(0), 18 * HOUR + 45 * 60);
    }

    #[test]
    fn a7_what_is_no_time_of_day_is_none() {
        for text in [
            "", "17", "25:00", "13PM", "0AM", "5:60PM", "5PM MOON", "x", "é", "5PM +1",
        ] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn i_a_handler_is_subdued_as_sensu_0_21_has_it() {
        // A Monday.
        let is = |condition: Value| handler_subdued(&condition, at(0, 12, 0));
        assert!(is(json!({"begin": "9AM", "end": "5PM"})));
        assert!(!is(json!({"begin": "5PM", "end": "9AM"})));
        assert!(is(json!({"days": ["Monday", "sunday"]})));
        assert!(!is(json!({"days": ["tuesday"]})));
        let lunch = json!([{"begin": "11:30 AM", "end": "12:30 PM"}]);
        assert!(!is(json!({"days": ["monday"], "exceptions": lunch})));
        assert!(is(
            json!({"days": {"monday": [{"begin": "9AM", "end": "5PM"}]}})
        ));
        assert!(!is(json!({})));
    }
}
