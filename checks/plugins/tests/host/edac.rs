use std::fs;

use crate::Host;

/// One memory controller that has corrected so many errors, and could not correct so many.
fn controller(corrected: &str, uncorrected: &str) -> Host {
    let host = Host::new();
    count(&host, "mc0", corrected, uncorrected);
    host
}

fn count(host: &Host, controller: &str, corrected: &str, uncorrected: &str) {
    for (file, count) in ["ce_count", "ue_count"]
        .into_iter()
        .zip([corrected, uncorrected])
    {
        let file = format!("sys/devices/system/edac/mc/{controller}/{file}");
        host.write(&file, &format!("{count}\n"));
    }
}

fn edac(host: &Host, args: &[&str], line: &str, status: i32) {
    host.says("check-edac", args, &format!("CheckEdac {line}"), status);
}

#[test]
fn memory_errors_since_the_last_run() {
    let host = controller("7", "0");
    let first = "OK: first run, 1 memory controller, 7 errors corrected since boot, none that could \
                 not be; new ones are known from here on";
    edac(&host, &["--perfdata"], first, 0);
    let fine = "OK: 1 memory controller, 0 errors corrected since the last run (7 since boot), \
                none that could not be";
    let figures = "'mc0 uncorrected'=0;;;0 'mc0 corrected'=0;1;1000;0";
    edac(&host, &["--perfdata"], &format!("{fine} | {figures}"), 0);
    count(&host, "mc0", "10", "0");
    // Another check with thresholds of its own counts for itself.
    edac(
        &host,
        &["-c", "3"],
        &first.replace("7 errors", "10 errors"),
        0,
    );
    let new = "mc0 corrected 3 errors since the last run, threshold 1";
    edac(&host, &["--hold", "600"], &format!("WARNING: {new}"), 1);
    let (held, status) = host.check("check-edac", &["--hold", "600"]);
    assert!(
        held.starts_with(&format!("CheckEdac WARNING: {new} (")),
        "{held}"
    );
    assert_eq!(status, 1);
    count(&host, "mc0", "1010", "1");
    edac(
        &host,
        &[],
        "CRITICAL: mc0 could not correct 1 error since the last run; \
         mc0 corrected 1000 errors since the last run, threshold 1000",
        2,
    );
    let fine = "OK: 1 memory controller, 0 errors corrected since the last run (1010 since boot), \
                none that could not be (1 since boot)";
    edac(&host, &[], fine, 0);
    // Somebody wrote to reset_counters.
    count(&host, "mc0", "2", "0");
    let new = "WARNING: mc0 corrected 2 errors since the last run, threshold 1";
    edac(&host, &[], new, 1);
    // What was counted since a boot is all new.
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    edac(&host, &[], new, 1);
    edac(&host, &["-c", "3"], new, 1);
}

/// Nobody may have been told of them, other than of those that were corrected.
#[test]
fn memory_errors_that_could_not_be_corrected_are_told_at_the_first_run() {
    let host = controller("7", "2");
    let found = "CRITICAL: mc0 could not correct 2 errors since boot";
    edac(&host, &[], found, 2);
    let fine = "OK: 1 memory controller, 0 errors corrected since the last run (7 since boot), \
                none that could not be (2 since boot)";
    edac(&host, &[], fine, 0);
    // Nor is it known whether they have where the state is lost.
    fs::write(host.path("state/check-edac.json"), "{").unwrap();
    let (text, status) = host.check("check-edac", &[]);
    let damaged =
        format!("CheckEdac {found}; the state file HOST/state/check-edac.json is damaged");
    assert!(text.starts_with(&damaged) && status == 2, "{text}");
    fs::remove_file(host.path("state/check-edac.json")).unwrap();
    fs::create_dir(host.path("state/check-edac.json")).unwrap();
    let (text, status) = host.check("check-edac", &[]);
    assert!(
        text.contains("; cannot write the state file ") && status == 2,
        "{text}"
    );
}

#[test]
fn memory_errors_since_boot() {
    let host = controller("0", "0");
    let total = |args: &[&str], line: &str, status| {
        edac(&host, &[&["--total"], args].concat(), line, status);
    };
    let fine = "OK: 1 memory controller, 0 errors corrected since boot, none that could not be";
    total(&[], fine, 0);
    count(&host, "mc0", "7", "0");
    for _ in 0..2 {
        total(
            &[],
            "WARNING: mc0 corrected 7 errors since boot, threshold 1",
            1,
        );
    }
    let critical = "CRITICAL: mc0 corrected 7 errors since boot, threshold 7";
    total(&["-c", "7"], critical, 2);
    total(
        &["-w", "8", "--perfdata"],
        &format!(
            "{} | 'mc0 uncorrected'=0c;;;0 'mc0 corrected'=7c;8;1000;0",
            fine.replace("0 errors", "7 errors")
        ),
        0,
    );
    count(&host, "mc0", "7", "1");
    let both = "mc0 could not correct 1 error since boot; \
                mc0 corrected 7 errors since boot, threshold 1";
    total(&[], &format!("CRITICAL: {both}"), 2);
    assert!(!host.path("state").exists(), "nothing is remembered");
}

#[test]
fn memory_controllers_that_cannot_be_read() {
    let host = controller("0", "0");
    edac(
        &host,
        &["-w", "2"],
        "OK: first run, 1 memory controller, 0 errors corrected since boot, \
        none that could not be; new ones are known from here on",
        0,
    );
    count(&host, "mc0", "7", "1");
    count(&host, "mc1", "x", "0");
    let unread = "cannot understand HOST/sys/devices/system/edac/mc/mc1/ce_count";
    let (text, status) = host.check("check-edac", &["--total"]);
    assert!(
        text.starts_with("CheckEdac CRITICAL: mc0 could not correct 1 error"),
        "{text}"
    );
    assert!(text.contains(unread) && status == 2, "{text}");
    // What cannot be read hides nothing of the same controller.
    host.remove("sys/devices/system/edac/mc/mc0/ce_count");
    count(&host, "mc1", "0", "0");
    let unread = "cannot read HOST/sys/devices/system/edac/mc/mc0/ce_count: No such file or \
                  directory (os error 2); is the right path given, and is it mounted?";
    let found = "CRITICAL: mc0 could not correct 1 error since";
    edac(
        &host,
        &["-w", "2"],
        &format!("{found} the last run; {unread}"),
        2,
    );
    edac(&host, &["--total"], &format!("{found} boot; {unread}"), 2);
    // Nor is anything lost of it.
    count(&host, "mc0", "8", "1");
    let new = "WARNING: mc0 corrected 8 errors since the last run, threshold 2";
    edac(&host, &["-w", "2"], new, 1);
    edac(
        &Host::new(),
        &[],
        "UNKNOWN: no memory controller below HOST/sys/devices/system/edac/mc",
        3,
    );
}
