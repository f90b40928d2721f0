//! What the kernel counts of NFS: `PROC/net/rpc/nfs` and `nfsd`, lines of a name and numbers; and
//! `PROC/self/mountstats`, for each mount what became of its requests.

use crate::source::text::{Malformed, decimal, fields, lines};

/// Hands over each line of `PROC/net/rpc/nfs` or `nfsd`: its name, and what follows.
pub fn rows<'a>(
    text: &'a [u8],
    mut row: impl FnMut(&'a [u8], &mut dyn Iterator<Item = &'a [u8]>) -> Option<()>,
) -> Result<(), Malformed> {
    let mut any = false;
    for line in lines(text) {
        let (line, bytes) = line?;
        let mut columns = fields(bytes);
        let named = columns.next().and_then(|name| row(name, &mut columns));
        named.ok_or(Malformed::Line {
            line,
            what: "is not a name and as many numbers as it should have",
        })?;
        any = true;
    }
    if any {
        Ok(())
    } else {
        Err(Malformed::Missing("the first line"))
    }
}

/// The numbers of a row that begins with how many there are.
pub fn counted(
    columns: &mut dyn Iterator<Item = &[u8]>,
    mut number: impl FnMut(usize, u64),
) -> Option<()> {
    let count = decimal(columns.next()?)?;
    let mut seen = 0;
    for (place, column) in columns.enumerate() {
        number(place, decimal(column)?);
        seen += 1;
    }
    (seen == count).then_some(())
}

/// Something that is told of a mount of NFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// Where it is mounted, with what would break a field as a backslash and three octal digits;
    /// all that follows is of it.
    Mount(&'a [u8]),
    /// What went over the network, in bytes.
    Bytes {
        /// From the server.
        read: u64,
        /// To the server.
        written: u64,
    },
    /// One kind of request.
    Operation(Operation<'a>),
}

/// What became of the requests of one kind since it was mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// As the kernel has it: `READ`.
    pub name: &'a [u8],
    /// How many there were.
    pub requests: u64,
    /// How often they were sent: more, where an answer did not come in time.
    pub sent: u64,
    /// How often it was waited for as long as it may be.
    pub timeouts: u64,
    /// Milliseconds from sending to the answer, of all together.
    pub round_trip: u64,
    /// Milliseconds from the wish to its end, of all together.
    pub in_all: u64,
}

/// Hands over what is told of each mount of NFS. An error may come after some of it.
pub fn mounts<'a>(text: &'a [u8], mut told: impl FnMut(Told<'a>)) -> Result<(), Malformed> {
    /// What is being read of which mount.
    #[derive(PartialEq)]
    enum Part {
        Other,
        Head,
        Operations,
    }
    let mut part = Part::Other;
    for line in lines(text) {
        let (line, bytes) = line?;
        let malformed = |what| Malformed::Line { line, what };
        let mut columns = fields(bytes);
        let Some(first) = columns.next() else {
            continue;
        };
        match first {
            b"device" => {
                let mount = mount(bytes);
                let (point, kind) = mount.ok_or(malformed("is not a device and where it is"))?;
                part = Part::Other;
                if matches!(kind, b"nfs" | b"nfs4") {
                    part = Part::Head;
                    told(Told::Mount(point));
                }
            }
            b"bytes:" if part == Part::Head => {
                let mut number = |skip| columns.nth(skip).and_then(decimal);
                let numbers = number(4).zip(number(0));
                let (read, written) = numbers.ok_or(malformed("has not 6 numbers"))?;
                told(Told::Bytes { read, written });
            }
            b"per-op" if part == Part::Head => part = Part::Operations,
            _ if part == Part::Operations => {
                let operation = operation(first, &mut columns);
                let operation = operation.ok_or(malformed("is not a request with 8 numbers"))?;
                told(Told::Operation(operation));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The place and the type in `device D mounted on P with fstype T …`.
fn mount(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|byte| *byte == b' ');
    // The kernel escapes blanks in names.
    let (point, with) = (words.nth(4)?, words.next()?);
    let (fstype, kind) = (words.next()?, words.next()?);
    (with == b"with" && fstype == b"fstype").then_some((point, kind))
}

fn operation<'a>(
    name: &'a [u8],
    columns: &mut dyn Iterator<Item = &'a [u8]>,
) -> Option<Operation<'a>> {
    let name = name.strip_suffix(b":").filter(|name| !name.is_empty())?;
    let mut number = |skip: usize| columns.nth(skip).and_then(decimal);
    let (requests, sent, timeouts) = (number(0)?, number(0)?, number(0)?);
    // Between them: bytes sent, bytes received, time in the queue.
    let (round_trip, in_all) = (number(3)?, number(0)?);
    Some(Operation {
        name,
        requests,
        sent,
        timeouts,
        round_trip,
        in_all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOUNTS: &[u8] = b"device proc mounted on /proc with fstype proc\n\
        device s:/e mounted on /a\\040b with fstype nfs4 statvers=1.1\n\
        \topts:\trw,vers=4.1\n\tbytes:\t1 2 3 4 5 6 7 8 \n\tper-op statistics\n\
        \t        NULL: 0 0 0 0 0 0 0 0\n\t        READ: 10 12 1 2 3 4 50 60 1\n\n\
        device rootfs mounted on / with fstype rootfs\n";

    #[test]
    fn what_is_told_of_each_mount() {
        let mut all = Vec::new();
        mounts(MOUNTS, |told| all.push(told)).unwrap();
        let operation = |name, [requests, sent, timeouts, round_trip, in_all]: [u64; 5]| {
            Told::Operation(Operation {
                name,
                requests,
                sent,
                timeouts,
                round_trip,
                in_all,
            })
        };
        let expected = [
            Told::Mount(b"/a\\040b"),
            Told::Bytes {
                read: 5,
                written: 6,
            },
            operation(b"NULL", [0; 5]),
            operation(b"READ", [10, 12, 1, 50, 60]),
        ];
        assert_eq!(all, expected);
        let head = "device s:/e mounted on /a with fstype nfs\n";
        for (text, message) in [
            ("device x\n", "line 1 is not a device and where it is"),
            (
                &format!("{head}bytes: 1 2 3 4 5\n"),
                "line 2 has not 6 numbers",
            ),
            (
                &format!("{head}per-op statistics\nREAD: 1 2 3 4 5 6 7\n"),
                "line 3 is not a request with 8 numbers",
            ),
            (head.trim(), "line 1 is cut off"),
        ] {
            let error = mounts(text.as_bytes(), |_| ()).unwrap_err();
            assert_eq!(error.to_string(), message, "{text:?}");
        }
    }

    #[test]
    fn a_row_has_as_many_numbers_as_it_says() {
        for (text, fits) in [
            ("proc3 2 0 7\n", true),
            ("proc3 0\n", true),
            ("proc3 3 0 7\n", false),
            ("proc3 1 0 7\n", false),
            ("proc3 2 0 x\n", false),
            ("proc3\n", false),
            ("\n", false),
            ("", false),
        ] {
            let done = rows(text.as_bytes(), |_, columns| counted(columns, |_, _| ()));
            assert_eq!(done.is_ok(), fits, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..MOUNTS.len()) {
            for text in [&bytes[..], &MOUNTS[..at], &[&MOUNTS[..at], &bytes].concat()] {
                for done in [
                    mounts(text, |_| ()).err(),
                    rows(text, |_, columns| counted(columns, |_, _| ())).err(),
                ].into_iter().flatten() {
                    prop_assert!(!done.to_string().is_empty());
                }
            }
        }
    }
}
