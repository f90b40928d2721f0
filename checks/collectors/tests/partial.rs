//! Collectors where a part of what they read is elsewhere, or cannot be read.
#![allow(
    clippy::unwrap_used,
    clippy::unnecessary_debug_formatting,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod trees;

use std::fs;

use tempfile::TempDir;
use trees::{NOW, collect};

fn write(host: &TempDir, file: &str, text: &str) {
    let path = host.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn sensors_of_older_kernels_are_below_their_device() {
    let host = tempfile::tempdir().unwrap();
    let chip = "sys/class/hwmon/hwmon0/device";
    write(&host, &format!("{chip}/name"), "coretemp\n");
    write(&host, &format!("{chip}/temp1_input"), "45500\n");
    write(&host, "sys/class/hwmon/hwmon1/name", "nct6775\n");
    write(&host, "sys/class/hwmon/hwmon1/fan2_input", "1200\n");
    write(
        &host,
        "sys/class/hwmon/hwmon1/device/driver_override",
        "(null)\n",
    );
    let mut collector = trees::build("metrics-hwmon", host.path(), "s", &[]);
    let got = collect(collector.as_mut());
    assert_eq!(got.problems, [""; 0]);
    let lines = format!("s.hwmon0_coretemp.temp1 45.5 {NOW}\ns.hwmon1_nct6775.fan2 1200 {NOW}\n");
    assert_eq!(got.text, lines);
}

#[test]
fn a_process_that_cannot_be_read_says_nothing_of_the_others() {
    let host = tempfile::tempdir().unwrap();
    let stat = "7 (sshd) S 1 1 1 0 -1 0 0 0 0 0 5 0 0 0 20 0 3 0 50 4096000 250 0 0\n";
    write(&host, "proc/7/stat", stat);
    fs::create_dir_all(host.path().join("proc/8/stat")).unwrap();
    let mut collector = trees::build("metrics-process", host.path(), "s", &[]);
    let got = collect(collector.as_mut());
    assert_eq!(got.problems.len(), 1);
    assert!(got.problems[0].contains("/proc/8/stat: Is a directory"));
    for line in [
        "process_count 2",
        "thread_count 3",
        "sleeping 1",
        "running 0",
    ] {
        assert!(
            got.text.contains(&format!("s.{line} {NOW}\n")),
            "{}",
            got.text
        );
    }
    // Said once, until it is over.
    assert_eq!(collect(collector.as_mut()).problems, [""; 0]);
}
