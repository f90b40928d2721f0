//! `PROC/stat`: ticks of each processor, and counters of the kernel since boot.

use crate::source::text::{Malformed, decimal, fields, lines};

/// Ticks (1/100 s on every common kernel) since boot, by what they were spent on, in the order of
/// [`Ticks::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    values: [u64; Self::NAMES.len()],
    count: usize,
}

impl Ticks {
    /// What ticks are spent on, in the kernel's order. Linux 2.6.11 added `steal`, 2.6.24 `guest`
    /// and 2.6.33 `guest_nice`; older ones have fewer columns.
    pub const NAMES: [&str; 10] = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    ];

    /// Those that this kernel has, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.values.iter().copied().take(self.count)
    }

    fn parse<'a>(columns: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        /// `user` to `idle`, which every kernel has.
        const FEWEST: usize = 4;
        let mut ticks = Self {
            values: [0; Self::NAMES.len()],
            count: 0,
        };
        for (value, column) in ticks.values.iter_mut().zip(columns) {
            *value = decimal(column)?;
            ticks.count += 1;
        }
        (ticks.count >= FEWEST).then_some(ticks)
    }
}

/// One line of the file, as far as it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// All processors together.
    Total(Ticks),
    /// One processor by its name, e.g. `cpu0`.
    Cpu(&'a str, Ticks),
    /// A counter or a gauge by the kernel's name: `intr` (all interrupts), `ctxt` (context
    /// switches), `btime` (boot, in seconds since the epoch), `processes` (forks),
    /// `procs_running`, `procs_blocked`.
    Number(&'static str, u64),
}

/// Hands over the entries in the kernel's order. An error may come after some of them.
pub fn parse<'a>(text: &'a [u8], mut entry: impl FnMut(Entry<'a>)) -> Result<(), Malformed> {
    let mut complete = false;
    for line in lines(text) {
        let (line, bytes) = line?;
        let mut columns = fields(bytes);
        let name = match columns.next() {
            Some(b"cpu") => {
                entry(Entry::Total(ticks(line, columns)?));
                continue;
            }
            Some(name) if name.starts_with(b"cpu") => {
                entry(Entry::Cpu(cpu_name(line, name)?, ticks(line, columns)?));
                continue;
            }
            Some(b"intr") => "intr",
            Some(b"ctxt") => "ctxt",
            Some(b"btime") => "btime",
            Some(b"processes") => "processes",
            Some(b"procs_running") => "procs_running",
            // The last of ours in every kernel: with it, no processor above was cut off.
            Some(b"procs_blocked") => {
                complete = true;
                "procs_blocked"
            }
            Some(_) | None => continue,
        };
        let number = columns.next().and_then(decimal).ok_or(Malformed::Line {
            line,
            what: "has no number in its second field",
        })?;
        entry(Entry::Number(name, number));
    }
    if complete {
        Ok(())
    } else {
        Err(Malformed::Missing("procs_blocked"))
    }
}

fn ticks<'a>(line: usize, columns: impl Iterator<Item = &'a [u8]>) -> Result<Ticks, Malformed> {
    Ticks::parse(columns).ok_or(Malformed::Line {
        line,
        what: "has no numbers of ticks",
    })
}

fn cpu_name(line: usize, name: &[u8]) -> Result<&str, Malformed> {
    name.strip_prefix(b"cpu")
        .and_then(decimal)
        .and_then(|_| str::from_utf8(name).ok())
        .ok_or(Malformed::Line {
            line,
            what: "has no number of a processor after cpu",
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(text: &str) -> Result<Vec<Entry<'_>>, Malformed> {
        let mut found = Vec::new();
        parse(text.as_bytes(), |entry| found.push(entry)).map(|()| found)
    }

    #[test]
    fn an_old_kernel_has_fewer_columns() {
        let found = entries("cpu  1 2 3 4\ncpu0 5 6 7 8\nprocs_blocked 0\n").unwrap();
        let (Entry::Total(total), Entry::Cpu("cpu0", cpu0)) = (found[0], found[1]) else {
            panic!("{found:?}");
        };
        assert_eq!(total.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(cpu0.iter().collect::<Vec<_>>(), [5, 6, 7, 8]);
    }

    #[test]
    fn says_which_line_is_wrong() {
        for (text, message) in [
            (
                "",
                "procs_blocked is missing, so the file is cut off or not the kernel's",
            ),
            ("cpu  1 2 3\n", "line 1 has no numbers of ticks"),
            ("cpu  1 2 3 x\n", "line 1 has no numbers of ticks"),
            (
                "cpux 1 2 3 4\n",
                "line 1 has no number of a processor after cpu",
            ),
            ("\nintr\n", "line 2 has no number in its second field"),
            ("ctxt -5\n", "line 1 has no number in its second field"),
            ("ctxt 5", "line 1 is cut off"),
        ] {
            assert_eq!(entries(text).unwrap_err().to_string(), message, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "(cpu|cpu0|intr|btime|[a-z]*)( [0-9x]*){0,12}\n?") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let done = parse(bytes, |_| ());
                prop_assert!(done.is_err() || bytes.ends_with(b"\n"));
            }
        }
    }
}
