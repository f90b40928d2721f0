//! `PROC/mounts` and `/etc/fstab`, tables of the same form: device, mount point, type, options.
//!
//! See fstab(5). What would break a field is written as a backslash and three octal digits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::source::text::{Malformed, fields};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `/dev/sda1`, `server:/export`, `UUID=…`; for what has no device any word.
    pub device: String,
    /// The folder that it is mounted on; in fstab also `none` or `swap`.
    pub point: PathBuf,
    /// The type of file system: `ext4`.
    pub kind: String,
    /// By comma: `rw,relatime`.
    pub options: String,
}

impl Mount {
    /// Whether this is one of its options.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }

    /// Whether it is in another machine's or process's hands, and may therefore not answer. What
    /// is not known to be the kernel's own counts as such.
    #[must_use]
    pub fn may_hang(&self) -> bool {
        const OWN: [&str; 41] = [
            "autofs",
            "binfmt_misc",
            "bpf",
            "btrfs",
            "cgroup",
            "cgroup2",
            "configfs",
            "debugfs",
            "devpts",
            "devtmpfs",
            "efivarfs",
            "erofs",
            "exfat",
            "ext2",
            "ext3",
            "ext4",
            "f2fs",
            "fusectl",
            "hugetlbfs",
            "iso9660",
            "jfs",
            "mqueue",
            "msdos",
            "nfsd",
            "nsfs",
            "ntfs3",
            "overlay",
            "proc",
            "pstore",
            "ramfs",
            "rpc_pipefs",
            "securityfs",
            "selinuxfs",
            "squashfs",
            "sysfs",
            "tmpfs",
            "tracefs",
            "udf",
            "vfat",
            "xfs",
            "zfs",
        ];
        !OWN.contains(&self.kind.as_str())
    }

    /// What tells a file system from others: its device, or where it has none, as a memory or an
    /// overlay, the number that the kernel has for it. What may hang is not asked.
    fn identity(&self) -> Option<String> {
        if self.device.contains('/') {
            return Some(self.device.clone());
        }
        let known = (!self.may_hang()).then(|| fs::metadata(&self.point))?;
        known.ok().map(|known| known.dev().to_string())
    }
}

/// Of what is mounted at several places keeps the one with the shortest path: a bind mount, such as
/// those that systemd makes for a service, is as full as what it shows. The order stays.
pub fn keep_one_of_each(mounts: &mut Vec<Mount>) {
    let identities: Vec<Option<String>> = mounts.iter().map(Mount::identity).collect();
    let mut shortest: BTreeMap<&str, usize> = BTreeMap::new();
    for (identity, mount) in identities.iter().zip(&*mounts) {
        if let Some(identity) = identity {
            let length = mount.point.as_os_str().len();
            let known = shortest.entry(identity).or_insert(length);
            *known = length.min(*known);
        }
    }
    let mut identity = identities.iter();
    mounts.retain(|mount| {
        let Some(Some(identity)) = identity.next() else {
            return true;
        };
        let is_it = shortest.get(&**identity) == Some(&mount.point.as_os_str().len());
        // Once.
        is_it && shortest.remove(&**identity).is_some()
    });
}

/// All lines of `PROC/mounts`, in order.
pub fn parse(text: &[u8]) -> Result<Vec<Mount>, Malformed> {
    lines(text, None)
}

/// All lines of fstab that are no comments, in order. mount(8) takes one without options, too.
pub fn parse_fstab(text: &[u8]) -> Result<Vec<Mount>, Malformed> {
    lines(text, Some("defaults"))
}

/// With these options where a line has none.
fn lines(text: &[u8], default: Option<&str>) -> Result<Vec<Mount>, Malformed> {
    let mut mounts = Vec::new();
    for (bytes, line) in text.split(|byte| *byte == b'\n').zip(1..) {
        let mut columns = fields(bytes).map(unescaped);
        let device = match columns.next() {
            None => continue,
            Some(comment) if comment.starts_with(b"#") => continue,
            Some(device) => device,
        };
        let what = match default {
            Some(_) => "has not three fields",
            None => "has not four fields",
        };
        let mut next = || columns.next().ok_or(Malformed::Line { line, what });
        let (point, kind) = (next()?, next()?);
        let options = match (next(), default) {
            (Err(_), Some(default)) => default.as_bytes().to_vec(),
            (options, _) => options?,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        mounts.push(Mount {
            device: text(device),
            point: PathBuf::from(OsString::from_vec(point)),
            kind: text(kind),
            options: text(options),
        });
    }
    Ok(mounts)
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match octal(after) {
            Some(escaped) if *first == b'\\' => escaped,
            Some(_) | None => (*first, after),
        };
        plain.push(byte);
        rest = after;
    }
    plain
}

fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(3)?;
    let byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fstab_may_go_without_options() {
        let mounts = parse_fstab(b"/dev/sda1 /data xfs\n").unwrap();
        assert_eq!(mounts[0].options, "defaults");
        for (text, error) in [
            (
                parse_fstab(b"/dev/sda1 /data\n"),
                "line 1 has not three fields",
            ),
            (
                parse(b"/dev/sda1 /data xfs\n"),
                "line 1 has not four fields",
            ),
        ] {
            assert_eq!(text.unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_file_system_at_several_places_is_kept_at_the_shortest() {
        let text = b"tmpfs /nonexistent/a tmpfs rw\n/dev/a /long xfs rw\n/dev/b /b ext4 rw\n\
            /dev/a /x xfs rw\n/dev/a /y xfs rw\ns:/e /dev nfs rw\n/dev/a /x xfs rw\n\
            tmpfs /nonexistent/b tmpfs rw\nnone / overlay rw\nnone /bin overlay rw\n";
        let mut mounts = parse(text).unwrap();
        keep_one_of_each(&mut mounts);
        let points: Vec<&str> = mounts
            .iter()
            .map(|one| one.point.to_str().unwrap())
            .collect();
        // `/` and `/bin` are one file system wherever this runs.
        let kept = ["/nonexistent/a", "/b", "/x", "/dev", "/nonexistent/b", "/"];
        assert_eq!(points, kept);
    }

    #[test]
    fn fields_are_taken_out_of_their_escapes() {
        let text = b"# a comment\n\n/dev/sda1 / ext4 rw,relatime 0 0\n\
            //s/a\\040b\t/mnt/a\\040b\\134c cifs ro,x=rw,vers=3.0\nproc /proc proc defaults 0 0";
        let mounts = parse(text).unwrap();
        assert_eq!(mounts.len(), 3);
        assert_eq!(
            mounts[1],
            Mount {
                device: "//s/a b".to_owned(),
                point: PathBuf::from("/mnt/a b\\c"),
                kind: "cifs".to_owned(),
                options: "ro,x=rw,vers=3.0".to_owned(),
            }
        );
        assert!(mounts[1].has_option("ro") && !mounts[1].has_option("rw"));
        assert!(mounts[1].may_hang() && !mounts[0].may_hang());
        assert_eq!(
            parse(b"/dev/sda1 / ext4 rw\n/dev/sdb1 /x\n")
                .unwrap_err()
                .to_string(),
            "line 2 has not four fields"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "[a-z# \\\\0-9\n]{0,60}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                for mount in parse(bytes).into_iter().flatten() {
                    prop_assert!(!mount.device.is_empty());
                }
            }
        }
    }
}
