use std::process::Command;

use crate::Host;

/// `PROC/PID/stat`: 100 ticks are a second, 1024 bytes a KiB, and a page has 4096 bytes.
pub(crate) fn stat(pid: u32, name: &str, state: char, cpu_ticks: u64, start_ticks: u64) -> String {
    format!(
        "{pid} ({name}) {state} 1 1 1 0 -1 0 0 0 0 0 {cpu_ticks} 0 0 0 20 0 3 0 {start_ticks} \
         4096000 250 0 0\n"
    )
}

/// A host that has been up for 1,000 s, with two of `sleep 30`, a zombie and a kernel's thread.
fn host() -> Host {
    Host::with(&[
        ("proc/uptime", "1000.00 1.00\n"),
        ("proc/99001/stat", &stat(99001, "sleep", 'S', 100, 50_000)),
        ("proc/99001/cmdline", "sleep\x0030\0"),
        ("proc/99002/stat", &stat(99002, "sleep", 'D', 5000, 90_000)),
        ("proc/99002/cmdline", "/bin/sleep\x0030\0"),
        ("proc/99003/stat", &stat(99003, "a) (b", 'Z', 0, 0)),
        ("proc/99003/cmdline", ""),
        ("proc/99004/stat", &stat(99004, "kworker/0", 'I', 0, 0)),
        ("proc/99004/cmdline", ""),
        ("pid", "99002\n"),
        ("bad", "x\n"),
    ])
}

fn says(args: &[&str], line: &str, status: i32) {
    host().says(
        "check-process",
        args,
        &format!("CheckProcess {line}"),
        status,
    );
}

#[test]
fn how_many_match_is_judged() {
    let found = "Found 2 matching processes; cmd /sleep 30/";
    let sleep = ["-p", "sleep 30"];
    for (args, status, code) in [
        (&[][..], "OK", 0),
        (&["-W", "1000", "-C", "1"], "WARNING", 1),
        (&["-w", "1", "-c", "5"], "WARNING", 1),
        (&["-w", "2", "-c", "5"], "OK", 0),
        (&["-c", "0"], "CRITICAL", 2),
        (&["-W", "4", "-C", "3"], "CRITICAL", 2),
    ] {
        says(
            &[&sleep, args].concat(),
            &format!("{status}: {found}"),
            code,
        );
    }
    says(
        &["-p", "sleep 30", "-t", "count"],
        &format!("CRITICAL: {found}; count == 0"),
        2,
    );
    says(
        &["-p", "sleep 30", "-t", "rss", "-w", "1999"],
        &format!("WARNING: {found}; rss == 2000"),
        1,
    );
    says(
        &["-p", "nosuchprocess"],
        "CRITICAL: Found 0 matching processes; cmd /nosuchprocess/",
        2,
    );
    says(
        &[
            "-s",
            "Z",
            "-W",
            "0",
            "-C",
            "0",
            "-w",
            "0",
            "-c",
            "10",
            "--perfdata",
        ],
        "WARNING: Found 1 matching processes; state Z | 'processes'=1;0;10;0",
        1,
    );
}

#[test]
fn each_way_to_choose() {
    for (args, count, words) in [
        (&["-x", "sleep"][..], 2, ""),
        (
            &["-p", "^\\[a\\) \\(b\\] <defunct>$"],
            1,
            "; cmd /^\\[a\\) \\(b\\] <defunct>$/",
        ),
        (&["-p", "^\\[kworker/0\\]$"], 1, "; cmd /^\\[kworker/0\\]$/"),
        (&["-s", "S,D"], 2, "; state S,D"),
        (&["-u", "nobody,4294967294"], 0, "; user nobody,4294967294"),
        (&["-z", "3999"], 4, "; vsz > 3999"),
        (&["-z", "4000"], 0, "; vsz > 4000"),
        (&["-r", "999"], 4, "; rss > 999"),
        (&["-P", "0.1"], 2, "; cpu > 0.1"),
        (&["-P", "49.9"], 1, "; cpu > 49.9"),
        (&["-T", "3"], 0, "; thcount > 3"),
        (&["-e", "100", "-E", "1000"], 1, "; esec < 1000; esec > 100"),
        (&["-i", "0", "-I", "50"], 1, "; csec < 50; csec > 0"),
        (&["--encoding", "UTF-8"], 4, ""),
    ] {
        let (status, code) = if count > 0 {
            ("OK", 0)
        } else {
            ("CRITICAL", 2)
        };
        let line = format!("{status}: Found {count} matching processes{words}");
        says(args, &line, code);
    }
}

#[test]
fn a_file_with_the_number_of_a_process() {
    let host = host();
    let says = |file: &str, more: &[&str], line: &str, status: i32| {
        let file = host.path(file);
        let args = [&["-f", file.to_str().unwrap()], more].concat();
        host.says(
            "check-process",
            &args,
            &format!("CheckProcess {line}"),
            status,
        );
    };
    says(
        "pid",
        &[],
        "OK: Found 1 matching processes; pid HOST/pid",
        0,
    );
    says("none", &[], "UNKNOWN: Could not read pid file HOST/none", 3);
    says(
        "none",
        &["-F"],
        "CRITICAL: Could not read pid file HOST/none",
        2,
    );
    let bad = "UNKNOWN: cannot understand HOST/bad: it is not the number of a process";
    says("bad", &[], bad, 3);
}

#[test]
fn what_is_not_understood_is_unknown() {
    for (args, what) in [
        (
            &["-w", "5", "-c", "1"],
            "--warn-over 5 and --critical-over 1 are upside down: \
             critical must not come before the warning",
        ),
        (
            &["-W", "1", "-C", "2"],
            "--warn-under 1 and --critical-under 2 are upside down: \
             critical must not come before the warning",
        ),
        (
            &["-W", "x", "-C", "2"],
            "invalid value 'x' for '--warn-under <N>': use a whole number; \
             see venus-checks check-process --help",
        ),
        (
            &["-t", "size", "-C", "2"],
            "invalid value 'size' for '--metric <METRIC>' \
             [possible values: vsz, rss, cpu, thcount, count]; see venus-checks check-process --help",
        ),
    ] {
        says(args, &format!("UNKNOWN: {what}"), 3);
    }
    let host = host();
    host.write("proc/99001/stat", "99001 (sleep) S 1 1");
    host.says(
        "check-process",
        &["-C", "4"],
        "CheckProcess UNKNOWN: Found 3 matching processes; 1 could not be read: \
         cannot understand HOST/proc/99001/stat: line 1 is cut off",
        3,
    );
    let (text, status) = host.check("check-process", &["-p", "("]);
    assert!(text.starts_with("CheckProcess UNKNOWN: invalid value '(' for '--pattern <PATTERN>'"));
    assert_eq!(status, 3);
}

#[test]
fn on_this_machine() {
    let host = Host::new();
    let mut sleep = Command::new("sleep").arg("987.5").spawn().unwrap();
    let args = ["-p", "^sleep 987\\.5$", "--proc-path", "/proc"];
    let got = host.check("check-process", &args);
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let line = "CheckProcess OK: Found 1 matching processes; cmd /^sleep 987\\.5$/\n";
    assert_eq!(got, (line.to_owned(), 0));
    // Its own command line has the pattern, too, and is not meant.
    assert_eq!(
        host.check("check-process", &["-p", "xyz987", "--proc-path", "/proc"])
            .1,
        2
    );
    let args = ["-p", "xyz987", "-m", "--proc-path", "/proc"];
    assert_eq!(host.check("check-process", &args).1, 0);
}

#[test]
fn one_that_cannot_be_read_says_nothing_of_the_others() {
    let host = host();
    std::fs::create_dir_all(host.path("proc/99005/stat")).unwrap();
    let unread =
        "; 1 could not be read: cannot read HOST/proc/99005/stat: Is a directory (os error 21)";
    let says = |args: &[&str], line: &str, status| {
        let args = [&["-p", "sleep 30"], args].concat();
        let line = format!("CheckProcess {line}");
        host.says("check-process", &args, &line, status);
    };
    let found = "Found 2 matching processes; cmd /sleep 30/";
    for (args, word, status) in [
        // Whatever it is, it changes nothing.
        (&[][..], "OK", 0),
        (&["-c", "1"], "CRITICAL", 2),
        (&["-w", "1", "-c", "2"], "WARNING", 1),
        (&["-W", "5", "-C", "4"], "CRITICAL", 2),
        // It may be the one that is missing, or the one that is too many.
        (&["-C", "3"], "UNKNOWN", 3),
        (&["-c", "2"], "UNKNOWN", 3),
    ] {
        says(args, &format!("{word}: {found}{unread}"), status);
    }
    let line = format!("UNKNOWN: {found}; rss == 2000{unread}");
    says(&["-t", "rss", "-w", "5000"], &line, 3);
}
