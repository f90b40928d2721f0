use std::fs;

use crate::Host;

fn host() -> Host {
    Host::with(&[
        ("proc/sys/kernel/random/boot_id", "a-b\n"),
        (
            "dev/kmsg",
            "6,0,5,-;Linux version 6\n SUBSYSTEM=x\n3,1,9,-;Out of memory: Killed process 1\n",
        ),
    ])
}

fn says(host: &Host, args: &[&str], line: &str, status: i32) {
    host.says(
        "check-kernel-log",
        args,
        &format!("CheckKernelLog {line}"),
        status,
    );
}

#[test]
fn what_the_kernel_logged_since_the_last_run() {
    let host = host();
    let first = "OK: first run, HOST/dev/kmsg is looked at from here on";
    says(&host, &[], first, 0);
    says(&host, &[], "OK: 0 of 0 lines since the last run match", 0);
    let more = "6,2,9,-;eth0: up\n2,3,10,-;mce: [Hardware Error]: CPU 0 | x=1\n";
    let text = fs::read_to_string(host.path("dev/kmsg")).unwrap() + more;
    host.write("dev/kmsg", &text);
    let found =
        "1 of 2 lines since the last run match, the last: mce: [Hardware Error]: CPU 0 / x=1";
    says(&host, &[], &format!("WARNING: {found}"), 1);
    says(&host, &[], "OK: 0 of 0 lines since the last run match", 0);
    // Another check with thresholds of its own reads for itself.
    says(&host, &["-c", "2"], first, 0);
    // After a boot it counts from 0 again.
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    let found =
        "2 of 4 lines since the last run match, the last: mce: [Hardware Error]: CPU 0 / x=1";
    says(&host, &["-c", "2"], &format!("CRITICAL: {found}"), 2);
    says(&host, &[], &format!("WARNING: {found}"), 1);
    host.write("dev/kmsg", "garbage\n");
    let bad = "UNKNOWN: cannot understand HOST/dev/kmsg: no record of the kernel: garbage";
    says(&host, &[], bad, 3);
}

#[test]
fn lines_of_a_file_until_it_is_rotated() {
    let host = host();
    let log = host.path("log");
    fs::write(&log, "an old error\n").unwrap();
    let args = ["-f", log.to_str().unwrap(), "-p", "error"];
    says(
        &host,
        &args,
        "OK: first run, HOST/log is looked at from here on",
        0,
    );
    fs::write(&log, b"an old error\nfine\nan error \xff\nhalf an err").unwrap();
    let found = "1 of 2 lines since the last run match, the last: an error ?";
    says(&host, &args, &format!("WARNING: {found}"), 1);
    fs::write(&log, b"an old error\nfine\nan error \xff\nhalf an error\n").unwrap();
    let found = "1 of 1 lines since the last run match, the last: half an error";
    says(&host, &args, &format!("WARNING: {found}"), 1);
    host.write("log", "error\n");
    says(
        &host,
        &args,
        "WARNING: 1 of 1 lines since the last run match, the last: error",
        1,
    );
    host.remove("log");
    let (text, status) = host.check("check-kernel-log", &args);
    assert!(
        text.starts_with("CheckKernelLog UNKNOWN: cannot read HOST/log: "),
        "{text}"
    );
    assert_eq!(status, 3);
}

#[test]
fn an_alert_is_repeated_for_as_long_as_it_is_held() {
    let host = host();
    let hold = ["--hold", "86400"];
    says(
        &host,
        &hold,
        "OK: first run, HOST/dev/kmsg is looked at from here on",
        0,
    );
    says(&host, &hold, "OK: 0 of 0 lines since the last run match", 0);
    let more = "2,2,10,-;mce: [Hardware Error]: CPU 0 | x=1\n";
    let text = fs::read_to_string(host.path("dev/kmsg")).unwrap() + more;
    host.write("dev/kmsg", &text);
    let found =
        "1 of 1 lines since the last run match, the last: mce: [Hardware Error]: CPU 0 / x=1";
    says(&host, &hold, &format!("WARNING: {found}"), 1);
    let (text, status) = host.check("check-kernel-log", &hold);
    let (before, now) = text.split_once(" s ago); now: ").unwrap();
    assert!(before.starts_with(&format!("CheckKernelLog WARNING: {found} (")));
    assert_eq!(
        (now, status),
        ("0 of 0 lines since the last run match\n", 1)
    );
    // Who does not hold it sees what is now.
    says(&host, &[], "OK: 0 of 0 lines since the last run match", 0);
    let bad = "UNKNOWN: invalid value '0' for '--hold <SECONDS>': use whole seconds, above 0; \
               see venus-checks check-kernel-log --help";
    says(&host, &["--hold", "0"], bad, 3);
}

/// What a check says after its first run, of these records on top.
fn says_of(records: &str, args: &[&str], line: &str, status: i32) {
    let host = host();
    host.check("check-kernel-log", args);
    let text = fs::read_to_string(host.path("dev/kmsg")).unwrap() + records;
    host.write("dev/kmsg", &text);
    says(&host, args, line, status);
}

#[test]
fn what_was_overwritten_or_is_no_record_is_said() {
    says_of(
        "6,4,9,-;eth0: up\n",
        &[],
        "WARNING: 0 of 1 lines since the last run match; \
         lost 2 lines that the kernel has overwritten since",
        1,
    );
    says_of(
        "garbage\n2,3,9,-;EXT4-fs error (device sda1)\n",
        &[],
        "WARNING: 1 of 1 lines since the last run match, the last: EXT4-fs error (device sda1)\n\
         1 line left out as no record of the kernel: garbage",
        1,
    );
}

#[test]
fn what_programs_write_there_is_none_of_the_kernels() {
    says_of(
        "28,2,9,-;a program: I/O error\n14,3,9,-;another: Oops\n6,4,9,-;eth0: up\n",
        &[],
        "OK: 0 of 1 lines since the last run match",
        0,
    );
}

#[test]
fn trouble_is_known_without_a_pattern() {
    for trouble in [
        "mlx4_core 0000:03:00.0: port 1: link is down",
        "EDAC MC0: 1 UE memory read error on CPU_SrcID#0",
        "EDAC sbridge MC1: 1 CE memory read error",
        "CPU3: Core temperature above threshold, cpu clock throttled",
        "XFS (sda1): Corruption of in-memory data detected.  Shutting down filesystem",
        "BUG: unable to handle kernel NULL pointer dereference",
        "nfs: server fs not responding, still trying",
        "general protection fault: 0000 [#1] SMP",
    ] {
        let found = format!("WARNING: 1 of 1 lines since the last run match, the last: {trouble}");
        says_of(&format!("3,2,9,-;{trouble}\n"), &[], &found, 1);
    }
    for none in [
        "EDAC MC0: Giving out device to module sbridge_edac",
        "traps: x[1] general protection fault ip:1 sp:2 error:0",
    ] {
        let line = "OK: 0 of 1 lines since the last run match";
        says_of(&format!("3,2,9,-;{none}\n"), &[], line, 0);
    }
}

#[test]
fn what_cannot_be_kept_hides_nothing() {
    let host = host();
    let hold = ["--hold", "600"];
    host.check("check-kernel-log", &hold);
    let more = "2,2,9,-;Oops\n";
    let text = fs::read_to_string(host.path("dev/kmsg")).unwrap() + more;
    host.write("dev/kmsg", &text);
    let found = "1 of 1 lines since the last run match, the last: Oops";
    host.write("state/check-kernel-log-hold.json", "{");
    let (text, status) = host.check("check-kernel-log", &hold);
    let damaged = format!(
        "CheckKernelLog WARNING: {found}; the state file HOST/state/check-kernel-log-hold.json is \
         damaged ("
    );
    assert!(text.starts_with(&damaged) && status == 1, "{text}");
    // The next run has a file that is whole, and it is held.
    let (text, status) = host.check("check-kernel-log", &hold);
    let again = format!("CheckKernelLog WARNING: {found} (");
    assert!(text.starts_with(&again) && status == 1, "{text}");
    host.write("state/check-kernel-log.json", "{");
    let (text, status) = host.check("check-kernel-log", &[]);
    let damaged =
        "CheckKernelLog UNKNOWN: the state file HOST/state/check-kernel-log.json is damaged (";
    assert!(text.starts_with(damaged) && status == 3, "{text}");
    assert!(
        text.ends_with("is begun anew; first run, HOST/dev/kmsg is looked at from here on\n"),
        "{text}"
    );
}
