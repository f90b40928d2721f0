//! A file system that never answers, as a dead NFS server or a hung FUSE daemon: the checks that
//! look at mounts answer in time, name it, and leave no process.

use super::outcome;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, geteuid};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;
use venus_tests::program::{Running, wait_until};
use venus_tests::{part, program};

/// What this kernel answers to when it is mounted, as a daemon of FUSE does (linux/fuse.h): the
/// protocol's version 7.19, of Linux 3.7.
fn shake_hands(mut device: &File) {
    let mut request = [0; 8192];
    let length = device.read(&mut request).unwrap();
    assert!(length >= 40, "the kernel says nothing");
    let unique = &request[8..16];
    let mut answer = Vec::new();
    // The head, then version, read-ahead, flags, 12 and 12 requests in the background, writes of
    // 4096 bytes.
    answer.extend(40_u32.to_ne_bytes());
    answer.extend(0_i32.to_ne_bytes());
    answer.extend(unique);
    for number in [7_u32, 19, 0, 0] {
        answer.extend(number.to_ne_bytes());
    }
    answer.extend([12_u16, 12].map(u16::to_ne_bytes).concat());
    answer.extend(4096_u32.to_ne_bytes());
    device.write_all(&answer).unwrap();
}

/// Runs the rest of a test where a file system hangs at this folder, which nobody else sees; not at
/// all where this user may not mount.
fn with_hung(folder: &Path, test: impl FnOnce() + Send + 'static) {
    let Some(device) = part::find("FUSE", &["/dev/fuse"]) else {
        return;
    };
    if !geteuid().is_root() {
        let () = part::missing("root, who may mount").unwrap_or_default();
        return;
    }
    let folder = folder.to_owned();
    let rest = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none).unwrap();
        let device = File::options().read(true).write(true).open(device).unwrap();
        let (fd, uid, gid) = (device.as_raw_fd(), Uid::current(), Gid::current());
        let options = format!("fd={fd},rootmode=40000,user_id={uid},group_id={gid}");
        mount(
            Some("dead"),
            &folder,
            Some("fuse"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        shake_hands(&device);
        // From here on nobody reads what the kernel asks.
        test();
        drop(device);
    });
    rest.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// Processes of this program that are left.
fn left() -> usize {
    let ours = program::path("venus-checks");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let by_this_test = processes.filter(|process| {
        let is_ours = fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == ours);
        let text = fs::read(process.path().join("environ")).unwrap_or_default();
        is_ours && text.windows(9).any(|part| part == b"OF_HANG=1")
    });
    by_this_test.count()
}

/// What a check says, and how it ends; it waits for half of the time that it has left, `~1.0 s`.
fn checks(args: &[&str]) -> (String, i32) {
    let mut command = Command::new(program::path("venus-checks"));
    let (text, status) = outcome(command.env("OF_HANG", "1").args(args));
    let words = text
        .split_inclusive("within ")
        .map(|part| match part.split_once(" s") {
            Some((time, rest)) if time.starts_with("0.9") || time == "1.0" => {
                format!("~1.0 s{rest}")
            }
            _ => part.to_owned(),
        });
    (words.collect(), status)
}

#[test]
fn a_file_system_that_never_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (dead, alive) = (dir.path().join("dead"), dir.path().join("alive"));
    let fstab = dir.path().join("fstab");
    for folder in [&dead, &alive] {
        fs::create_dir(folder).unwrap();
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (dead, alive, fstab) = (text(&dead), text(&alive), text(&fstab));
    fs::write(
        &fstab,
        format!("dead {dead} fuse rw 0 0\nnone {alive} tmpfs rw 0 0\n"),
    )
    .unwrap();
    let folder = Path::new(&dead).to_owned();
    with_hung(&folder, move || {
        let size = Some("size=1m");
        mount(
            Some("none"),
            alive.as_str(),
            Some("tmpfs"),
            MsFlags::empty(),
            size,
        )
        .unwrap();
        let both = format!("{dead},{alive}");
        let usage = ["check-disk-usage", "-I", &both, "--timeout", "2"];
        let hangs = format!("{dead}: no answer within ~1.0 s");

        // What it does not answer is unknown, and hides nothing of the others.
        assert_eq!(checks(&usage), (format!("CheckDisk UNKNOWN: {hangs}\n"), 3));
        fs::write(Path::new(&alive).join("x"), vec![0; 1 << 20]).unwrap();
        let full = format!("{alive} 100.0% bytes usage (1.00 MiB/1.00 MiB)");
        let (said, status) = checks(&usage);
        assert_eq!(
            (said, status),
            (format!("CheckDisk CRITICAL: {full}, {hangs}\n"), 2)
        );

        let mounts = ["--fstab", &fstab, "--timeout", "2"];
        let (said, status) = checks(&[&["check-mounts", "--mount", &both], &mounts[..]].concat());
        let line = format!("{dead} (from dead): no answer within ~1.0 s");
        assert_eq!(
            (said, status),
            (format!("CheckMounts CRITICAL: {line}\n"), 2)
        );

        // It is mounted, which is all that this one asks.
        let listed = [&["check-fstab-mounts"], &mounts[..]].concat();
        let fine = "CheckFstabMounts OK: All mountpoints accounted for\n";
        assert_eq!(checks(&listed), (fine.to_owned(), 0));

        // One that is in the way of what is read itself: the deadline is held from outside.
        let proc = ["check-load", "--proc-path", &dead, "--timeout", "0.5"];
        let line = format!(
            "CheckLoad UNKNOWN: no answer within 0.5 s while reading {dead}/loadavg; see what hangs \
             there, or give more with --timeout\n"
        );
        assert_eq!(checks(&proc), (line, 3));
        // One is seen as long as it waits, and nothing of it afterwards.
        let mut command = Command::new(program::path("venus-checks"));
        let mut running = Running::start(command.env("OF_HANG", "1").args(usage), None);
        wait_until(|| left() == 1);
        running.wait();
        assert_eq!(left(), 0);
    });
}
