//! `metrics-disk-usage`: how full each file system is.
//!
//! Sources `PROC/mounts`, kept open, and statvfs(3) of each mount point. Any Linux. One read and one
//! call for each; one of a file server or of FUSE is asked on a thread, waited for a second, and while
//! it hangs not asked again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use regex_lite::Regex;

use crate::collect::said::Said;
use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{Lines, sanitise};
use crate::options::{Given, Kind, OptionError, OptionSpec};
use crate::source::kernel_file::KernelFile;
use crate::source::mounts::{self, Mount};
use crate::source::space::{Asker, Space, SpaceError};
use crate::source::text::Malformed;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-disk-usage",
    about: "How full each file system is, in bytes and inodes",
    scheme_suffix: "disk_usage",
    builtin: None,
    options: &[
        text(
            IGNORE,
            'i',
            "REGEX[,REGEX]",
            "Leave out mount points that have a match",
        ),
        text(
            INCLUDE,
            'I',
            "REGEX[,REGEX]",
            "Show only mount points that have a match",
        ),
        text(
            IGNORE_TYPE,
            'x',
            "TYPE[,TYPE]",
            "Leave out these types of file systems",
        ),
        text(
            TYPE,
            't',
            "TYPE[,TYPE]",
            "Show only these types of file systems",
        ),
        flag(LOCAL, 'l', "Leave out file systems of servers and of FUSE"),
        flag(
            FLATTEN,
            'f',
            "One node for each: media_sda1, not root.media.sda1",
        ),
        OptionSpec {
            name: BLOCK_SIZE,
            short: Some('B'),
            kind: Kind::Choice(&["M", "B", "K", "G"]),
            value_name: "UNIT",
            help: "Sizes in MiB, bytes, KiB or GiB, rounded up",
        },
    ],
    build,
};

const IGNORE: &str = "ignore-mount";
const INCLUDE: &str = "include-mount";
const IGNORE_TYPE: &str = "ignore-type";
// Not `type`, as each check in the agent has that.
const TYPE: &str = "include-type";
const LOCAL: &str = "local";
const FLATTEN: &str = "flatten";
const BLOCK_SIZE: &str = "block-size";

/// The longest that one file system is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the kernel keeps for itself, at these folders and below.
const KERNELS_OWN: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

const fn text(
    name: &'static str,
    short: char,
    value_name: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        name,
        short: Some(short),
        kind: Kind::Text,
        value_name,
        help,
    }
}

const fn flag(name: &'static str, short: char, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        short: Some(short),
        kind: Kind::Flag,
        value_name: "",
        help,
    }
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let given = setup.given;
    let unit = match given.choice(BLOCK_SIZE) {
        Some("B") => 1,
        Some("K") => 1 << 10,
        Some("G") => 1 << 30,
        _ => 1 << 20,
    };
    Ok(Box::new(DiskUsage {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("mounts")),
        buffer: Vec::new(),
        table: Vec::new(),
        filter: Filter::given(given)?,
        flatten: given.flag(FLATTEN),
        unit,
        shown: Vec::new(),
        asker: Asker::default(),
        said: Said::default(),
    }))
}

/// Which mounts are to be shown.
struct Filter {
    ignore: Vec<Regex>,
    include: Option<Vec<Regex>>,
    ignore_types: Vec<String>,
    types: Option<Vec<String>>,
    is_local: bool,
}

impl Filter {
    fn given(given: &Given) -> Result<Self, OptionError> {
        let words = |name: &'static str| -> Option<Vec<String>> {
            let words = given.text(name)?.split(',');
            Some(words.map(str::to_owned).collect())
        };
        let regexes = |name: &'static str| -> Result<Option<Vec<Regex>>, OptionError> {
            let Some(words) = words(name) else {
                return Ok(None);
            };
            let regex = |word: &String| {
                Regex::new(word).map_err(|error| OptionError::BadValue {
                    name,
                    value: word.clone(),
                    why: error.to_string(),
                })
            };
            words.iter().map(regex).collect::<Result<_, _>>().map(Some)
        };
        Ok(Self {
            ignore: regexes(IGNORE)?.unwrap_or_default(),
            include: regexes(INCLUDE)?,
            ignore_types: words(IGNORE_TYPE).unwrap_or_default(),
            types: words(TYPE),
            is_local: given.flag(LOCAL),
        })
    }

    fn shows(&self, mount: &Mount) -> bool {
        let point = mount.point.to_string_lossy();
        let any = |regexes: &Vec<Regex>| regexes.iter().any(|regex| regex.is_match(&point));
        let is_type = |types: &Vec<String>| types.contains(&mount.kind);
        // To ask an automounter's folder would mount what it stands for.
        mount.kind != "autofs"
            && !KERNELS_OWN.iter().any(|own| mount.point.starts_with(own))
            && !any(&self.ignore)
            && self.include.as_ref().is_none_or(any)
            && !is_type(&self.ignore_types)
            && self.types.as_ref().is_none_or(is_type)
            && !(self.is_local && mount.may_hang())
    }
}

/// A mount that is shown.
struct Shown {
    mount: Mount,
    /// What its paths begin with, and a dot.
    node: Vec<u8>,
}

struct DiskUsage {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
    /// The table of mounts that is known.
    table: Vec<u8>,
    filter: Filter,
    flatten: bool,
    /// Bytes.
    unit: u64,
    shown: Vec<Shown>,
    asker: Asker,
    said: Said,
}

impl DiskUsage {
    /// Reads which there are, which seldom changes.
    fn look(&mut self) -> Result<(), CollectError> {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        if text == self.table {
            return Ok(());
        }
        let path = self.file.path();
        let mounts = mounts::parse(text).map_err(|error| CollectError::malformed(path, error))?;
        if !text.ends_with(b"\n") {
            let line = mounts.len();
            return Err(CollectError::malformed(path, Malformed::Cut { line }));
        }
        self.table = text.to_vec();
        // What is mounted over something else is what is seen there.
        let mut by_point: BTreeMap<_, Mount> = BTreeMap::new();
        for mount in mounts {
            by_point.insert(mount.point.clone(), mount);
        }
        let filter = &self.filter;
        let mut shown: Vec<Mount> = by_point
            .into_values()
            .filter(|one| filter.shows(one))
            .collect();
        mounts::keep_one_of_each(&mut shown);
        shown.sort_by(|one, other| one.point.cmp(&other.point));
        self.shown = shown
            .into_iter()
            .map(|mount| Shown {
                node: node(&self.prefix, &mount.point, self.flatten),
                mount,
            })
            .collect();
        Ok(())
    }
}

/// `root.var.lib` or, flat, `var_lib`; the root itself is `root` either way.
fn node(prefix: &[u8], point: &Path, flatten: bool) -> Vec<u8> {
    let parts = point.components().skip(1);
    let parts = parts.map(|part| sanitise(&part.as_os_str().to_string_lossy()).replace('.', "_"));
    let parts: Vec<String> = parts.collect();
    let name = match (&parts[..], flatten) {
        ([], _) => "root".to_owned(),
        (parts, true) => parts.join("_"),
        (parts, false) => format!("root.{}", parts.join(".")),
    };
    [prefix, name.as_bytes(), b"."].concat()
}

impl Collector for DiskUsage {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        self.look()?;
        let before = out.len();
        let mut lines = Lines::new(out, now);
        let mut wrong = Vec::new();
        for Shown { mount, node } in &self.shown {
            match self.asker.ask(mount, PATIENCE) {
                Ok(space) => write(&space, node, self.unit, &mut lines),
                Err(error) => {
                    // It has had that long, now or before.
                    let source = match error {
                        SpaceError::Hangs(_) => SpaceError::Hangs(PATIENCE),
                        refused @ SpaceError::Refused(_) => refused,
                    };
                    let point = mount.point.clone();
                    wrong.push(CollectError::Space { point, source });
                }
            }
        }
        let any_wrong = !wrong.is_empty();
        self.said.news(wrong, problems);
        if out.len() == before && !any_wrong {
            let nothing = format!("no file system to show in {}", self.file.path().display());
            return Ok(Presence::Absent(nothing));
        }
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, _now: u64) -> bool {
        true
    }

    fn explain(&self) -> Vec<String> {
        let mut lines = vec![format!("mounts from {}", self.file.path().display())];
        lines.extend(self.shown.iter().map(|Shown { mount, .. }| {
            let Mount { point, device, .. } = mount;
            format!("statvfs of {} ({device})", point.display())
        }));
        lines
    }
}

/// What has no size is not shown.
fn write(space: &Space, node: &[u8], unit: u64, lines: &mut Lines<'_>) {
    let mut number = |name: &[u8], value: u64| lines.number(&[node, name], value);
    let used = space.used();
    if let Some(percentage) = percentage(used, space.available) {
        number(b"used", used.div_ceil(unit));
        number(b"avail", space.available.div_ceil(unit));
        number(b"used_percentage", percentage);
        number(b"total", space.total.div_ceil(unit));
    }
    let inodes_used = space.inodes.saturating_sub(space.inodes_free);
    if let Some(percentage) = percentage(inodes_used, space.inodes_free) {
        number(b"iused", inodes_used);
        number(b"iavail", space.inodes_free);
        number(b"iused_percentage", percentage);
    }
}

/// Of what everybody may use, rounded up, as df has it; `None` where there is nothing to be used.
fn percentage(used: u64, available: u64) -> Option<u64> {
    let all = u128::from(used) + u128::from(available);
    let percentage = (u128::from(used) * 100 + all)
        .checked_sub(1)?
        .checked_div(all)?;
    u64::try_from(percentage).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_a_path() {
        for (point, flatten, shown) in [
            ("/", false, "s.root."),
            ("/", true, "s.root."),
            ("/var/lib", false, "s.root.var.lib."),
            ("/var/lib", true, "s.var_lib."),
            ("/mnt/a b.c|d", false, "s.root.mnt.a_b_c_d."),
        ] {
            let node = node(b"s.", Path::new(point), flatten);
            assert_eq!(String::from_utf8(node).unwrap(), shown);
        }
    }

    #[test]
    fn sizes_are_rounded_up_as_df_does() {
        assert_eq!(percentage(1, 999), Some(1));
        assert_eq!(percentage(0, 7), Some(0));
        assert_eq!(percentage(7, 0), Some(100));
        assert_eq!(percentage(1, 2), Some(34));
        assert_eq!(percentage(0, 0), None);
        assert_eq!(percentage(u64::MAX, u64::MAX), Some(50));
        let space = Space {
            total: 3 << 20,
            free: (1 << 20) + 1,
            available: 1 << 20,
            inodes: 0,
            inodes_free: 0,
        };
        let mut out = Vec::new();
        write(&space, b"s.root.", 1 << 20, &mut Lines::new(&mut out, 7));
        let text = "s.root.used 2 7\ns.root.avail 1 7\ns.root.used_percentage 67 7\n\
            s.root.total 3 7\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
