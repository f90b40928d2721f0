//! check-smart and metrics-smart, beside a stand-in for smartctl that prints what is written down, and the
//! real one on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Host;

/// Prints the file of the disk that it is asked for, and ends as that says.
const STAND_IN: &str = r#"#!/bin/sh
case "$*" in
    "--json --scan") file=scan ;;
    "--json --info --health --attributes --device scsi /dev/sda") file=sda ;;
    "--json --info --health --attributes --device nvme /dev/nvme0") file=nvme0 ;;
    "--json --info --health --attributes --device megaraid,3 /dev/bus/0") file=megaraid3 ;;
    "--json --info --health --attributes /dev/vda") file=vda ;;
    *) echo "not understood: $*" >&2; exit 1 ;;
esac
cat "${0%/*}/$file.json"
exit "$(sed -n 's/.*"exit_status": \([0-9]*\).*/\1/p' "${0%/*}/$file.json")"
"#;

/// A host with that and the disks as they are written down.
fn host() -> Host {
    let host = Host::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/smart");
    for file in ["scan", "sda", "nvme0", "megaraid3", "vda"] {
        let file = format!("{file}.json");
        host.write(&file, &fs::read_to_string(fixtures.join(&file)).unwrap());
    }
    host.write("smartctl", STAND_IN);
    let program = host.path("smartctl");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    host
}

/// Changes something of what a disk says.
fn change(host: &Host, disk: &str, from: &str, to: &str) {
    let file = format!("{disk}.json");
    let text = fs::read_to_string(host.path(&file)).unwrap();
    assert!(text.contains(from), "{disk} does not say {from}");
    host.write(&file, &text.replace(from, to));
}

fn says(host: &Host, args: &[&str], line: &str, status: i32) {
    let binary = host.path("smartctl");
    let args = [&["--binary", binary.to_str().unwrap()], args].concat();
    host.says("check-smart", &args, &format!("CheckSMART {line}"), status);
}

#[test]
fn disks_of_each_kind_are_healthy() {
    let host = host();
    let figures = "'sda reallocated'=3;10;100;0 'sda pending'=0;10;100;0 \
        'sda uncorrectable'=0;10;100;0 'sda temperature'=34 'nvme0 media errors'=0;10;100;0 \
        'nvme0 wear'=4%;90;100;0 'nvme0 temperature'=41 'bus/0 megaraid,3 grown defects'=2;10;100;0 \
        'bus/0 megaraid,3 wear'=1%;90;100;0 'bus/0 megaraid,3 temperature'=29";
    says(&host, &[], "OK: 3 disks healthy", 0);
    let line = format!("OK: 3 disks healthy | {figures}");
    says(&host, &["--perfdata"], &line, 0);
}

#[test]
fn each_way_to_be_ill() {
    const SDA: &str = "sda (ST1000NM0033)";
    const NVME: &str = "nvme0 (INTEL SSDPEKKW256G8)";
    for (disk, from, to, args, line, status) in [
        (
            "sda",
            "\"passed\": true",
            "\"passed\": false",
            &[][..],
            format!("CRITICAL: {SDA} expects to fail: save what is on it"),
            2,
        ),
        (
            "sda",
            "\"exit_status\": 0",
            "\"exit_status\": 8",
            &[],
            format!("CRITICAL: {SDA} expects to fail: save what is on it"),
            2,
        ),
        (
            "sda",
            "\"when_failed\": \"\"",
            "\"when_failed\": \"past\"",
            &["-w", "10"],
            format!(
                "WARNING: {SDA}: Reallocated_Sector_Ct was below its maker's threshold; \
                 {SDA}: Power_On_Hours was below its maker's threshold; \
                 {SDA}: Temperature_Celsius was below its maker's threshold; \
                 {SDA}: Current_Pending_Sector was below its maker's threshold; \
                 {SDA}: Offline_Uncorrectable was below its maker's threshold"
            ),
            1,
        ),
        (
            "sda",
            "\"thresh\": 10,\n    \"when_failed\": \"\"",
            "\"thresh\": 10,\n    \"when_failed\": \"now\"",
            &[],
            format!("CRITICAL: {SDA}: Reallocated_Sector_Ct is below its maker's threshold"),
            2,
        ),
        (
            "sda",
            "\"value\": 3,",
            "\"value\": 10,",
            &[],
            format!("WARNING: {SDA} has 10 reallocated sectors, threshold 10"),
            1,
        ),
        (
            "sda",
            "\"value\": 3,",
            "\"value\": 4294967396,",
            &[],
            format!("CRITICAL: {SDA} has 100 reallocated sectors, threshold 100"),
            2,
        ),
        (
            "nvme0",
            "\"critical_warning\": 0",
            "\"critical_warning\": 9",
            &[],
            format!("CRITICAL: {NVME}: its spare is used up; {NVME}: it has become read-only"),
            2,
        ),
        (
            "nvme0",
            "\"media_errors\": 0",
            "\"media_errors\": 12",
            &[],
            format!("WARNING: {NVME} has 12 media errors, threshold 10"),
            1,
        ),
        (
            "nvme0",
            "\"percentage_used\": 4",
            "\"percentage_used\": 101",
            &[],
            format!("CRITICAL: {NVME} has used 101% of its life, threshold 100%"),
            2,
        ),
        (
            "nvme0",
            "\"percentage_used\": 4",
            "\"percentage_used\": 5",
            &["-W", "5", "-t", "40", "-T", "50"],
            format!(
                "WARNING: {NVME} has used 5% of its life, threshold 5%; \
                 {NVME} has 41°C, threshold 40°C"
            ),
            1,
        ),
    ] {
        let host = host();
        change(&host, disk, from, to);
        says(&host, args, &line, status);
    }
}

#[test]
fn disks_that_cannot_say_how_they_are() {
    let host = host();
    let vda = ["--device", "/dev/vda"];
    let incapable = "vda cannot say how it is: /dev/vda: Unable to detect device type";
    says(&host, &vda, &format!("UNKNOWN: {incapable}"), 3);
    for (status, line, code) in [
        ("ok", "OK: 0 disks healthy, 1 that cannot say", 0),
        ("warn", &format!("WARNING: {incapable}"), 1),
        ("critical", &format!("CRITICAL: {incapable}"), 2),
    ] {
        let args = [&vda[..], &["--smart-incapable-disks", status]].concat();
        says(&host, &args, line, code);
    }
    // Any other reason is another matter.
    let unable = "/dev/vda: Unable to detect device type";
    for (why, line, code) in [
        (
            "Smartctl open device: /dev/vda failed: Permission denied",
            "UNKNOWN: vda: Smartctl open device: /dev/vda failed: Permission denied; \
             run as root, or with --sudo",
            3,
        ),
        (
            "Smartctl open device: /dev/vda failed: No such device",
            "CRITICAL: vda is not there",
            2,
        ),
        (
            "a | 'x'=1\\nCheckSMART OK: all is well",
            "UNKNOWN: vda: a / 'x'=1 CheckSMART OK: all is well",
            3,
        ),
    ] {
        let host = self::host();
        change(&host, "vda", unable, why);
        let args = [&vda[..], &["--smart-incapable-disks", "ok"]].concat();
        says(&host, &args, line, code);
    }
    change(&host, "scan", "\"devices\"", "\"none\"");
    let none =
        "smartctl finds no disk that it could ask; give those behind a controller with --device";
    says(&host, &[], &format!("UNKNOWN: {none}"), 3);
    says(
        &host,
        &["--smart-incapable-disks", "ok"],
        &format!("OK: {none}"),
        0,
    );
}

#[test]
fn a_smartctl_that_is_not_there_or_talks_nonsense() {
    let host = host();
    host.says(
        "check-smart",
        &["--binary", "/no/smartctl"],
        "CheckSMART UNKNOWN: cannot ask /no/smartctl: No such file or directory (os error 2); \
         install smartmontools, or give it with --binary",
        3,
    );
    // One before 7.0 does not know the option.
    let old = "UNKNOWN: HOST/smartctl prints no JSON, as it does since 7.0: \
               not understood: --json --info --health --attributes /dev/x (exit status: 1)";
    let args = ["--device", "/dev/x"];
    says(&host, &args, &old.replace("UNKNOWN: ", "UNKNOWN: x: "), 3);
    // One disk of which nothing can be had does not hide the others.
    change(&host, "nvme0", "{", "[");
    change(&host, "sda", "\"passed\": true", "\"passed\": false");
    let binary = host.path("smartctl");
    let args = ["--binary", binary.to_str().unwrap()];
    let (text, status) = host.check("check-smart", &args);
    let start = "CheckSMART CRITICAL: sda (ST1000NM0033) expects to fail: save what is on it; \
                 nvme0: HOST/smartctl prints no JSON";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(status, 2);
    says(
        &host,
        &["-w", "5", "-c", "1"],
        "UNKNOWN: warning 5 and critical 1 are upside down: critical must not come before the warning",
        3,
    );
}

#[test]
fn the_same_as_metrics() {
    let host = host();
    change(&host, "megaraid3", "\"smart_status\"", "\"nothing\"");
    let binary = host.path("smartctl");
    let args = ["--scheme", "s", "--binary", binary.to_str().unwrap()];
    let output = host.command("metrics-smart", &args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let without_time = |line: &str| line.rsplit_once(' ').unwrap().0.to_owned();
    let lines: Vec<String> = text.lines().map(without_time).collect();
    assert_eq!(
        lines,
        [
            "s.sda.healthy 1",
            "s.sda.reallocated 3",
            "s.sda.pending 0",
            "s.sda.uncorrectable 0",
            "s.sda.temperature 34",
            "s.nvme0.healthy 1",
            "s.nvme0.media_errors 0",
            "s.nvme0.wear 4",
            "s.nvme0.spare 100",
            "s.nvme0.temperature 41",
        ]
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "metrics-smart: bus/0 megaraid,3: it says nothing of its health\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

/// Whatever disks it has. Loop devices are none that could say how they are.
#[test]
fn the_real_one_on_this_machine() {
    const PROGRAM: &str = "/usr/sbin/smartctl";
    if !Path::new(PROGRAM).exists() {
        println!("SKIPPED: smartmontools is not installed");
        return;
    }
    let args = ["--binary", PROGRAM, "--device", "/dev/null"];
    let (text, status) = Host::new().check("check-smart", &args);
    let line =
        "CheckSMART UNKNOWN: null cannot say how it is: /dev/null: Unable to detect device type\n";
    assert_eq!((text.as_str(), status), (line, 3));
}
