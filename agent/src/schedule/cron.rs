//! Checks that run by a cron expression, in the host's time zone.

use chrono::{DateTime, Datelike, NaiveDate, TimeZone};
use croner::{Cron, CronPattern, Weekday};
use std::time::Duration;

/// How long to wait at most before the clock is looked at again: somebody may
/// have set it.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// After so many years every date has been on every day of the week, 29 February too.
const YEARS: usize = 28;

/// Reads an expression of five fields, or of a name such as `@daily`. One that names no day that
/// there is, such as 30 February, is wrong.
pub fn parse(text: &str) -> Result<Cron, String> {
    // The parser takes it for nothing, and seconds to find that there is no such time.
    let mut items = text.split_whitespace().flat_map(|field| field.split(','));
    if items.any(str::is_empty) {
        return Err("an item of a list is empty".to_owned());
    }
    let parser = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .build();
    let cron = parser.parse(text).map_err(|error| error.to_string())?;
    if !has_a_day(&cron.pattern) {
        return Err("it names a time that never comes".to_owned());
    }
    Ok(cron)
}

/// Whether there is a day for it. Its search for the next one would go on for three thousand years.
fn has_a_day(pattern: &CronPattern) -> bool {
    let days = NaiveDate::from_ymd_opt(2000, 1, 1).into_iter();
    let mut days = days.flat_map(|first| first.iter_days().take(YEARS * 366));
    days.any(|day| {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        pattern.month_match(day.month()).unwrap_or(false)
            && pattern
                .day_match(day.year(), day.month(), day.day(), weekday)
                .unwrap_or(false)
    })
}

/// When a check with a cron expression runs next.
#[derive(Debug)]
pub struct CronClock<Tz: TimeZone> {
    cron: Cron,
    /// None where it does not match before the year 5000.
    next: Option<DateTime<Tz>>,
}

impl<Tz: TimeZone> CronClock<Tz> {
    /// Its first time is after `now`.
    pub fn new(cron: Cron, now: &DateTime<Tz>) -> Self {
        let next = cron.find_next_occurrence(now, false).ok();
        Self { cron, next }
    }

    /// Whether it is due; its next time is after `now`. Times that were missed
    /// are not made up for.
    pub fn strikes(&mut self, now: &DateTime<Tz>) -> bool {
        let due = self.next.as_ref().is_some_and(|next| next <= now);
        // Also of one that is not due: somebody may have set the clock back.
        self.next = self.cron.find_next_occurrence(now, false).ok();
        due
    }

    /// How long to wait before asking again.
    #[must_use]
    pub fn wait(&self, now: &DateTime<Tz>) -> Option<Duration> {
        let next = self.next.clone()?;
        let left = (next - now.clone()).to_std().unwrap_or_default();
        Some(left.min(LOOK_AGAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn f8_a_cron_check_strikes_at_its_time_and_once() {
        let start = at("2026-11-24T02:58:30Z");
        let mut clock = CronClock::new(parse("0 3 * * *").unwrap(), &start);
        assert_eq!(clock.wait(&start), Some(Duration::from_mins(1)));
        assert!(!clock.strikes(&at("2026-11-24T02:59:30Z")));
        let left = clock.wait(&at("2026-11-24T02:59:30Z"));
        assert_eq!(left, Some(Duration::from_secs(30)));
        assert!(clock.strikes(&at("2026-11-24T03:00:00Z")));
        assert!(!clock.strikes(&at("2026-11-24T03:00:01Z")));
        // The host slept for two days: once, not twice.
        assert!(clock.strikes(&at("2026-11-26T12:00:00Z")));
        assert!(!clock.strikes(&at("2026-11-26T12:00:01Z")));
    }

    #[test]
    fn f8_a_clock_that_was_years_ahead_costs_a_cron_check_nothing() {
        let ahead = at("2030-01-01T00:00:00Z");
        let mut clock = CronClock::new(parse("*/5 * * * *").unwrap(), &ahead);
        assert!(!clock.strikes(&at("2026-11-24T10:01:00Z")));
        assert!(clock.strikes(&at("2026-11-24T10:05:00Z")));
    }

    #[test]
    fn f8_the_syntax_is_crons() {
        let start = at("2026-11-24T10:00:00Z"); // a Tuesday
        for (text, next) in [
            ("*/15 * * * *", "2026-11-24T10:15:00Z"),
            ("30 4 1,15 * *", "2026-12-01T04:30:00Z"),
            // Day of month or day of week, as in Vixie cron.
            ("0 12 13 * 5", "2026-11-27T12:00:00Z"),
            ("0 0 * * 7", "2026-11-29T00:00:00Z"),
            ("0 0 * * MON-FRI", "2026-11-25T00:00:00Z"),
            ("@daily", "2026-11-25T00:00:00Z"),
        ] {
            let clock = CronClock::new(parse(text).unwrap(), &start);
            assert_eq!(clock.next, Some(at(next)), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "61 * * * *",
            "0 0 0 * * *",
            "soon",
            ", * * * *",
            "0 1,,5 * * *",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn f8_a_time_that_never_comes_is_refused_and_a_rare_one_is_not() {
        for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * * * L"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, "it names a time that never comes", "{text}");
        }
        for text in ["0 0 29 2 *", "0 0 29 2 +7", "0 0 L 2 *", "0 0 * 2 1#5"] {
            let start = at("2026-11-24T10:00:00Z");
            let clock = CronClock::new(parse(text).unwrap(), &start);
            assert!(clock.next.is_some(), "{text}");
        }
    }

    /// Berlin in 2026: an hour ahead of UTC, two from 29 March 01:00 UTC to 25
    /// October 01:00 UTC.
    #[derive(Debug, Clone, Copy)]
    struct Berlin;

    impl Berlin {
        fn offset(utc: NaiveDateTime) -> FixedOffset {
            let change = |month, day| {
                let date = NaiveDate::from_ymd_opt(2026, month, day).unwrap();
                date.and_hms_opt(1, 0, 0).unwrap()
            };
            let summer = change(3, 29) <= utc && utc < change(10, 25);
            FixedOffset::east_opt(if summer { 7200 } else { 3600 }).unwrap()
        }
    }

    impl TimeZone for Berlin {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, date: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            self.offset_from_local_datetime(&date.and_hms_opt(12, 0, 0).unwrap())
        }

        fn offset_from_local_datetime(
            &self,
            local: &NaiveDateTime,
        ) -> MappedLocalTime<FixedOffset> {
            let fits = [7200, 3600].map(|seconds| {
                let offset = Self::offset(*local - TimeDelta::seconds(seconds));
                (i64::from(offset.local_minus_utc()) == seconds).then_some(offset)
            });
            match fits {
                [Some(summer), Some(winter)] => MappedLocalTime::Ambiguous(summer, winter),
                [Some(one), None] | [None, Some(one)] => MappedLocalTime::Single(one),
                [None, None] => MappedLocalTime::None,
            }
        }

        fn offset_from_utc_date(&self, date: &NaiveDate) -> FixedOffset {
            Self::offset(date.and_hms_opt(12, 0, 0).unwrap())
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            Self::offset(*utc)
        }
    }

    /// The first times of a check, in UTC.
    fn times(cron: &str, start: &str, count: usize) -> Vec<String> {
        let start = at(start).with_timezone(&Berlin);
        let mut clock = CronClock::new(parse(cron).unwrap(), &start);
        let times = (0..count).map(|_| {
            let next = clock.next.unwrap();
            assert!(clock.strikes(&next));
            next.to_utc().format("%d %H:%M").to_string()
        });
        times.collect()
    }

    #[test]
    fn f8_a_daily_check_runs_every_day_when_the_clocks_change() {
        // 02:30 is not there on the 29th, and is there twice on the 25th.
        let spring = times("30 2 * * *", "2026-03-27T12:00:00Z", 3);
        assert_eq!(spring, ["28 01:30", "29 01:00", "30 00:30"]);
        let autumn = times("30 2 * * *", "2026-10-23T12:00:00Z", 3);
        assert_eq!(autumn, ["24 00:30", "25 00:30", "26 01:30"]);
    }

    #[test]
    fn f8_a_frequent_check_goes_on_when_the_clocks_change() {
        let spring = times("*/30 * * * *", "2026-03-29T00:15:00Z", 4);
        assert_eq!(spring, ["29 00:30", "29 01:00", "29 01:30", "29 02:00"]);
        let autumn = times("*/30 * * * *", "2026-10-25T00:15:00Z", 4);
        assert_eq!(autumn, ["25 00:30", "25 01:00", "25 01:30", "25 02:00"]);
    }
}
