//! Finished lines for Carbon, `PATH VALUE TIME`, and what was left out of them.

use crate::path::PathFault;
use std::fmt;

/// The earliest time that is believed: the first second with ten digits, in 2001. A time with
/// fewer is not one in seconds, or was cut.
pub const EARLIEST: u64 = 1_000_000_000;
/// The latest: whisper has 32 bits for it, until 2106.
pub const LATEST: u64 = u32::MAX as u64;

/// All lines of an event together, in bytes. More than this of 10 MB that a check printed were
/// hardly meant.
const MOST_BYTES: usize = 32 << 20;
/// How much of a bad line is shown, in characters.
const SHOWN: usize = 60;

/// Why something of the output is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not what a line of this format looks like.
    #[error("it is not {0}")]
    Form(&'static str),
    /// The path.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// The value.
    #[error("its value is no finite number")]
    Value,
    /// The time.
    #[error("its time is not one in seconds since 1970")]
    Time,
    /// There are too many already.
    #[error("the event has more than {} MB of lines", MOST_BYTES >> 20)]
    TooMuch,
}

/// Something that was left out, as it is shown: cut, and without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    shown: String,
    fault: Fault,
}

impl Bad {
    fn new(text: &str, fault: Fault) -> Self {
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { shown, fault }
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.shown, self.fault)
    }
}

/// The lines of an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    text: String,
    good: usize,
    bad: usize,
    first_bad: Option<Bad>,
}

impl Lines {
    /// The lines, each with its newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many there are.
    #[must_use]
    pub fn good(&self) -> usize {
        self.good
    }

    /// How many were left out.
    #[must_use]
    pub fn bad(&self) -> usize {
        self.bad
    }

    /// What was left out, in one line; none where nothing was.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let first = self.first_bad.as_ref()?;
        let all = self.good + self.bad;
        Some(format!(
            "{} of {all} lines left out, the first is {first}",
            self.bad
        ))
    }

    /// Takes a line whose path is good by now.
    pub(crate) fn push(&mut self, path: &[&str], value: &str, time: u64) {
        let before = self.text.len();
        self.text.extend(path.iter().copied());
        if before + MOST_PUSHED > MOST_BYTES {
            let path = self.text.split_off(before);
            return self.leave_out(&path, Fault::TooMuch);
        }
        for part in [" ", value, " ", itoa::Buffer::new().format(time), "\n"] {
            self.text.push_str(part);
        }
        self.good += 1;
    }

    pub(crate) fn leave_out(&mut self, text: &str, fault: Fault) {
        self.bad += 1;
        if self.first_bad.is_none() {
            self.first_bad = Some(Bad::new(text, fault));
        }
    }
}

/// No line is longer, so that the bound holds whatever comes.
const MOST_PUSHED: usize = 16 << 10;

/// A value as Carbon would read it: a finite number, in a form that Rust and Python share.
pub(crate) fn check_value(value: &str) -> Result<(), Fault> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && value.len() <= LONGEST_VALUE => Ok(()),
        _ => Err(Fault::Value),
    }
}

/// The longest number: `f64::MIN_POSITIVE` written out has some 770 digits.
const LONGEST_VALUE: usize = 1_024;

/// Seconds since the epoch; what follows a point is cut off, as Carbon does. `-1` and `N` are
/// `now`.
pub(crate) fn read_time(time: &str, now: u64) -> Result<u64, Fault> {
    if matches!(time, "-1" | "N") {
        return Ok(now);
    }
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return Err(Fault::Time);
    }
    within(whole.parse().map_err(|_| Fault::Time)?)
}

/// A time in seconds, milli-, micro- or nanoseconds: the number of its digits tells which.
pub(crate) fn scaled_time(time: u64) -> Result<u64, Fault> {
    within(match time {
        0..100_000_000_000 => time,
        100_000_000_000..100_000_000_000_000 => time / 1_000,
        100_000_000_000_000..100_000_000_000_000_000 => time / 1_000_000,
        _ => time / 1_000_000_000,
    })
}

/// Refuses what is no time of a measurement.
pub(crate) fn within(time: u64) -> Result<u64, Fault> {
    let is_time = (EARLIEST..=LATEST).contains(&time);
    is_time.then_some(time).ok_or(Fault::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_477_200;

    #[test]
    fn values_are_finite_numbers() {
        for good in ["0", "-1.5", "+3", "1e5", ".5", "5.", "1E-300"] {
            assert_eq!(check_value(good), Ok(()), "{good}");
        }
        let long = "1".repeat(LONGEST_VALUE + 1);
        for bad in [
            "", "x", "nan", "NaN", "inf", "-inf", "infinity", "1e400", "0x1", "1,5", &long,
        ] {
            assert_eq!(check_value(bad), Err(Fault::Value), "{bad}");
        }
    }

    #[test]
    fn times_are_seconds() {
        for (time, read) in [
            ("1795477200", NOW),
            ("1795477200.9", NOW),
            ("1795477200.", NOW),
            ("-1", NOW),
            ("N", NOW),
            ("1000000000", EARLIEST),
            ("4294967295", LATEST),
        ] {
            assert_eq!(read_time(time, NOW), Ok(read), "{time}");
        }
        for bad in [
            "",
            ".",
            "0",
            "999999999",
            "4294967296",
            "1795477200000",
            "1.795e9",
            "-2",
            "+1795477200",
            "99999999999999999999999",
            "1795477200.x",
        ] {
            assert_eq!(read_time(bad, NOW), Err(Fault::Time), "{bad}");
        }
        for scale in [1, 1_000, 1_000_000, 1_000_000_000] {
            assert_eq!(scaled_time(NOW * scale), Ok(NOW));
            assert_eq!(scaled_time(EARLIEST * scale), Ok(EARLIEST));
        }
        assert_eq!(scaled_time(0), Err(Fault::Time));
        assert_eq!(scaled_time(u64::MAX), Err(Fault::Time));
    }

    #[test]
    fn what_is_left_out_is_counted_and_the_first_is_shown() {
        let mut lines = Lines::default();
        assert_eq!(lines.complaint(), None);
        lines.push(&["a.", "b"], "1", NOW);
        lines.leave_out("x\u{1b}[31m\n", Fault::Value);
        lines.leave_out(&"y".repeat(100), Fault::Time);
        assert_eq!(lines.text(), "a.b 1 1795477200\n");
        assert_eq!(
            lines.complaint().unwrap(),
            "2 of 3 lines left out, the first is \"x\\u{1b}[31m\\n\": its value is no finite number"
        );
        let cut = Bad::new(&"é".repeat(100), Fault::Value).to_string();
        assert!(
            cut.starts_with(&format!("\"{}…\": ", "é".repeat(SHOWN))),
            "{cut}"
        );
    }

    #[test]
    fn there_is_a_bound() {
        let mut lines = Lines::default();
        let path = "x".repeat(1_000);
        for _ in 0..MOST_BYTES / 1_000 + 10 {
            lines.push(&[&path], "1", NOW);
        }
        assert!(lines.text().len() <= MOST_BYTES);
        assert!(
            lines
                .complaint()
                .unwrap()
                .ends_with("more than 32 MB of lines")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(time in "\\PC{0,30}", digits in "[0-9]{0,30}(\\.[0-9]*)?") {
            for time in [time, digits] {
                if let Ok(read) = read_time(&time, NOW) {
                    prop_assert!((EARLIEST..=LATEST).contains(&read));
                }
            }
        }
    }
}
