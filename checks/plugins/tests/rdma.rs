//! `check-rdma` as a command, with the real libibverbs.
//!
//! The machines that build Venus have no RDMA hardware, and software devices need modules that
//! their kernels do not have. libibverbs takes the place of sysfs from its environment, though, so
//! that it lists a device of the provider rxe by a few files. The device itself cannot be had:
//! what there is to read of an open one is tested beside the code.
#![cfg(feature = "verbs")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests may fail loudly, and say what they skip"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_venus-checks");

fn assert_answers(got: &Output, code: i32, text: &str) {
    assert_eq!(str::from_utf8(&got.stdout).unwrap(), text);
    assert_eq!(str::from_utf8(&got.stderr).unwrap(), "");
    assert_eq!(got.status.code(), Some(code));
}

fn run(args: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("check-rdma")
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn no_device_is_unknown() {
    if Path::new("/sys/class/infiniband").exists() {
        // Not a part that is missing: there is one too many.
        return;
    }
    let none = "libibverbs lists none, and none below /sys/class/infiniband; \
                is a card there (lspci), and is its driver loaded (mlx4_ib, mlx5_ib, ...)?";
    assert_answers(
        &run(&["--perfdata"]),
        3,
        &format!("CheckRDMA UNKNOWN: no RDMA device: {none}\n"),
    );
    assert_answers(
        &run(&["--device", "mlx4_0"]),
        2,
        &format!("CheckRDMA CRITICAL: no device mlx4_0: {none}\n"),
    );
}

#[test]
fn devices_that_verbs_does_not_list_are_critical() {
    let sys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/infiniband/sys");
    let sys = sys.to_str().unwrap();
    assert_answers(
        &run(&["--sys-path", sys, "--inactive", "ok", "--perfdata"]),
        2,
        &format!(
            "CheckRDMA CRITICAL: {sys}/class/infiniband has mlx4_0, mlx5_0 and libibverbs lists \
             none: the module ib_uverbs is not loaded (modprobe ib_uverbs) | \
             'devices'=2;;;0 'ports'=3;;;0 'ports_active'=2;;;0;3 'mismatches'=1;;;0\n"
        ),
    );
}

/// A fifo that nobody writes to stands for a driver that does not answer.
#[test]
fn a_library_that_hangs_is_given_up() {
    let (_folder, sys) = rxe();
    let ibdev = sys.join("class/infiniband_verbs/uverbs0/ibdev");
    fs::remove_file(&ibdev).unwrap();
    nix::unistd::mkfifo(&ibdev, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let got = Command::new(BINARY)
        .args(["check-rdma", "--timeout", "0.3"])
        .env("SYSFS_PATH", &sys)
        .output()
        .unwrap();
    assert_answers(
        &got,
        3,
        "CheckRDMA UNKNOWN: no answer within 0.3 s while waiting until libibverbs lists its \
         devices; see what hangs there, or give more with --timeout\n",
    );
}

/// A sysfs with a device of rxe, whose device number is that of /dev/null.
fn rxe() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let sys = folder.path().join("sys");
    for (path, text) in [
        ("infiniband/rxe0/node_type", "1: CA"),
        ("infiniband/rxe0/node_guid", "505a:54ff:fe12:3456"),
        ("infiniband/rxe0/ports/1/state", "4: ACTIVE"),
        ("infiniband_verbs/abi_version", "6"),
        ("infiniband_verbs/uverbs0/abi_version", "2"),
        ("infiniband_verbs/uverbs0/dev", "1:3"),
        ("infiniband_verbs/uverbs0/ibdev", "rxe0"),
    ] {
        let path = sys.join("class").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    // Others may look at it too.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    (folder, sys)
}

/// Runs it on a device of rxe with a /dev of its own, after `prepare`, by way of `launcher`.
fn on_rxe(prepare: &str, launcher: &str) -> Option<(Output, PathBuf)> {
    let may = Command::new("unshare").args(["--mount", "true"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        // As venus-tests has it, which is not used here: the brokers' clients that it brings would
        // be built once more for this one feature.
        let missing = "missing: the permission to make a mount namespace";
        let required = std::env::var_os("VENUS_REQUIRE_PARTS").is_some_and(|value| value == "1");
        assert!(!required, "{missing}, and VENUS_REQUIRE_PARTS=1");
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let (folder, sys) = rxe();
    // Where every user can run it.
    let binary = folder.path().join("venus-checks");
    fs::copy(BINARY, &binary).unwrap();
    let script = format!(
        "mount -t tmpfs none /dev && mkdir /dev/infiniband && {prepare} && \
         exec {launcher} {} check-rdma --sys-path {}",
        binary.display(),
        sys.display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env("SYSFS_PATH", &sys)
        .output()
        .unwrap();
    Some((output, sys))
}

#[test]
fn a_device_file_that_is_not_there_is_named() {
    let Some((got, sys)) = on_rxe("true", "") else {
        return;
    };
    assert_answers(
        &got,
        2,
        &format!(
            "CheckRDMA CRITICAL: {}/class/infiniband has rxe0 and libibverbs lists none: \
             /dev/infiniband/uverbs0 is not there; is udev running, and if this is a container, \
             was it given the device?\n",
            sys.display()
        ),
    );
}

#[test]
fn a_device_that_is_listed_and_cannot_be_opened_is_critical() {
    // A file, and no device.
    let Some((got, _)) = on_rxe("touch /dev/infiniband/uverbs0", "") else {
        return;
    };
    assert_answers(
        &got,
        2,
        "CheckRDMA CRITICAL: rxe0: cannot open it: No such file or directory; \
         no program can use it, see what its driver says (dmesg)\n",
    );
}

#[test]
fn a_device_that_this_user_may_not_open_is_unknown() {
    let device = "mknod -m 600 /dev/infiniband/uverbs0 c 1 3";
    let Some((got, _)) = on_rxe(device, "setpriv --reuid=65534 --clear-groups") else {
        return;
    };
    assert_answers(
        &got,
        3,
        "CheckRDMA UNKNOWN: rxe0 cannot be opened by /dev/infiniband/uverbs0: Permission denied; \
         run as a user who may read and write it\n",
    );
}
