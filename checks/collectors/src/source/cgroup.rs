//! Control groups of containers and jobs, of cgroup v1 and v2: where they are, and their files.
//!
//! Kernel documents `admin-guide/cgroup-v2.rst` and `admin-guide/cgroup-v1/`. Which version a
//! host has is seen below `SYS/fs/cgroup`; both at once is the hybrid layout of systemd, with
//! the second below `unified` and without controllers of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::source::cgroup_path::{self, Owner};
use crate::source::text::{Malformed, decimal, fields, lines};

/// A hierarchy of control groups: that of version 2, or that of one controller of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hierarchy {
    /// All controllers in one tree.
    Unified,
    /// Version 1: time used.
    Cpuacct,
    /// Version 1: time limited.
    Cpu,
    /// Version 1: memory.
    Memory,
    /// Version 1: block devices.
    Blkio,
    /// Version 1: numbers of processes.
    Pids,
}

/// Where each group of somebody's is, by hierarchy.
pub type Groups = BTreeMap<Owner, BTreeMap<Hierarchy, PathBuf>>;

/// How deep below the root groups are looked for.
const DEEPEST: usize = 12;

/// The hierarchies that are mounted.
#[must_use]
pub fn hierarchies(sys: &Path) -> Vec<(Hierarchy, PathBuf)> {
    let root = sys.join("fs/cgroup");
    let v1 = [
        (Hierarchy::Cpuacct, "cpuacct"),
        (Hierarchy::Cpu, "cpu"),
        (Hierarchy::Memory, "memory"),
        (Hierarchy::Blkio, "blkio"),
        (Hierarchy::Pids, "pids"),
    ];
    let mut found: Vec<_> = v1
        .map(|(hierarchy, name)| (hierarchy, root.join(name)))
        .into_iter()
        .filter(|(_, path)| path.join("cgroup.procs").exists())
        .collect();
    let unified = [root.clone(), root.join("unified")];
    // Only version 2 has this file.
    let unified = unified
        .into_iter()
        .find(|path| path.join("cgroup.controllers").exists());
    found.extend(unified.map(|path| (Hierarchy::Unified, path)));
    found
}

/// The groups of containers, machines and jobs. What is below them belongs to them.
#[must_use]
pub fn groups(hierarchies: &[(Hierarchy, PathBuf)]) -> Groups {
    let mut groups = Groups::new();
    for (hierarchy, root) in hierarchies {
        walk(root, root, 0, &mut |owner, path| {
            let group = groups.entry(owner).or_default();
            group.entry(*hierarchy).or_insert(path);
        });
    }
    groups
}

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut impl FnMut(Owner, PathBuf)) {
    // A group that is removed meanwhile cannot be listed.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
        let owner = cgroup_path::owners(&below).into_iter().next();
        match owner {
            Some(owner @ (Owner::Container(_) | Owner::Job(_) | Owner::Machine(_))) => {
                found(owner, path);
            }
            Some(Owner::Unit(_)) | None if depth < DEEPEST => walk(root, &path, depth + 1, found),
            Some(Owner::Unit(_)) | None => {}
        }
    }
}

/// Whether a group has groups below it.
#[must_use]
pub fn has_children(group: &Path) -> bool {
    let mut entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

/// The values of these keys in a file of lines `KEY VALUE`, as `cpu.stat` or `memory.stat`; the
/// kernel adds keys, and some are there only with a certain configuration.
pub fn keyed<const N: usize>(text: &[u8], keys: [&str; N]) -> Result<[Option<u64>; N], Malformed> {
    let mut values = [None; N];
    for line in lines(text) {
        let (line, bytes) = line?;
        let mut fields = fields(bytes);
        let key = fields.next().unwrap_or_default();
        let mut places = keys.iter().zip(&mut values);
        if let Some((_, value)) = places.find(|(wanted, _)| wanted.as_bytes() == key) {
            let number = fields.next().and_then(decimal);
            *value = Some(number.ok_or(Malformed::Line {
                line,
                what: "is not a key and a number",
            })?);
        }
    }
    Ok(values)
}

/// The one value of a file such as `memory.max`, where `max` is no limit.
pub fn limit(text: &[u8]) -> Result<Option<u64>, Malformed> {
    match text {
        b"max\n" => Ok(None),
        _ => super::text::only_decimal(text).map(Some),
    }
}

/// `memory.limit_in_bytes`, which has the largest number of pages for no limit.
pub fn limit_v1(text: &[u8]) -> Result<Option<u64>, Malformed> {
    /// The largest signed number, less a page of up to 64 kB, in bytes.
    const NONE: u64 = i64::MAX.cast_unsigned() - 0xffff;
    Ok(limit(text)?.filter(|bytes| *bytes < NONE))
}

/// Bytes and operations on block devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Io {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

/// `io.stat`: a line `MAJOR:MINOR rbytes=… wbytes=… rios=… wios=…` for each device that was used.
/// The sums of bytes and of operations; `None` if none was used yet.
pub fn io_stat(text: &[u8]) -> Result<Option<(Io, Io)>, Malformed> {
    let mut sums = [0_u64; 4];
    let mut some = false;
    for line in lines(text) {
        let (line, bytes) = line?;
        for field in fields(bytes) {
            let mut halves = field.splitn(2, |byte| *byte == b'=');
            let key = halves.next().unwrap_or_default();
            let keys = ["rbytes", "wbytes", "rios", "wios"];
            let mut places = keys.iter().zip(&mut sums);
            if let Some((_, sum)) = places.find(|(wanted, _)| wanted.as_bytes() == key) {
                let value = halves.next().and_then(decimal).ok_or(Malformed::Line {
                    line,
                    what: "has something else than a number behind a key",
                })?;
                *sum = sum.wrapping_add(value);
                some = true;
            }
        }
    }
    let [read, written, reads, writes] = sums;
    let bytes = Io { read, written };
    let operations = Io {
        read: reads,
        written: writes,
    };
    Ok(some.then_some((bytes, operations)))
}

/// `blkio.throttle.io_service_bytes` or `…io_serviced`: lines `MAJOR:MINOR Read N`, `… Write N` and
/// others for each device, and `Total N` at the end. The sums over all devices.
pub fn blkio(text: &[u8]) -> Result<Io, Malformed> {
    let mut sums = Io::default();
    let mut is_whole = false;
    for line in lines(text) {
        let (line, bytes) = line?;
        let mut fields = fields(bytes);
        let (device, kind) = (fields.next(), fields.next().unwrap_or_default());
        is_whole = device == Some(b"Total");
        let sum = match kind {
            b"Read" => &mut sums.read,
            b"Write" => &mut sums.written,
            _ => continue,
        };
        let number = fields.next().and_then(decimal).ok_or(Malformed::Line {
            line,
            what: "is not a device, an operation and a number",
        })?;
        *sum = sum.wrapping_add(number);
    }
    if is_whole {
        Ok(sums)
    } else {
        Err(Malformed::Missing("the total at the end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_have_values_where_they_are() {
        let text = b"usage_usec 5\nuser_usec 3\nof_a_later_kernel x y\n";
        assert_eq!(
            keyed(text, ["user_usec", "nr_periods", "usage_usec"]),
            Ok([Some(3), None, Some(5)])
        );
        assert!(keyed(b"usage_usec x\n", ["usage_usec"]).is_err());
        assert!(keyed(b"usage_usec\n", ["usage_usec"]).is_err());
        assert!(keyed(b"usage_usec 5", ["usage_usec"]).is_err());
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(limit(b"max\n"), Ok(None));
        assert_eq!(limit(b"4096\n"), Ok(Some(4096)));
        assert!(limit(b"ma\n").is_err());
        assert_eq!(limit_v1(b"9223372036854771712\n"), Ok(None));
        assert_eq!(limit_v1(b"9223372036854710272\n"), Ok(None), "64 kB pages");
        assert_eq!(limit_v1(b"68719476736\n"), Ok(Some(64 << 30)));
    }

    #[test]
    fn devices_are_summed() {
        let text = b"8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9 dios=9\n\
            252:3 \n259:0 rbytes=10 wbytes=20 rios=30 wios=40 dbytes=9 dios=9\n";
        let bytes = Io {
            read: 11,
            written: 22,
        };
        let operations = Io {
            read: 33,
            written: 44,
        };
        assert_eq!(io_stat(text), Ok(Some((bytes, operations))));
        assert_eq!(io_stat(b""), Ok(None));
        assert!(io_stat(b"8:0 rbytes=x\n").is_err());
        let text = b"8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Total 3\n\
            8:16 Read 10\n8:16 Write 20\n8:16 Sync 0\n8:16 Async 30\n8:16 Total 30\nTotal 33\n";
        assert_eq!(blkio(text), Ok(bytes));
        assert_eq!(blkio(b"Total 0\n"), Ok(Io::default()));
        let cut = text.strip_suffix(b"Total 33\n").unwrap();
        assert!(blkio(cut).is_err());
        assert!(blkio(b"").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, near in "([a-z0-9:]{0,6}[ =][0-9]{0,21}\n?){0,4}") {
            for text in [&bytes[..], near.as_bytes()] {
                let done = [
                    keyed(text, ["a", "b"]).is_ok(),
                    limit(text).is_ok(),
                    limit_v1(text).is_ok(),
                    io_stat(text).is_ok(),
                    blkio(text).is_ok(),
                ];
                prop_assert!(done == [false; 5] || text.is_empty() || text.ends_with(b"\n"));
            }
        }
    }
}
