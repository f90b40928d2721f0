//! `metrics-disk-usage` on file systems of the test's own, which only root may mount.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    clippy::print_stdout,
    reason = "tests may fail loudly"
)]

mod trees;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;
use trees::{NOW, collect};
use venus_collectors::Collector;

/// Something mounted on a folder, until it is dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where this user may not mount.
    fn new(point: &'a Path, kind: &str, options: &str) -> Option<Self> {
        let (kind, flags) = (Some(kind), MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
        match mount(Some("venus"), point, kind, flags, Some(options)) {
            Ok(()) => Some(Self(point)),
            Err(error) => {
                println!("SKIPPED: this user may not mount: {error}");
                None
            }
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        umount2(self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

/// A host with these lines in its table of mounts, `@` being its own folder.
fn host(mounts: &str) -> TempDir {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("proc")).unwrap();
    for folder in ["data", "dead"] {
        fs::create_dir(host.path().join(folder)).unwrap();
    }
    write(&host, mounts);
    host
}

fn write(host: &TempDir, mounts: &str) {
    let mounts = mounts.replace('@', host.path().to_str().unwrap());
    fs::write(host.path().join("proc/mounts"), mounts).unwrap();
}

fn collector(host: &TempDir, options: &[(&str, &str)]) -> Box<dyn Collector> {
    trees::build("metrics-disk-usage", host.path(), "s", options)
}

/// Its lines, with `@` for its own folder and without the time.
fn lines(collector: &mut dyn Collector, host: &TempDir) -> String {
    let got = collect(collector);
    got.presence.unwrap();
    assert_eq!(got.problems, [""; 0]);
    let folder = host.path().to_str().unwrap().replace('.', "_");
    let nodes = format!("root{}", folder.replace('/', "."));
    got.text
        .replace(&nodes, "@")
        .replace(&folder[1..].replace('/', "_"), "@")
        .replace(&format!(" {NOW}\n"), "\n")
}

const TMPFS: &str = "venus @/data tmpfs rw 0 0\n";

#[test]
fn every_number_is_as_the_kernel_has_it() {
    let host = host(TMPFS);
    let data = host.path().join("data");
    let Some(_mounted) = Mounted::new(&data, "tmpfs", "size=64m,nr_inodes=1000") else {
        return;
    };
    let mut kept = collector(&host, &[]);
    assert_eq!(
        lines(&mut *kept, &host),
        "s.@.data.used 0\ns.@.data.avail 64\ns.@.data.used_percentage 0\ns.@.data.total 64\n\
         s.@.data.iused 1\ns.@.data.iavail 999\ns.@.data.iused_percentage 1\n"
    );
    fs::write(data.join("file"), vec![1; 3 << 19]).unwrap();
    let full = "s.@.data.used 2\ns.@.data.avail 63\ns.@.data.used_percentage 3\n\
        s.@.data.total 64\ns.@.data.iused 2\ns.@.data.iavail 998\ns.@.data.iused_percentage 1\n";
    assert_eq!(lines(&mut *kept, &host), full);
    let mut in_kib = collector(&host, &[("block-size", "K"), ("flatten", "true")]);
    let text = lines(&mut *in_kib, &host);
    let start = "s.@_data.used 1536\ns.@_data.avail 64000\ns.@_data.used_percentage 3\n";
    assert!(text.starts_with(start), "{text}");
    // What comes to be mounted is seen, and what is gone is not.
    write(&host, &format!("{TMPFS}/dev/x / ext4 rw 0 0\n"));
    let both = lines(&mut *kept, &host);
    assert!(
        both.starts_with("s.root.used ") && both.ends_with(full),
        "{both}"
    );
    write(&host, "proc /proc proc rw 0 0\n");
    let absent = collect(&mut *kept).presence.unwrap();
    let path = host.path().join("proc/mounts");
    let nothing = format!("no file system to show in {}", path.display());
    assert_eq!(absent, venus_collectors::Presence::Absent(nothing));
}

/// Which are shown of these, by the last part of their path.
#[test]
fn each_way_to_choose() {
    const MOUNTS: &str = "/dev/a / ext4 rw 0 0\n/dev/b /usr xfs rw 0 0\n/dev/b /bin xfs rw 0 0\n\
        s:/e /etc nfs4 rw 0 0\ntmpfs /run/x tmpfs rw 0 0\nsys /sys sysfs rw 0 0\n\
        x /home autofs rw 0 0\n";
    for (options, shown) in [
        (&[][..], "root root.bin root.etc"),
        (&[("ignore-mount", "^/b,c$")], "root root.usr"),
        (&[("include-mount", "^/b,c$")], "root.bin root.etc"),
        (
            &[("include-mount", "^/b,c$"), ("ignore-mount", "b")],
            "root.etc",
        ),
        (&[("include-type", "xfs,btrfs")], "root.bin"),
        (&[("ignore-type", "xfs,nfs4")], "root"),
        (&[("local", "true")], "root root.bin"),
        (&[("flatten", "true")], "root bin etc"),
    ] {
        let host = host(MOUNTS);
        let text = lines(&mut *collector(&host, options), &host);
        let used = |line: &str| Some(line.strip_prefix("s.")?.split_once(".used ")?.0.to_owned());
        let nodes: Vec<String> = text.lines().filter_map(used).collect();
        assert_eq!(nodes.join(" "), shown, "{options:?}");
    }
}

#[test]
fn a_server_that_does_not_answer_costs_itself_only_and_is_said_once() {
    let host = host("/dev/x / ext4 rw 0 0\nvenus @/dead fuse rw 0 0\ns:/e @/none nfs4 rw 0 0\n");
    let dead = host.path().join("dead");
    let Ok(server) = File::options().read(true).write(true).open("/dev/fuse") else {
        println!("SKIPPED: there is no /dev/fuse to open");
        return;
    };
    let fd = server.as_raw_fd();
    let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
    let Some(_mounted) = Mounted::new(&dead, "fuse", &options) else {
        return;
    };
    let mut kept = collector(&host, &[]);
    assert!(kept.may_wait(NOW));
    let point = |name: &str| host.path().join(name).display().to_string();
    let hangs = format!(
        "cannot ask {} how full it is: no answer within 1.0 s",
        point("dead")
    );
    let gone = format!(
        "cannot ask {} how full it is: No such file or directory",
        point("none")
    );
    let first = collect(&mut *kept);
    assert_eq!(first.problems, [hangs, gone]);
    assert!(first.text.starts_with("s.root.used "), "{}", first.text);
    let second = collect(&mut *kept);
    assert_eq!(second.problems, [""; 0]);
    assert_eq!(second.text.lines().count(), first.text.lines().count());
}

#[test]
fn a_pattern_that_is_none_is_named() {
    let spec = venus_collectors::registry::find("metrics-disk-usage").unwrap();
    let mut given = venus_collectors::Given::of(spec.options);
    given.set("ignore-mount", "^/a,(").unwrap();
    let built = (spec.build)(&venus_collectors::Setup {
        roots: &venus_collectors::Roots::default(),
        scheme: &venus_collectors::graphite::Scheme::new("s").unwrap(),
        docker: &venus_collectors::source::docker::Host::default(),
        given: &given,
    });
    let error = built.err().unwrap().to_string();
    assert!(
        error.starts_with("option 'ignore-mount' cannot be '(': "),
        "{error}"
    );
}
