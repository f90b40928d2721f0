//! `PROC/loadavg`: how many tasks run or wait for the disk, averaged over 1, 5 and 15 minutes.

use crate::source::text::{Malformed, decimal, fields, only_line};

/// One average as the kernel writes it, with two places: `0.40`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Average<'a> {
    /// The kernel's text.
    pub text: &'a [u8],
    /// Its value.
    pub tasks: f64,
}

/// The averages over 1, 5 and 15 minutes.
pub fn parse(text: &[u8]) -> Result<[Average<'_>; 3], Malformed> {
    let mut columns = fields(only_line(text)?);
    let mut next = || {
        columns.next().and_then(average).ok_or(Malformed::Line {
            line: 1,
            what: "does not begin with three averages like 0.40",
        })
    };
    Ok([next()?, next()?, next()?])
}

fn average(text: &[u8]) -> Option<Average<'_>> {
    let (whole, places) = text.split_at_checked(text.len().checked_sub(3)?)?;
    decimal(whole)?;
    decimal(places.strip_prefix(b".")?)?;
    let tasks = str::from_utf8(text).ok()?.parse().ok()?;
    Some(Average { text, tasks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_the_kernels_text() {
        let averages = parse(b"0.39 12.00 0.40 2/301 4242\n").unwrap();
        assert_eq!(
            averages.map(|average| average.text),
            [&b"0.39"[..], b"12.00", b"0.40"]
        );
        assert!((averages[1].tasks - 12.0).abs() < f64::EPSILON);
    }

    #[test]
    fn refuses_what_is_cut_or_no_number() {
        for text in [
            "",
            "\n",
            "0.39",
            "0.39 0.41 0.40",
            "0.39 0.41\n",
            "0.39 0.41 .40\n",
            "0.39 0.41 0.4\n",
            "0.39 0.41 nan\n",
            "-0.39 0.41 0.40\n",
            "0.39 0.41 0.+4\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9. ]{0,20}\n?") {
            for bytes in [&bytes[..], text.as_bytes()] {
                for average in parse(bytes).into_iter().flatten() {
                    prop_assert!(average.tasks >= 0.0 && average.tasks.is_finite());
                }
            }
        }
    }
}
