//! Several runs at once, as from cron and from an agent: what one of them has told of is told once, and what
//! one remembers is not lost by another that writes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Output, Stdio};

use crate::Host;

const RUNS: usize = 20;

impl Host {
    /// What each run prints of a check that is started with each of these arguments before any has ended.
    fn side_by_side(&self, check: &str, args: &[Vec<&str>]) -> Vec<String> {
        let start = |args: &Vec<&str>| {
            let mut command = self.command(check, args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let runs: Vec<_> = args.iter().map(start).collect();
        let ended = runs.into_iter().map(|run| run.wait_with_output().unwrap());
        let text = |Output { stdout, stderr, .. }| {
            assert_eq!(String::from_utf8(stderr).unwrap(), "");
            String::from_utf8(stdout).unwrap()
        };
        ended.map(text).collect()
    }
}

/// The number that these lines have after `'NAME'=`, all together.
fn sum(lines: &[String], name: &str) -> u64 {
    let number = |line: &String| {
        let label = format!("'{name}'=");
        let (_, rest) = line
            .split_once(&label)
            .unwrap_or_else(|| panic!("no {label} in {line}"));
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        rest[..end].parse::<u64>().unwrap()
    };
    lines.iter().map(number).sum()
}

#[test]
fn each_line_of_a_log_is_told_by_one_run() {
    let host = Host::new();
    let log = host.path("log");
    fs::write(&log, "").unwrap();
    let args = ["-f", log.to_str().unwrap(), "-p", "error", "--perfdata"];
    host.check("check-kernel-log", &args);
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    let much = "nothing\n".repeat(100_000) + "an error\n";
    let mut told = 0;
    for round in 1..=3 {
        file.write_all(much.as_bytes()).unwrap();
        let lines = host.side_by_side("check-kernel-log", &vec![args.to_vec(); RUNS]);
        told += sum(&lines, "lines");
        assert_eq!(told, round, "{lines:?}");
    }
}

#[test]
fn what_one_remembers_is_not_lost_by_another() {
    let host = Host::new();
    let log = host.path("log");
    fs::write(&log, "").unwrap();
    let patterns: Vec<String> = (0..RUNS).map(|n| format!("error|{n}")).collect();
    let args: Vec<_> = patterns
        .iter()
        .map(|pattern| vec!["-f", log.to_str().unwrap(), "-p", pattern, "--perfdata"])
        .collect();
    for line in host.side_by_side("check-kernel-log", &args) {
        assert!(line.contains("OK: first run, "), "{line}");
    }
    fs::write(&log, "an error\n").unwrap();
    for line in host.side_by_side("check-kernel-log", &args) {
        assert!(
            line.contains("1 of 1 lines since the last run match"),
            "{line}"
        );
    }
}

/// The lock of a check's state, as another run has it.
fn lock(host: &Host, check: &str) -> File {
    let path = host.path(&format!("state/{check}.json.lock"));
    let file = OpenOptions::new().append(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

/// Whether this process waits for a lock.
fn waits(process: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some("->") && words.nth(3) == Some(&process.to_string())
    })
}

/// A counter that was read before the other run had written would seem to have been set back.
#[test]
fn counters_are_read_when_it_is_ones_turn() {
    let host = Host::with(&[
        ("sys/class/net/eth0/operstate", "up\n"),
        ("sys/class/net/eth0/statistics/tx_errors", "0\n"),
        ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
        (
            "sys/devices/system/cpu/cpu0/topology/physical_package_id",
            "0\n",
        ),
    ]);
    let set = |count: u64| {
        host.write(
            "sys/class/net/eth0/statistics/rx_errors",
            &format!("{count}\n"),
        );
        let throttled = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
        host.write(throttled, &format!("{count}\n"));
        host.write("proc/interrupts", &format!("     CPU0\nMCE:  {count}\n"));
        host.write("sys/devices/system/edac/mc/mc0/ue_count", "0\n");
        let corrected = "sys/devices/system/edac/mc/mc0/ce_count";
        host.write(corrected, &format!("{count}\n"));
        let stat = format!("cpu  {count} 0 0 1000 0 0 0 0 0 0\nprocs_blocked 0\n");
        host.write("proc/stat", &stat);
    };
    for (check, args, line) in [
        (
            "check-interface",
            &["-i", "eth0"][..],
            "eth0 counted 20 errors since",
        ),
        ("check-mce", &[], "20 machine checks since"),
        ("check-edac", &[], "mc0 corrected 20 errors since"),
        ("check-cpu-frequency", &[], "was throttled 20 times since"),
        ("check-cpu", &["-w", "100"], "total=100.0 user=100.0"),
    ] {
        set(100);
        host.check(check, args);
        let lock = lock(&host, check);
        let mut command = host.command(check, args);
        let run = command.stdout(Stdio::piped()).spawn().unwrap();
        while !waits(run.id()) {
            std::thread::yield_now();
        }
        set(120);
        drop(lock);
        let text = run.wait_with_output().unwrap().stdout;
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(line), "{check}: {text}");
    }
}

/// What can be told without what is remembered is told.
#[test]
fn a_run_that_never_ends_holds_up_no_other() {
    let host = Host::with(&[
        ("sys/class/net/eth0/operstate", "down\n"),
        ("sys/class/net/eth0/statistics/tx_errors", "0\n"),
        ("sys/class/net/eth0/statistics/rx_errors", "0\n"),
        ("proc/interrupts", "     CPU0\nMCE:  0\n"),
    ]);
    for (check, args, line) in [
        (
            "check-interface",
            &["-i", "eth0"][..],
            "CheckInterface CRITICAL: eth0 is down; another run has had",
        ),
        (
            "check-mce",
            &["--hold", "9"],
            "CheckMCE UNKNOWN: another run has had",
        ),
    ] {
        host.check(check, args);
        let _lock = lock(&host, check);
        let (text, _) = host.check(check, &[args, &["--timeout", "3"]].concat());
        let (start, end) = text.split_once(" for more than ").unwrap();
        let state = format!("{line} the state file HOST/state/{check}.json");
        let advice = " s; see what it waits for, or run it less often\n";
        assert!(start == state && end.ends_with(advice), "{text}");
    }
}

#[test]
fn an_alert_is_held_whoever_writes_beside() {
    let host = Host::new();
    let mce = |count| format!("     CPU0\nMCE:  {count}   Machine check exceptions\n");
    host.write("proc/interrupts", &mce(0));
    let limits: Vec<String> = (1..=RUNS).map(|n| n.to_string()).collect();
    let args: Vec<_> = limits
        .iter()
        .map(|limit| vec!["-w", limit, "--hold", "600"])
        .collect();
    host.side_by_side("check-mce", &args);
    host.write("proc/interrupts", &mce(100));
    for line in host.side_by_side("check-mce", &args) {
        assert!(line.contains("WARNING: 100 machine checks since"), "{line}");
    }
    for line in host.side_by_side("check-mce", &args) {
        assert!(line.contains("WARNING: 100 machine checks since"), "{line}");
        assert!(line.contains("; now: 0 machine checks"), "{line}");
    }
}
