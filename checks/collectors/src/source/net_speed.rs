//! `SYS/class/net/IF/speed`: the speed of a link in Mbit/s, as its driver tells it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::source::kernel_file::{self, ATTRIBUTE_BYTES, FileError};
use crate::source::text::{Malformed, decimal, only_line};

/// The file of an interface in `class`, which is `SYS/class/net`.
#[must_use]
pub fn path(class: &Path, interface: &[u8]) -> PathBuf {
    class.join(OsStr::from_bytes(interface)).join("speed")
}

/// The speed. Some drivers say -1 for a link that is down; others, and those of links without a
/// speed, refuse the read (EINVAL), which is `None`, as it is for an interface that has vanished.
pub fn read(path: &Path) -> Result<Option<i64>, FileError> {
    let mut buffer = [0; ATTRIBUTE_BYTES];
    match kernel_file::read_once(path, &mut buffer) {
        Ok(text) => Ok(Some(parse(text)?)),
        Err(error)
            if error.kind() == io::ErrorKind::InvalidInput || kernel_file::has_vanished(&error) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn parse(text: &[u8]) -> Result<i64, Malformed> {
    let line = only_line(text)?;
    match line.strip_prefix(b"-") {
        Some(digits) => decimal(digits).and_then(|number| 0_i64.checked_sub_unsigned(number)),
        None => decimal(line).and_then(|number| number.try_into().ok()),
    }
    .ok_or(Malformed::Line {
        line: 1,
        what: "is not a speed in Mbit/s",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn speeds_are_whole_numbers() {
        for (text, speed) in [
            ("1000\n", 1000),
            ("-1\n", -1),
            ("4294967295\n", 4_294_967_295),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(speed));
        }
        for text in [
            "",
            "\n",
            "-\n",
            "--1\n",
            "10",
            "1e3\n",
            "18446744073709551615\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(speed: i64, bytes: Vec<u8>) {
            prop_assert_eq!(parse(format!("{speed}\n").as_bytes()), Ok(speed));
            prop_assert!(parse(&bytes).is_err() || bytes.ends_with(b"\n"));
        }
    }
}
