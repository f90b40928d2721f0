//! What lines look like on the way to Carbon.

/// Points of one pickle. Carbon takes a megabyte at once; this many of the longest paths fit.
const POINTS: usize = 400;
/// What fits into one packet of most networks, headers left out.
const DATAGRAM: usize = 1_400;

/// Messages of Carbon's pickle receiver: four bytes of length, and a list of
/// `(PATH, (TIME, VALUE))` in Python's protocol 2.
pub(crate) fn pickles(lines: &str) -> Vec<u8> {
    let mut messages = Vec::with_capacity(lines.len() * 2);
    let mut points = lines.lines().filter_map(point).peekable();
    while points.peek().is_some() {
        let start = messages.len();
        // Its length is not known yet. A list, and a mark before its items.
        messages.extend_from_slice(b"\0\0\0\0\x80\x02](");
        for (path, value, time) in points.by_ref().take(POINTS) {
            messages.push(b'X');
            messages.extend_from_slice(&length(path.len()).to_le_bytes());
            messages.extend_from_slice(path.as_bytes());
            for number in [time, value] {
                messages.push(b'G');
                messages.extend_from_slice(&number.to_be_bytes());
            }
            // A pair of the numbers, and one of path and pair.
            messages.extend_from_slice(b"\x86\x86");
        }
        messages.extend_from_slice(b"e.");
        let message = length(messages.len() - start - 4).to_be_bytes();
        for (to, from) in messages.iter_mut().skip(start).zip(message) {
            *to = from;
        }
    }
    messages
}

/// No message comes near the end of this range.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A line was checked before it got here.
fn point(line: &str) -> Option<(&str, f64, f64)> {
    let mut words = line.split(' ');
    let path = words.next()?;
    Some((
        path,
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
    ))
}

/// Whole lines, as many as go into a packet each.
pub(crate) fn datagrams(lines: &str) -> impl Iterator<Item = &str> {
    let mut left = lines;
    std::iter::from_fn(move || {
        let (first, _) = left.split_once('\n')?;
        let mut end = first.len() + 1;
        while let Some((next, _)) = left.get(end..).and_then(|rest| rest.split_once('\n')) {
            if end + next.len() + 1 > DATAGRAM {
                break;
            }
            end += next.len() + 1;
        }
        let (datagram, rest) = left.split_at_checked(end)?;
        left = rest;
        Some(datagram)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pickle_to_the_byte() {
        // What `pickletools.dis` shows: [('a.b', (1795477200.0, -0.5))], protocol 2.
        let expected = [
            b"\x00\x00\x00\x22\x80\x02](X\x03\x00\x00\x00a.bG".as_slice(),
            &1_795_477_200_f64.to_be_bytes(),
            b"G\xbf\xe0\x00\x00\x00\x00\x00\x00\x86\x86e.",
        ];
        assert_eq!(pickles("a.b -0.5 1795477200\n"), expected.concat());
        assert_eq!(pickles(""), b"");
    }

    #[test]
    fn many_points_are_several_pickles() {
        let lines = "a 1 1795477200\n".repeat(POINTS + 1);
        let pickles = pickles(&lines);
        let first = u32::from_be_bytes(pickles[..4].try_into().unwrap());
        let second = &pickles[4 + usize::try_from(first).unwrap()..];
        let length = u32::from_be_bytes(second[..4].try_into().unwrap());
        assert_eq!(second.len(), 4 + usize::try_from(length).unwrap());
    }

    #[test]
    fn the_longest_pickle_is_less_than_carbon_takes() {
        let path = "a".repeat(crate::path::LONGEST_PATH);
        let lines = format!("{path} 1 1795477200\n").repeat(POINTS);
        assert!(pickles(&lines).len() < 1 << 20);
    }

    proptest! {
        #[test]
        fn datagrams_are_whole_lines_in_their_order(lengths in prop::collection::vec(0..3_000_usize, 0..40)) {
            let lines: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            let datagrams: Vec<&str> = datagrams(&lines).collect();
            prop_assert_eq!(datagrams.concat(), lines.as_str());
            for datagram in datagrams {
                prop_assert!(datagram.ends_with('\n'));
                prop_assert!(datagram.len() <= DATAGRAM || datagram.lines().count() == 1);
            }
        }
    }
}
