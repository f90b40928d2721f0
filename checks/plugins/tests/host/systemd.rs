//! check-systemd-unit, beside a stand-in for systemctl: this machine may have booted without systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::Host;

/// A host whose systemctl is these lines of shell.
fn stand_in(script: &str) -> Host {
    let host = Host::new();
    host.write("systemctl", &format!("#!/bin/sh\n{script}\n"));
    let program = host.path("systemctl");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    host
}

fn check(host: &Host, args: &[&str]) -> (String, i32) {
    let program = host.path("systemctl");
    let args = [args, &["--binary", program.to_str().unwrap()]].concat();
    host.check("check-systemd-unit", &args)
}

fn says(script: &str, args: &[&str], line: &str, status: i32) {
    let got = check(&stand_in(script), args);
    assert_eq!(
        got,
        (format!("CheckSystemdUnit {line}\n"), status),
        "{args:?}"
    );
}

/// A unit as systemctl shows it.
fn unit(name: &str, load: &str, active: &str, sub: &str, restarts: u32) -> String {
    format!(
        "printf 'Id={name}\\nLoadState={load}\\nActiveState={active}\\nSubState={sub}\\n\
         NRestarts={restarts}\\n\\n'"
    )
}

#[test]
fn units_are_active_or_not() {
    let up = unit("ssh.service", "loaded", "active", "running", 0);
    let ssh = ["-u", "ssh.service"];
    says(&up, &ssh, "OK: ssh.service is active (running)", 0);
    let again = unit("ssh.service", "loaded", "active", "running", 7);
    let args = [&ssh[..], &["-w", "5", "-c", "10"]].concat();
    says(
        &again,
        &args,
        "WARNING: ssh.service was restarted 7 times, threshold 5",
        1,
    );
    let both = format!(
        "{up}\n{}",
        unit("x.service", "not-found", "inactive", "dead", 0)
    );
    let args = ["-u", "ssh.service", "-u", "x.service"];
    says(&both, &args, "CRITICAL: x.service is not there", 2);
    let failed = unit("ssh.service", "loaded", "failed", "failed", 0);
    says(&failed, &ssh, "CRITICAL: ssh.service is failed (failed)", 2);
    says(&failed, &[], "CRITICAL: ssh.service is failed (failed)", 2);
    let begun = unit("ssh.service", "loaded", "activating", "auto-restart", 3);
    says(
        &begun,
        &ssh,
        "WARNING: ssh.service is activating (auto-restart)",
        1,
    );
    says("true", &[], "OK: no unit has failed", 0);
}

#[test]
fn a_systemctl_that_fails_says_nothing_or_hangs_is_unknown() {
    let ask = "UNKNOWN: cannot ask HOST/systemctl: ";
    let bus = "echo 'Failed to connect to bus' >&2; exit 1";
    let line = format!("{ask}exit status: 1: Failed to connect to bus");
    says(bus, &["-u", "a"], &line, 3);
    says(
        "true",
        &["-u", "a"],
        "UNKNOWN: HOST/systemctl told of 0 units, not of 1",
        3,
    );
    says(
        "echo garbage",
        &["-u", "a"],
        "UNKNOWN: HOST/systemctl did not tell how a is",
        3,
    );
    let begun = Instant::now();
    let host = stand_in("exec sleep 60");
    let (text, status) = check(&host, &["-u", "a", "--timeout", "1"]);
    let start = format!("CheckSystemdUnit {ask}no answer within 0.");
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(status, 3);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn its_twin_says_whether_units_are_active_and_how_often_they_were_restarted() {
    let script = format!(
        "{}; {}",
        unit("ssh.service", "loaded", "active", "running", 7),
        unit("a b", "loaded", "failed", "failed", 0),
    );
    let host = stand_in(&script);
    let program = host.path("systemctl");
    let args = ["-s", "s", "-u", "ssh.service", "-u", "a b", "--binary"];
    let args = [&args[..], &[program.to_str().unwrap()]].concat();
    let output = host
        .command("metrics-systemd-unit", &args)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let got: Vec<&str> = text
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(
        got,
        [
            "s.ssh_service.active 1",
            "s.ssh_service.restarts 7",
            "s.a_b.active 0",
            "s.a_b.restarts 0",
        ]
    );
}
