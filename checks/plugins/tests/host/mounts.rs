//! check-disk-usage, check-fstab-mounts and check-mounts. What a file system answers is this
//! machine's; which there are is the test's.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::Host;

fn with_mounts(mounts: &str) -> Host {
    Host::with(&[("proc/mounts", mounts)])
}

#[test]
fn how_full_this_machine_is() {
    let host = with_mounts("/dev/x / ext4 rw 0 0\nproc /proc proc rw 0 0\n");
    let none = "CheckDisk OK: All disk usage under 100% and inode usage under 100%";
    let never = ["-w", "100", "-c", "100", "-W", "100", "-K", "100"];
    host.says("check-disk-usage", &never, none, 0);
    for (args, status, code) in [
        (&["-w", "0", "-c", "100"][..], "WARNING", 1),
        (&["-w", "0", "-c", "0"], "CRITICAL", 2),
    ] {
        let args = [&never[4..], args].concat();
        let (text, got) = host.check("check-disk-usage", &args);
        let start = format!("CheckDisk {status}: / ");
        assert!(
            text.starts_with(&start) && text.contains("% bytes usage ("),
            "{text}"
        );
        assert_eq!(got, code);
    }
    for filter in [
        &["-t", "xfs,btrfs"][..],
        &["-x", "ext4"],
        &["-i", "/home,/"],
        &["-I", "/home"],
        &["-p", "^/$"],
        &["-o", "noexec.rw"],
    ] {
        let args = [filter, &["-w", "0", "-c", "0", "-W", "0", "-K", "0"]].concat();
        let none = "CheckDisk OK: All disk usage under 0% and inode usage under 0%";
        host.says("check-disk-usage", &args, none, 0);
    }
    let host = with_mounts("/dev/x / ext4 ro,relatime 0 0\n");
    let args = ["--ignore-readonly", "-w", "0", "-W", "0"];
    let none = "CheckDisk OK: All disk usage under 0% and inode usage under 0%";
    host.says("check-disk-usage", &args, none, 0);
    let none = "CheckDisk UNKNOWN: no file system to look at in HOST/proc/mounts";
    with_mounts("").says("check-disk-usage", &[], none, 3);
}

#[test]
fn what_cannot_be_asked_is_a_warning_and_bad_thresholds_are_unknown() {
    let host = with_mounts("/dev/x /no/such\\040folder ext4 rw 0 0\n");
    host.says(
        "check-disk-usage",
        &[],
        "CheckDisk WARNING: /no/such folder Unable to read.\n\
         /no/such folder: No such file or directory",
        1,
    );
    for (args, what) in [
        (
            ["-w", "96", "-c", "95"],
            "warning 96 and critical 95 are upside down: critical must not come before the warning",
        ),
        (
            ["-W", "x", "-K", "95"],
            "invalid value 'x' for '--inode-warning <N>': not a range; use a number such as 10, or \
             10:, ~:10, 10:20, @10:20; see venus-checks check-disk-usage --help",
        ),
        (
            ["-w", "85", "-c", "150"],
            "invalid percentage for --critical: use at most 100",
        ),
        (
            ["-W", "150", "-K", "150"],
            "invalid percentage for --inode-warning: use at most 100",
        ),
        (
            ["-m", "0", "-l", "95"],
            "invalid value '0' for '--magic <MAGIC>': use a number above 0; \
             see venus-checks check-disk-usage --help",
        ),
    ] {
        host.says(
            "check-disk-usage",
            &args,
            &format!("CheckDisk UNKNOWN: {what}"),
            3,
        );
    }
    with_mounts("garbage\n").says(
        "check-disk-usage",
        &[],
        "CheckDisk UNKNOWN: cannot understand HOST/proc/mounts: line 1 has not four fields",
        3,
    );
}

#[test]
fn all_of_fstab_is_to_be_mounted() {
    let host = Host::with(&[
        (
            "proc/mounts",
            "/dev/x / ext4 rw 0 0\n/dev/y /data xfs rw 0 0\n",
        ),
        (
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/swap9 partition 1 0 -2\n",
        ),
        (
            "fstab",
            "# <file system> <mount point>\nUUID=1 / ext4 defaults 0 1\n/dev/y /data/ xfs defaults 0 2\n\
             /dev/cdrom /media iso9660 ro,noauto 0 0\n/dev/swap9 swap swap sw 0 0\n/dev/z none swap sw 0 0\n",
        ),
    ]);
    let fstab = host.path("fstab");
    let args = ["--fstab", fstab.to_str().unwrap()];
    let check = "check-fstab-mounts";
    host.says(
        check,
        &args,
        "CheckFstabMounts OK: All mountpoints accounted for",
        0,
    );
    host.write("proc/mounts", "/dev/x / ext4 rw 0 0\n");
    host.write("proc/swaps", "Filename Type Size Used Priority\n");
    let line = "CheckFstabMounts CRITICAL: Mountpoint(s) /data/,/dev/swap9 not mounted!";
    host.says(check, &args, line, 2);
    // What cannot be looked at hides nothing.
    host.remove("proc/swaps");
    let line = "CheckFstabMounts CRITICAL: Mountpoint(s) /data/ not mounted!; cannot read \
                HOST/proc/swaps: No such file or directory (os error 2); is the right path given, \
                and is it mounted?";
    host.says(check, &args, line, 2);
    // mount(8) takes one without options.
    host.write("fstab", "/dev/x / ext4\n/dev/y /data xfs\n");
    let line = "CheckFstabMounts CRITICAL: Mountpoint(s) /data not mounted!";
    host.says(check, &args, line, 2);
    let only = [&args[..], &["-t", "ext4,nfs"]].concat();
    host.says(
        check,
        &only,
        "CheckFstabMounts OK: All mountpoints accounted for",
        0,
    );
    host.says(
        check,
        &["--fstab", "/no/fstab"],
        "CheckFstabMounts UNKNOWN: cannot read /no/fstab: No such file or directory (os error 2); \
         is the right path given, and is it mounted?",
        3,
    );
}

#[test]
fn mounts_are_there_and_writable() {
    let host = Host::with(&[
        (
            "proc/mounts",
            "/dev/x / ext4 rw 0 0\n/dev/y /data xfs ro,relatime 0 0\n",
        ),
        ("fstab", "/dev/x / ext4 ro 0 1\n/dev/y /data xfs ro 0 2\n"),
    ]);
    let fstab = host.path("fstab");
    let args = |more: &[&'static str]| [&["--fstab", fstab.to_str().unwrap()], more].concat();
    let fine = "CheckMounts OK: 2 mounts, 0 of them asked and answered";
    host.says("check-mounts", &args(&["-m", "/,/data/"]), fine, 0);
    host.says(
        "check-mounts",
        &args(&["-m", "/home,/data"]),
        "CheckMounts CRITICAL: /home is not mounted",
        2,
    );
    host.write("fstab", "/dev/y /data xfs defaults 0 2\n");
    let remounted = "CheckMounts CRITICAL: /data is mounted read-only, and fstab has it writable";
    host.says("check-mounts", &args(&[]), remounted, 2);
    let fine = "CheckMounts OK: 1 mounts, 0 of them asked and answered";
    host.says("check-mounts", &args(&["-i", "/data"]), fine, 0);
    host.write("proc/mounts", "/dev/x / ext4 ro,emergency_ro 0 0\n");
    let error = "/ has become read-only after an error, see the kernel log";
    host.says(
        "check-mounts",
        &args(&[]),
        &format!("CheckMounts CRITICAL: {error}"),
        2,
    );
    host.write("proc/mounts", "s:/e /no/such nfs4 rw 0 0\n");
    let gone = "CheckMounts CRITICAL: /no/such (from s:/e): No such file or directory";
    host.says("check-mounts", &args(&[]), gone, 2);
    // What cannot be looked at hides nothing.
    host.remove("fstab");
    let unread = "cannot read HOST/fstab: No such file or directory (os error 2); is the right \
                  path given, and is it mounted?";
    host.says("check-mounts", &args(&[]), &format!("{gone}; {unread}"), 2);
    host.write("fstab", "");
    host.write("proc/mounts", "");
    let none = "no mount to look at in HOST/proc/mounts";
    host.says(
        "check-mounts",
        &args(&[]),
        &format!("CheckMounts UNKNOWN: {none}"),
        3,
    );
    let missing = format!("CheckMounts CRITICAL: /home is not mounted; {none}");
    host.says("check-mounts", &args(&["-m", "/home"]), &missing, 2);
    host.remove("proc/mounts");
    let (text, status) = host.check("check-mounts", &args(&[]));
    assert!(
        text.starts_with("CheckMounts UNKNOWN: cannot read HOST/proc/mounts: "),
        "{text}"
    );
    assert_eq!(status, 3);
}

/// A mount of FUSE whose server never answers.
struct Dead<'a> {
    point: &'a Path,
    _server: File,
}

impl<'a> Dead<'a> {
    /// `None` where this user may not mount.
    fn new(point: &'a Path) -> Option<Self> {
        let server = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .ok()?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            server.as_raw_fd()
        );
        let kind = Some("fuse");
        let (name, flags) = (Some("dead"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
        mount(name, point, kind, flags, Some(options.as_str())).ok()?;
        Some(Self {
            point,
            _server: server,
        })
    }
}

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        umount2(self.point, MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_server_that_does_not_answer_costs_itself_only() {
    let host = Host::new();
    let point = host.path("dead");
    std::fs::create_dir(&point).unwrap();
    let Some(_dead) = Dead::new(&point) else {
        println!("SKIPPED: this user may not mount FUSE");
        return;
    };
    let mounts = format!(
        "dead {} fuse rw 0 0\n/dev/x / ext4 rw 0 0\n",
        point.display()
    );
    host.write("proc/mounts", &mounts);
    let begun = Instant::now();
    let never = ["-w", "100", "-c", "100", "-W", "100", "-K", "100"];
    let args = [&never[..], &["--timeout", "1"]].concat();
    let (text, status) = host.check("check-disk-usage", &args);
    assert!(
        text.starts_with("CheckDisk UNKNOWN: HOST/dead: no answer within 0."),
        "{text}"
    );
    assert_eq!(status, 3);
    // What can be told is told all the same, and counts.
    let args = [
        "-w",
        "0",
        "-c",
        "0",
        "-W",
        "100",
        "-K",
        "100",
        "--timeout",
        "1",
    ];
    let (text, status) = host.check("check-disk-usage", &args);
    assert!(text.starts_with("CheckDisk CRITICAL: / "), "{text}");
    assert!(text.contains(", HOST/dead: no answer within 0."), "{text}");
    assert_eq!(status, 2);
    let (text, status) = host.check("check-mounts", &["--fstab", "/dev/null", "--timeout", "1"]);
    let start = "CheckMounts CRITICAL: HOST/dead (from dead): no answer within 0.";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(status, 2);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
