//! Files of lines `NAME VALUE`: `PROC/vmstat`, `SYS/devices/system/node/nodeN/numastat`.

use crate::graphite;
use crate::source::text::{Malformed, decimal, fields, lines};

/// Whether these bytes can stand in a path as they are.
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| graphite::is_allowed(char::from(*byte)))
}

/// Hands over each name with its number. An error may come after some of them.
pub fn parse<'a>(text: &'a [u8], mut entry: impl FnMut(&'a str, u64)) -> Result<(), Malformed> {
    let mut any = false;
    for line in lines(text) {
        let (line, bytes) = line?;
        let (name, value) = line_of(bytes).ok_or(Malformed::Line {
            line,
            what: "is not a name and a number",
        })?;
        entry(name, value);
        any = true;
    }
    if any {
        Ok(())
    } else {
        Err(Malformed::Missing("the first line"))
    }
}

fn line_of(line: &[u8]) -> Option<(&str, u64)> {
    let mut columns = fields(line);
    let name = columns.next().filter(|name| is_name(name))?;
    let value = decimal(columns.next()?)?;
    columns.next().is_none().then_some(())?;
    Some((str::from_utf8(name).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_which_line_is_wrong() {
        for (text, message) in [
            ("a 1\nb x\n", "line 2 is not a name and a number"),
            ("a 1\nb 2 3\n", "line 2 is not a name and a number"),
            ("a/b 1\n", "line 1 is not a name and a number"),
            ("a 1\nb 2", "line 2 is cut off"),
            (
                "",
                "the first line is missing, so the file is cut off or not the kernel's",
            ),
        ] {
            let error = parse(text.as_bytes(), |_, _| ()).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "([a-z]{0,3} [0-9x]{0,3}\n){0,4}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let done = parse(bytes, |_, _| ());
                prop_assert!(done.is_err() || bytes.ends_with(b"\n"));
            }
        }
    }
}
