//! `SYS/devices/system/cpu/online`: which processors are in use, as a list like `0-7,9`.

use crate::source::text::{Malformed, decimal, only_line};

/// How many processors the list has: at least one.
pub fn parse(text: &[u8]) -> Result<u32, Malformed> {
    let malformed = Malformed::Line {
        line: 1,
        what: "is not a list of processors like 0-7,9",
    };
    only_line(text)?
        .split(|byte| *byte == b',')
        .try_fold(0_u32, |sum, range| sum.checked_add(length(range)?))
        .ok_or(malformed)
}

fn length(range: &[u8]) -> Option<u32> {
    let mut ends = range.splitn(2, |byte| *byte == b'-');
    let first = decimal(ends.next()?)?;
    let last = match ends.next() {
        Some(last) => decimal(last)?,
        None => first,
    };
    u32::try_from(last.checked_sub(first)?.checked_add(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_ranges_and_single_ones() {
        for (text, count) in [("0\n", 1), ("0-1\n", 2), ("0-7,9\n", 9), ("1,3,5-6\n", 4)] {
            assert_eq!(parse(text.as_bytes()), Ok(count));
        }
    }

    #[test]
    fn refuses_what_is_no_list() {
        for text in [
            "",
            "\n",
            "0-1",
            "1-0\n",
            "0-\n",
            "-1\n",
            "0,\n",
            "a\n",
            "0-4294967295\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[0-9,-]{0,20}\n?") {
            for bytes in [&bytes[..], text.as_bytes()] {
                prop_assert!(parse(bytes).is_ok_and(|count| count > 0) || parse(bytes).is_err());
            }
        }
    }
}
