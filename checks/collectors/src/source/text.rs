//! What the kernel's text files have in common: complete lines, blank-separated fields, decimals.

/// A text is not what the kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The last line has no newline, so its last number may be half of one.
    #[error("line {line} is cut off")]
    Cut {
        /// Counted from 1.
        line: usize,
    },
    /// A line has another form.
    #[error("line {line} {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Continues the sentence, e.g. "has no number in its second field".
        what: &'static str,
    },
    /// Something that each kernel writes is not there.
    #[error("{0} is missing, so the file is cut off or not the kernel's")]
    Missing(&'static str),
}

/// The lines of a text, without their newline, each with its number counted from 1. A last line
/// without a newline is an error: it may be cut in the middle of a number.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Result<(usize, &[u8]), Malformed>> {
    text.split_inclusive(|byte| *byte == b'\n')
        .zip(1..)
        .map(|(bytes, line)| match bytes.strip_suffix(b"\n") {
            Some(bytes) => Ok((line, bytes)),
            None => Err(Malformed::Cut { line }),
        })
}

/// The fields of a line, which any number of blanks may separate.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|field| !field.is_empty())
}

/// A number of nothing but decimal digits that fits.
#[must_use]
pub fn decimal(field: &[u8]) -> Option<u64> {
    if field.is_empty() {
        return None;
    }
    field.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The one number of an attribute file: decimal digits and a newline.
pub fn only_decimal(text: &[u8]) -> Result<u64, Malformed> {
    decimal(only_line(text)?).ok_or(Malformed::Line {
        line: 1,
        what: "is not a decimal number",
    })
}

/// The one line of an attribute file, which must end with a newline.
pub fn only_line(text: &[u8]) -> Result<&[u8], Malformed> {
    if text.is_empty() {
        return Err(Malformed::Missing("the first line"));
    }
    text.strip_suffix(b"\n").ok_or(Malformed::Cut { line: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_decimal_is_digits_that_fit() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "18446744073709551616", "-1", "+1", "1.0", "0x1", "1 "] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let all: Vec<_> = lines(b"a\n\nb").collect();
        assert_eq!(
            all,
            [
                Ok((1, &b"a"[..])),
                Ok((2, &b""[..])),
                Err(Malformed::Cut { line: 3 })
            ]
        );
        assert_eq!(only_decimal(b"12"), Err(Malformed::Cut { line: 1 }));
        assert_eq!(only_decimal(b"12\n"), Ok(12));
        assert!(only_decimal(b"").is_err());
        assert!(only_decimal(b"1\n2\n").is_err());
    }

    proptest! {
        #[test]
        fn decimals_are_read_as_they_are_written(number: u64) {
            prop_assert_eq!(decimal(number.to_string().as_bytes()), Some(number));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let read = only_decimal(&bytes);
            if let Ok(number) = read {
                prop_assert!(bytes.ends_with(b"\n"));
                prop_assert!(String::from_utf8(bytes).unwrap().trim_start_matches('0').trim_end()
                    == number.to_string().trim_start_matches('0'));
            }
        }
    }
}
