use crate::Host;

/// `PROC/stat` with these ticks of all processors.
fn stat(ticks: &str) -> String {
    format!("cpu  {ticks}\ncpu0 {ticks}\nprocs_blocked 0\n")
}

/// Runs it on one reading and then on another, and takes what it says of the time between.
fn says(before: &str, after: &str, args: &[&str], line: &str, status: i32) {
    let host = Host::with(&[("proc/stat", &stat(before))]);
    let (first, code) = host.check("check-cpu", args);
    let known = "OK: first reading since boot, what is used is known from the next run on; \
                 --sleep 1 measures at once\n";
    assert!(first.ends_with(known), "{first}");
    assert_eq!(code, 0);
    host.write("proc/stat", &stat(after));
    host.says("check-cpu", args, line, status);
}

const BEFORE: &str = "100 0 100 1000 0 0 0 0 0 0";
const AFTER: &str = "110 0 130 1150 4 1 2 3 0 0";
const TEXT: &str = "total=21.5 user=5.0 nice=0.0 system=15.0 idle=75.0 iowait=2.0 irq=0.5 \
                    softirq=1.0 steal=1.5 guest=0.0 guest_nice=0.0";

#[test]
fn the_time_since_the_last_run_is_judged() {
    for (args, subject, status, code) in [
        (&[][..], "TOTAL", "OK", 0),
        (&["-w", "21.5"], "TOTAL", "WARNING", 1),
        (&["-w", "10", "-c", "21.5"], "TOTAL", "CRITICAL", 2),
        (&["-c", "20"], "TOTAL", "CRITICAL", 2),
        (
            &["--system", "-w", "15", "-c", "16"],
            "SYSTEM",
            "WARNING",
            1,
        ),
        (
            &["--idle", "-l", "-w", "80", "-c", "70"],
            "IDLE",
            "WARNING",
            1,
        ),
        (
            &["--idle", "-l", "-w", "90", "-c", "75"],
            "IDLE",
            "CRITICAL",
            2,
        ),
        (&["--guest_nice", "-w", "1"], "GUEST_NICE", "OK", 0),
        (&["--user", "-w", "10:20"], "USER", "WARNING", 1),
    ] {
        let line = format!("CheckCPU {subject} {status}: {TEXT}");
        says(BEFORE, AFTER, args, &line, code);
    }
    let all = TEXT.replace("total=21.5", "total=25.0");
    let args = ["--idle-metrics", "idle", "-w", "25"];
    says(
        BEFORE,
        AFTER,
        &args,
        &format!("CheckCPU TOTAL WARNING: {all}"),
        1,
    );
    // A kernel of 2.6.11 has eight columns.
    says(
        "0 0 0 0 0 0 0 0",
        "1 0 0 3 0 0 0 0",
        &["--perfdata"],
        "CheckCPU TOTAL OK: total=25.0 user=25.0 nice=0.0 system=0.0 idle=75.0 iowait=0.0 irq=0.0 \
         softirq=0.0 steal=0.0 | 'total'=25%;80;100 'user'=25% 'nice'=0% 'system'=0% 'idle'=75% \
         'iowait'=0% 'irq'=0% 'softirq'=0% 'steal'=0%",
        0,
    );
}

#[test]
fn each_mode_remembers_for_itself() {
    let host = Host::with(&[("proc/stat", &stat(BEFORE))]);
    host.check("check-cpu", &[]);
    host.check("check-cpu", &["--user"]);
    host.write("proc/stat", &stat(AFTER));
    for (args, subject) in [(&[][..], "TOTAL"), (&["--user"], "USER")] {
        host.says(
            "check-cpu",
            args,
            &format!("CheckCPU {subject} OK: {TEXT}"),
            0,
        );
    }
    let file = host.path("elsewhere/cpu");
    let args = ["--cache-file", file.to_str().unwrap()];
    assert!(host.check("check-cpu", &args).0.contains("first reading"));
    assert!(file.exists());
}

#[test]
fn what_cannot_be_told_is_unknown() {
    let host = Host::with(&[("proc/stat", &stat(BEFORE))]);
    host.check("check-cpu", &[]);
    let none = "CheckCPU UNKNOWN: no time has passed since the last reading; \
                run it less often, or with --sleep";
    host.says("check-cpu", &[], none, 3);
    host.says("check-cpu", &["--sleep", "0.01"], none, 3);
    host.says(
        "check-cpu",
        &["--sleep", "2", "--timeout", "1"],
        "CheckCPU UNKNOWN: --sleep takes all the time that it has; give more with --timeout",
        3,
    );
    host.says(
        "check-cpu",
        &["-w", "90", "-c", "80"],
        "CheckCPU UNKNOWN: warning 90 and critical 80 are upside down: \
         critical must not come before the warning",
        3,
    );
    let (text, status) = host.check("check-cpu", &["--user", "--idle"]);
    assert!(text.starts_with("CheckCPU UNKNOWN: the argument '--user' cannot be used with"));
    assert_eq!(status, 3);
    let (text, status) = host.check("check-cpu", &["-w", "x"]);
    assert!(text.contains("'x' for '--warning <N>': not a range; use a number such as 10"));
    assert_eq!(status, 3);

    // The counters of another boot, and a state file of somebody else's.
    host.write("proc/stat", &stat("1 0 1 1 0 0 0 0 0 0"));
    assert_eq!(host.check("check-cpu", &[]).1, 0);
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    host.write("proc/stat", &stat("100 0 100 100 0 0 0 0 0 0"));
    let first = "CheckCPU TOTAL OK: first reading since boot, what is used is known from the next \
                 run on; --sleep 1 measures at once";
    host.says("check-cpu", &[], first, 0);
    host.write("state/check-cpu.json", "{");
    let (text, status) = host.check("check-cpu", &[]);
    assert!(
        text.contains("\nthe state file HOST/state/check-cpu.json is damaged ("),
        "{text}"
    );
    assert_eq!(status, 0);
}
