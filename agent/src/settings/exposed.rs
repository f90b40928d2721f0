//! Settings files with secrets that others on this host can read.

use nix::unistd::{Gid, Group, getegid, getgroups};
use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use venus_event::redact;

/// A file that holds secrets, and who else can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The file.
    pub file: PathBuf,
    reader: Reader,
}

/// Who can read what is not his.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Everybody,
    Group(u32),
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reader {
            Reader::Group(group) => write!(f, "the group {}", name(group))?,
            Reader::Everybody => f.write_str("everybody on this host")?,
        }
        f.write_str(" can read a settings file with secrets")
    }
}

impl Exposed {
    /// What to do.
    #[must_use]
    pub fn advice(&self) -> String {
        let file = self.file.display();
        format!("chmod 640 {file}, and chgrp it to a group that only the agent's user is in")
    }
}

/// By its name, if it has one here.
fn name(group: u32) -> String {
    let known = Group::from_gid(Gid::from_raw(group));
    match known {
        Ok(Some(known)) => known.name,
        Ok(None) | Err(_) => group.to_string(),
    }
}

/// The groups of this process.
#[must_use]
pub fn own_groups() -> Vec<u32> {
    let mut groups = getgroups().unwrap_or_default();
    groups.push(getegid());
    groups.into_iter().map(Gid::as_raw).collect()
}

/// Which of `files` hold secrets (values of `keys`, and of keys that sound like secrets) and can
/// be read by others than their owner and `groups`; without groups only those that everybody can.
#[must_use]
pub fn find(files: &[PathBuf], keys: &[String], groups: Option<&[u32]>) -> Vec<Exposed> {
    let exposed = |file: &PathBuf| {
        let reader = reader(&way_to(file)?, groups)?;
        let attributes = venus_settings::read_file(file).ok()?;
        // What would not be shown is a secret.
        let is_secret = redact::shown(&attributes, keys) != attributes;
        is_secret.then(|| Exposed {
            file: file.clone(),
            reader,
        })
    };
    files.iter().filter_map(exposed).collect()
}

/// Who may do what with a file or directory.
#[derive(Debug, Clone, Copy)]
struct Rights {
    mode: u32,
    group: u32,
}

impl Rights {
    fn of(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode(),
            group: metadata.gid(),
        }
    }

    /// Whether somebody who is in this group and no other, or in none, has a right (4 to read, 1
    /// to pass through a directory). The owner has other ways.
    fn allow(self, right: u32, group: Option<u32>) -> bool {
        let shift = if group == Some(self.group) { 3 } else { 0 };
        self.mode >> shift & right != 0
    }
}

/// The file, then the directories that whoever reads it has to pass.
fn way_to(file: &Path) -> Option<Vec<Rights>> {
    let file = file.canonicalize().ok()?;
    let rights = |path: &Path| Some(Rights::of(&fs::metadata(path).ok()?));
    file.ancestors().map(rights).collect()
}

/// Who can go this way: everybody, or a group that is none of `groups`, nor root's.
fn reader(way: &[Rights], groups: Option<&[u32]>) -> Option<Reader> {
    let (file, directories) = way.split_first()?;
    let can_read = |group: Option<u32>| {
        let mut directories = directories.iter();
        file.allow(4, group) && directories.all(|directory| directory.allow(1, group))
    };
    if can_read(None) {
        return Some(Reader::Everybody);
    }
    let own = groups?;
    let mut others = way.iter().map(|rights| rights.group);
    let other = others.find(|group| *group != 0 && !own.contains(group) && can_read(Some(*group)));
    other.map(Reader::Group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const OWN: u32 = 990;
    const OTHER: u32 = 100;

    #[test]
    fn who_else_can_read_a_file_depends_on_all_directories_above_it() {
        let root = (0o755, 0);
        for (way, expected) in [
            (&[(0o644, OWN), root][..], Some(Reader::Everybody)),
            (&[(0o604, OWN), root], Some(Reader::Everybody)),
            (&[(0o640, OWN), root], None),
            (&[(0o640, 0), root], None),
            (&[(0o600, OTHER), root], None),
            (&[(0o640, OTHER), root], Some(Reader::Group(OTHER))),
            // A directory that only the agent's group may pass, and one that only others may.
            (&[(0o644, 0), (0o750, OWN), root], None),
            (
                &[(0o644, 0), (0o750, OTHER), root],
                Some(Reader::Group(OTHER)),
            ),
            (&[(0o640, OTHER), (0o750, OWN), root], None),
            (&[(0o644, 0), root, (0o700, 0), root], None),
            // Readable by all but its group.
            (&[(0o604, OTHER), root], Some(Reader::Everybody)),
        ] {
            let way: Vec<_> = way
                .iter()
                .map(|&(mode, group)| Rights { mode, group })
                .collect();
            assert_eq!(reader(&way, Some(&[OWN])), expected, "{way:?}");
            let by_all = expected.filter(|reader| *reader == Reader::Everybody);
            assert_eq!(reader(&way, None), by_all, "{way:?}");
        }
    }

    #[test]
    fn a_file_without_secrets_may_be_read_by_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let files = [
            ("plain.json", r#"{"client": {"name": "one", "pin": "1"}}"#),
            ("pin.json", r#"{"client": {"pin": "hunter2"}}"#),
            (
                "key.json",
                r#"{"rabbitmq": {"ssl": {"private_key_file": "/etc/key.pem"}}}"#,
            ),
            ("password.json", r#"{"rabbitmq": {"password": "hunter2"}}"#),
            ("uri.json", r#"{"rabbitmq": "amqp://u:hunter2@h"}"#),
            ("hidden.json", r#"{"slack": {"token": "hunter2"}}"#),
        ];
        let files = files.map(|(name, text)| {
            let file = dir.path().join(name);
            fs::write(&file, text).unwrap();
            let mode = if name == "hidden.json" { 0o600 } else { 0o644 };
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        });
        let names = |keys: &[String]| {
            let found = find(&files, keys, None);
            let name = |found: Exposed| found.file.file_name().unwrap().to_owned();
            found.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["password.json", "uri.json"]);
        let pin = ["pin".to_owned()];
        let all = ["plain.json", "pin.json", "password.json", "uri.json"];
        assert_eq!(names(&pin), all);
        let found = find(&files[3..4], &[], None);
        let says = "everybody on this host can read a settings file with secrets";
        assert_eq!(found[0].to_string(), says);
        let advice = format!("chmod 640 {}", files[3].display());
        assert!(found[0].advice().starts_with(&advice));
    }
}
