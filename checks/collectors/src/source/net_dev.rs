//! `PROC/net/dev`: the counters of all network interfaces of this network namespace, in one read.

use crate::source::text::{Malformed, decimal, fields, lines};

/// The counters of one interface since it was made, as seen from this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets that could not be received.
    pub rx_errors: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

impl Counters {
    /// Those of the other end of a pair: what one sends, the other receives.
    #[must_use]
    pub fn of_the_other_end(self) -> Self {
        Self {
            rx_bytes: self.tx_bytes,
            rx_packets: self.tx_packets,
            rx_errors: self.tx_errors,
            tx_bytes: self.rx_bytes,
            tx_packets: self.rx_packets,
            tx_errors: self.rx_errors,
        }
    }
}

/// Hands over each interface, in the kernel's order. An error may come after some of them.
///
/// A name can be any bytes but blanks and slashes; until Linux 3.17 also colons.
pub fn parse<'a>(
    text: &'a [u8],
    mut interface: impl FnMut(&'a [u8], Counters),
) -> Result<(), Malformed> {
    let mut lines = lines(text);
    for missing in ["the first line of the head", "the second line of the head"] {
        let (line, head) = lines.next().ok_or(Malformed::Missing(missing))??;
        if !head.contains(&b'|') {
            return Err(Malformed::Line {
                line,
                what: "is not the head of a table",
            });
        }
    }
    for line in lines {
        let (line, bytes) = line?;
        // The last colon, as there is none in the numbers. The first column may touch it.
        let mut halves = bytes.rsplitn(2, |byte| *byte == b':');
        let counters = halves.next().and_then(counters);
        let name = halves
            .next()
            .map(<[u8]>::trim_ascii)
            .filter(|name| is_name(name));
        match (name, counters) {
            (Some(name), Some(counters)) => interface(name, counters),
            (None, _) | (_, None) => {
                return Err(Malformed::Line {
                    line,
                    what: "is not a name, a colon and 16 numbers",
                });
            }
        }
    }
    Ok(())
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name
            .iter()
            .any(|byte| *byte == b'/' || *byte == 0 || byte.is_ascii_whitespace())
}

fn counters(columns: &[u8]) -> Option<Counters> {
    let mut numbers = [0; 16];
    let mut columns = fields(columns);
    for number in &mut numbers {
        *number = decimal(columns.next()?)?;
    }
    if columns.next().is_some() {
        return None;
    }
    let [
        rx_bytes,
        rx_packets,
        rx_errors,
        _drop,
        _fifo,
        _frame,
        _compressed,
        _multicast,
        tx_bytes,
        tx_packets,
        tx_errors,
        ..,
    ] = numbers;
    Some(Counters {
        rx_bytes,
        rx_packets,
        rx_errors,
        tx_bytes,
        tx_packets,
        tx_errors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "Inter-| Receive | Transmit\n face |bytes |bytes\n";

    fn names(rows: &str) -> Result<Vec<String>, String> {
        let text = format!("{HEAD}{rows}");
        let mut found = Vec::new();
        parse(text.as_bytes(), |name, counters| {
            found.push(format!(
                "{} {}",
                String::from_utf8_lossy(name),
                counters.rx_bytes
            ));
        })
        .map_err(|error| error.to_string())?;
        Ok(found)
    }

    #[test]
    fn columns_are_told_by_their_place() {
        let text = format!("{HEAD}  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
        let mut found = None;
        parse(text.as_bytes(), |name, counters| {
            found = Some((name, counters));
        })
        .unwrap();
        let (name, counters) = found.unwrap();
        assert_eq!(name, b"eth0");
        assert_eq!(
            (counters.rx_bytes, counters.rx_packets, counters.rx_errors),
            (1, 2, 3)
        );
        assert_eq!(
            (counters.tx_bytes, counters.tx_packets, counters.tx_errors),
            (9, 10, 11)
        );
    }

    #[test]
    fn names_may_touch_the_numbers_and_have_colons() {
        let rest = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        assert_eq!(
            names(&format!("eth0:7 {rest}\n eth0:1: 8 {rest}\n")).unwrap(),
            ["eth0 7", "eth0:1 8"]
        );
    }

    #[test]
    fn says_which_line_is_wrong() {
        let sixteen = "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1";
        let wrong = Err("line 3 is not a name, a colon and 16 numbers".to_owned());
        for row in [
            "eth0: 1 2 3\n".to_owned(),
            format!("eth0 {sixteen}\n"),
            format!(": {sixteen}\n"),
            format!("..: {sixteen}\n"),
            format!("a/b: {sixteen}\n"),
            format!("eth0: {sixteen} 1\n"),
            format!("eth0: -{sixteen}\n"),
        ] {
            assert_eq!(names(&row), wrong, "{row}");
        }
        assert_eq!(
            names(&format!("eth0: {sixteen}")),
            Err("line 3 is cut off".to_owned())
        );
        assert!(parse(b"", |_, _| ()).is_err());
        assert!(parse(b"not|\na table\n", |_, _| ()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, row in "[ a-z:./]{0,8}:( [0-9]{0,21}){0,17}\n?") {
            let text = format!("{HEAD}{row}");
            for bytes in [&bytes[..], text.as_bytes()] {
                let done = parse(bytes, |name, _| assert!(is_name(name)));
                prop_assert!(done.is_err() || bytes.ends_with(b"\n"));
            }
        }
    }
}
