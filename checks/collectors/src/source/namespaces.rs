//! The network namespaces of this host other than our own: who is in them, and what they are
//! called.
//!
//! One walk over `PROC/PID/ns/net` and `/run/netns`. The link `ns/net` of another user's process
//! may be followed with `CAP_SYS_PTRACE` only; without it the kernel is asked by pid, which tells
//! apart those namespaces that a link of ours leads to.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstatat};

use crate::source::cgroup_path::{self, Owner};
use crate::source::kernel_file;
use crate::source::rtnetlink::{Link, Rtnetlink};

/// Where ip-netns(8) keeps named namespaces.
pub const NAMED: &str = "/run/netns";

/// A network namespace that is not ours.
#[derive(Debug, Default)]
pub struct Namespace {
    /// The id that our namespace has for it; none where no link leads there.
    pub nsid: Option<i32>,
    /// The process in it with the lowest pid, and so most likely the first.
    pub pid: Option<u32>,
    /// Its name in `/run/netns`.
    pub name: Option<String>,
    /// Whose the processes in it are, each once, in the order of their pids.
    pub owners: Vec<Owner>,
    /// What tells it from all others while it is there; none where that may not be seen.
    inode: Option<u64>,
}

impl Namespace {
    /// The folder of its first process: held open without holding the namespace, and without
    /// meaning another process that gets the same pid. `None` if that process has ended or moved.
    #[must_use]
    pub fn open_process(&self, proc: &Path) -> Option<OwnedFd> {
        let folder = proc.join(self.pid?.to_string());
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = nix::fcntl::open(&folder, flags, Mode::empty()).ok()?;
        let is_still_there = match self.inode {
            Some(inode) => fstatat(&folder, "ns/net", nix::fcntl::AtFlags::empty())
                .is_ok_and(|status| status.st_ino == inode),
            None => true,
        };
        is_still_there.then_some(folder)
    }
}

/// Finds them. Processes and names that come or go meanwhile are left out.
pub fn walk(proc: &Path, named: &Path, rtnetlink: &mut Rtnetlink) -> io::Result<Vec<Namespace>> {
    let ours = inode(&proc.join("self/ns/net"))?;
    // Pids mean the same to the kernel and in this procfs.
    let by_pid =
        fs::read_link(proc.join("self"))?.as_os_str() == std::process::id().to_string().as_str();
    let mut walk = Walk {
        ours,
        by_pid,
        found: Vec::new(),
        by_inode: HashMap::new(),
        rtnetlink,
    };
    for entry in fs::read_dir(proc)? {
        // In the order of pids, as the kernel lists them.
        let entry = entry?;
        if let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            walk.process(pid, &entry.path())?;
        }
    }
    match fs::read_dir(named) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                walk.named(&entry.path(), &entry.file_name().to_string_lossy())?;
            }
        }
        // Nobody has made a named one since the boot.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(walk.found)
}

struct Walk<'a> {
    ours: u64,
    by_pid: bool,
    found: Vec<Namespace>,
    /// Places in `found`.
    by_inode: HashMap<u64, usize>,
    rtnetlink: &'a mut Rtnetlink,
}

impl Walk<'_> {
    fn process(&mut self, pid: u32, folder: &Path) -> io::Result<()> {
        let file = folder.join("ns/net");
        let (seen, nsid) = match inode(&file) {
            Ok(inode) if inode == self.ours => return Ok(()),
            Ok(inode) => (Some(inode), None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.by_pid => {
                match self.rtnetlink.nsid_of_process(pid) {
                    Ok(Some(nsid)) => (None, Some(nsid)),
                    Ok(None) => return Ok(()),
                    Err(error) => return ended(error),
                }
            }
            Err(error) => return ended(error),
        };
        let Ok(cgroups) = fs::read_to_string(folder.join("cgroup")) else {
            return Ok(());
        };
        // The same process before and after: what was read of it is of this namespace.
        if seen.is_some() && inode(&file).ok() != seen {
            return Ok(());
        }
        let place = match seen.and_then(|inode| self.by_inode.get(&inode)) {
            Some(place) => *place,
            None => match seen {
                Some(inode) => match File::open(&file) {
                    Ok(file) if file.metadata()?.ino() == inode => self.add(inode, &file)?,
                    Ok(_) | Err(_) => return Ok(()),
                },
                None => self.with_nsid(nsid),
            },
        };
        if let Some(namespace) = self.found.get_mut(place) {
            namespace.pid.get_or_insert(pid);
            for owner in cgroups
                .lines()
                .filter_map(path_of)
                .flat_map(cgroup_path::owners)
            {
                if !namespace.owners.contains(&owner) {
                    namespace.owners.push(owner);
                }
            }
        }
        Ok(())
    }

    fn named(&mut self, path: &Path, name: &str) -> io::Result<()> {
        // It tells nothing, and its container starts a moment later.
        if is_of_an_engine(name) {
            return Ok(());
        }
        let Ok(file) = File::open(path) else {
            return Ok(());
        };
        let inode = file.metadata()?.ino();
        if inode == self.ours {
            return Ok(());
        }
        let place = match self.by_inode.get(&inode) {
            Some(place) => *place,
            None => match self.add(inode, &file) {
                Ok(place) => place,
                // A file of that name which is no namespace: its making is not finished.
                Err(_) => return Ok(()),
            },
        };
        if let Some(namespace) = self.found.get_mut(place) {
            namespace.name.get_or_insert_with(|| name.to_owned());
        }
        Ok(())
    }

    /// One whose inode is seen for the first time.
    fn add(&mut self, inode: u64, file: &File) -> io::Result<usize> {
        let nsid = self.rtnetlink.nsid_of_file(file.as_fd())?;
        let place = match nsid {
            Some(_) => self.with_nsid(nsid),
            None => self.push(None),
        };
        if let Some(namespace) = self.found.get_mut(place) {
            namespace.inode = Some(inode);
        }
        self.by_inode.insert(inode, place);
        Ok(place)
    }

    fn with_nsid(&mut self, nsid: Option<i32>) -> usize {
        let known = self.found.iter().position(|one| one.nsid == nsid);
        known.unwrap_or_else(|| self.push(nsid))
    }

    fn push(&mut self, nsid: Option<i32>) -> usize {
        self.found.push(Namespace {
            nsid,
            ..Namespace::default()
        });
        self.found.len() - 1
    }
}

/// The other end of a veth.
#[derive(Debug)]
pub struct End {
    /// Which of the namespaces it is in.
    pub place: usize,
    /// What it is called there.
    pub name: Vec<u8>,
}

/// Finds it among these namespaces. `None` if it is in none of them, or what is read does not fit
/// together.
pub fn other_end(
    link: &Link,
    found: &[Namespace],
    proc: &Path,
    rtnetlink: &mut Rtnetlink,
) -> Option<End> {
    let (index, nsid) = link.peer.zip(link.peer_nsid)?;
    let place = found.iter().position(|one| one.nsid == Some(nsid))?;
    let name = match rtnetlink.link_in(nsid, index) {
        // A number can have been given anew: the other end is that whose other end is this.
        Ok(Some(end)) => (end.is_veth && end.peer == Some(link.index)).then_some(end.name)?,
        // An old kernel, or one that we may not ask that.
        Ok(None) | Err(_) => name_by_process(found.get(place)?, proc, index)?,
    };
    Some(End { place, name })
}

fn name_by_process(namespace: &Namespace, proc: &Path, index: u32) -> Option<Vec<u8>> {
    let process = namespace.open_process(proc)?;
    let mut buffer = Vec::new();
    ["net/igmp", "net/dev_mcast"].iter().find_map(|file| {
        let text = kernel_file::read_below(process.as_fd(), file, &mut buffer).ok()?;
        let text = String::from_utf8_lossy(text);
        Some(name_in(&text, index)?.as_bytes().to_vec())
    })
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.ino())
}

/// A process that ended, or that may not be looked at, is in no namespace that we can tell of.
fn ended(error: io::Error) -> io::Result<()> {
    /// No such process.
    const ESRCH: i32 = 3;
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(()),
        _ if error.raw_os_error() == Some(ESRCH) => Ok(()),
        _ => Err(error),
    }
}

/// Whether a container engine made up the name: `cni-` (containerd, CRI-O) or `netns-` (Podman), and
/// a UUID.
fn is_of_an_engine(name: &str) -> bool {
    let id = name.strip_prefix("cni-").or(name.strip_prefix("netns-"));
    id.is_some_and(|id| {
        id.len() == 36
            && id
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    })
}

/// The path in a line of `PROC/PID/cgroup`: `HIERARCHY:CONTROLLERS:PATH`.
pub(crate) fn path_of(line: &str) -> Option<&str> {
    line.splitn(3, ':').nth(2)
}

/// The name of an interface by its number, in what `PROC/PID/net/igmp` says, or `dev_mcast`: two
/// files that begin a line with number and name, for those that are up. They are there where a
/// kernel does not tell of other namespaces' interfaces, and for whoever may not ask it.
#[must_use]
pub fn name_in(text: &str, index: u32) -> Option<&str> {
    text.lines()
        // Indented lines are the groups of the interface above.
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
        .find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let is_it = fields.next()?.parse() == Ok(index);
            fields.next().filter(|_| is_it)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IGMP: &str = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
        1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
        12\teth0      :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n";
    const DEV_MCAST: &str = "12   eth0            1     0     333300000001\n\
        12   eth0            1     0     01005e000001\n";

    #[test]
    fn a_number_has_a_name() {
        for text in [IGMP, DEV_MCAST] {
            assert_eq!(name_in(text, 12), Some("eth0"));
            assert_eq!(name_in(text, 2), None);
        }
        assert_eq!(name_in(IGMP, 1), Some("lo"));
        assert_eq!(name_in(IGMP, 10000), None);
    }

    #[test]
    fn a_name_that_an_engine_made_up_is_none() {
        for (name, is_one) in [
            ("cni-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", true),
            ("netns-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", true),
            ("cni-lab", false),
            ("netns-1", false),
            ("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", false),
        ] {
            assert_eq!(is_of_an_engine(name), is_one, "{name}");
        }
    }

    #[test]
    fn a_line_of_cgroup_has_a_path() {
        assert_eq!(path_of("0::/a:b"), Some("/a:b"));
        assert_eq!(path_of("4:cpu,cpuacct:/"), Some("/"));
        assert_eq!(path_of("4:cpu"), None);
    }

    #[test]
    fn a_tree_that_is_not_the_kernels_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut rtnetlink = Rtnetlink::open().unwrap();
        assert!(walk(folder.path(), folder.path(), &mut rtnetlink).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, index: u32) {
            let name = name_in(&text, index);
            prop_assert!(name.is_none_or(|name| text.contains(name)));
            path_of(&text);
        }
    }
}
