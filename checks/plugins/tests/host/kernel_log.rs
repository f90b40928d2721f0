use std::fs;

use crate::Host;

fn host() -> Host {
    Host::with(&[
        ("proc/sys/kernel/random/boot_id", "a-b\n"),
        (
            "dev/kmsg",
            "6,1,5,-;Linux version 6\n SUBSYSTEM=x\n3,2,9,-;Out of memory: Killed process 1\n",
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
    let more = "6,3,9,-;eth0: up\n2,4,10,-;mce: [Hardware Error]: CPU 0 | x=1\n";
    let text = fs::read_to_string(host.path("dev/kmsg")).unwrap() + more;
    host.write("dev/kmsg", &text);
    let found =
        "1 of 2 lines since the last run match, the last: mce: [Hardware Error]: CPU 0 / x=1";
    says(&host, &[], &format!("WARNING: {found}"), 1);
    says(&host, &[], "OK: 0 of 0 lines since the last run match", 0);
    // After a boot it counts from 0 again.
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    let found =
        "2 of 4 lines since the last run match, the last: mce: [Hardware Error]: CPU 0 / x=1";
    says(&host, &["-c", "2"], &format!("CRITICAL: {found}"), 2);
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
    let more = "2,4,10,-;mce: [Hardware Error]: CPU 0 | x=1\n";
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
