//! What the community's plugins printed on a live machine, beside what ours print on one that is
//! much like it: the same words in the same order, the same exit codes, and the same options.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use regex_lite::Regex;
use serde::Deserialize;
use venus_checks::check::{self, Check, command};

use crate::Host;
use crate::process::stat;

/// As it was recorded; never written by us.
const RECORDED: &str = include_str!("../../../../tests/fixtures/checks/community-plugins.json");

/// What is not imitated, with what is printed in its place.
const EXCEPTIONS: [(&str, &str, i32); 7] = [
    // No stack traces.
    (
        "check-load -w x -c 1",
        "CheckLoad UNKNOWN: invalid value 'x' for '--warning <L1,L5,L15>': \
         use three numbers, as in 2.75,2.5,2.0; see venus-checks check-load --help",
        3,
    ),
    (
        "check-load -w 1,1 -c 2,2,2",
        "CheckLoad UNKNOWN: invalid value '1,1' for '--warning <L1,L5,L15>': \
         use three numbers, as in 2.75,2.5,2.0; see venus-checks check-load --help",
        3,
    ),
    (
        "check-load --nope",
        "CheckLoad UNKNOWN: unexpected argument '--nope' found; see venus-checks check-load --help",
        3,
    ),
    // A threshold that is no number is not 0, and one that is upside down is not taken.
    (
        "check-disk-usage -w x",
        "CheckDisk UNKNOWN: invalid value 'x' for '--warning <N>': not a range; use a number such \
         as 10, or 10:, ~:10, 10:20, @10:20; see venus-checks check-disk-usage --help",
        3,
    ),
    (
        "check-memory-percent -w 90 -c 80",
        "MEM UNKNOWN - warning 90 and critical 80 are upside down: \
         critical must not come before the warning",
        3,
    ),
    // A label with a blank in it has to be quoted.
    (
        "check-memory-percent -p -w 0 -c 0",
        "MEM CRITICAL - system memory usage: 2% | 'free memory'=2%;0;0;0",
        2,
    ),
    // The plugin lacked a library there.
    ("check-ram", "CheckRAM OK: 98.0% RAM free", 0),
];

#[derive(Deserialize)]
struct Recorded {
    command: String,
    exit: i32,
    stdout: String,
}

impl Recorded {
    fn all() -> Vec<Self> {
        serde_json::from_str(RECORDED).unwrap()
    }

    fn is_help(&self) -> bool {
        self.command.ends_with(" --help") || self.command.ends_with(" -h")
    }

    /// Its arguments. Where the shell had quotes, the recording has not.
    fn arguments(&self) -> (&str, Vec<String>) {
        let command = self.command.replace("sleep 30", "sleep\u{a0}30");
        let words = command.split(' ').filter(|word| !word.is_empty());
        let name = self.command.split(' ').next().unwrap();
        (
            name,
            words
                .skip(1)
                .map(|word| word.replace('\u{a0}', " "))
                .collect(),
        )
    }
}

/// Figures become N, sizes N U, and mounts that are alike but for them one.
fn masked(text: &str) -> String {
    let mut text = text.trim_end().to_owned();
    for (from, to) in [
        (r"\d+(\.\d+)?", "N"),
        (r"N (B|[KMGTP]iB)", "N U"),
        (r"/\S* N%", "/M N%"),
        (r"(/M N% [^,]*)(, /M N% [^,]*)*", "$1"),
    ] {
        text = Regex::new(from)
            .unwrap()
            .replace_all(&text, to)
            .into_owned();
    }
    text
}

/// A machine with two processors, all at rest, 2 % of its memory in use, and two of `sleep 30`.
fn host() -> Host {
    Host::with(&[
        ("proc/loadavg", "0.06 0.04 0.08 1/100 42\n"),
        ("sys/devices/system/cpu/online", "0-1\n"),
        (
            "proc/meminfo",
            "MemTotal: 24576000 kB\nMemFree: 1 kB\nMemAvailable: 24084480 kB\nBuffers: 1 kB\n\
             Cached: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\n",
        ),
        (
            "proc/mounts",
            "devtmpfs /dev devtmpfs rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n",
        ),
        ("fstab", "/dev/shm /dev/shm tmpfs rw 0 0\n"),
        ("proc/uptime", "1000.00 1.00\n"),
        ("proc/99001/stat", &stat(99001, "sleep", 'S', 100, 50_000)),
        ("proc/99001/cmdline", "sleep\x0030\0"),
        ("proc/99002/stat", &stat(99002, "sleep", 'S', 100, 50_000)),
        ("proc/99002/cmdline", "sleep\x0030\0"),
    ])
}

/// Ticks that grow all the time, on nothing but idle.
fn idle(ticks: u64) -> String {
    format!("cpu  5 0 5 {ticks} 0 0 0 0 0 0\ncpu0 5 0 5 {ticks} 0 0 0 0 0 0\nprocs_blocked 0\n")
}

#[test]
fn words_and_exit_codes_are_theirs() {
    let host = host();
    host.write("proc/stat", &idle(1));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for ticks in 2.. {
                host.write("proc/stat", &idle(ticks));
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // Else a failure would be waited for.
        let compared = std::panic::catch_unwind(|| compare(&host));
        done.store(true, Ordering::Relaxed);
        compared.unwrap();
    });
}

fn compare(host: &Host) {
    let fstab = host.path("fstab").to_str().unwrap().to_owned();
    let mut exceptions: BTreeSet<&str> = EXCEPTIONS.map(|(command, _, _)| command).into();
    for recorded in Recorded::all().iter().filter(|one| !one.is_help()) {
        let (name, mut args) = recorded.arguments();
        match name {
            // A shorter time to wait, which replaces the one before it.
            "check-cpu" => args.extend(["--sleep", "0.1"].map(str::to_owned)),
            "check-fstab-mounts" => args.extend(["--fstab".to_owned(), fstab.clone()]),
            _ => {}
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (text, exit) = host.check(name, &args);
        let command = recorded.command.trim_end();
        match EXCEPTIONS.iter().find(|(of, _, _)| *of == command) {
            Some((_, line, status)) => {
                assert_eq!((text, exit), (format!("{line}\n"), *status), "{command}");
                exceptions.remove(command);
            }
            None => assert_eq!(
                (masked(&text), exit),
                (masked(&recorded.stdout), recorded.exit),
                "{command}"
            ),
        }
    }
    assert_eq!(exceptions, BTreeSet::new(), "not recorded");
}

fn has(check: &'static Check, option: &str) -> bool {
    let command = command(check);
    command
        .get_arguments()
        .any(|argument| match option.strip_prefix("--") {
            Some(long) => {
                argument.get_long() == Some(long)
                    || argument
                        .get_all_aliases()
                        .is_some_and(|all| all.contains(&long))
            }
            None => argument
                .get_short()
                .is_some_and(|short| option == format!("-{short}")),
        })
}

#[test]
fn options_are_theirs() {
    let option = Regex::new(r"(^|, | )(--?[A-Za-z][A-Za-z_-]*)").unwrap();
    let mut seen = 0;
    for recorded in Recorded::all().iter().filter(|one| one.is_help()) {
        let (name, _) = recorded.arguments();
        let check = check::find(name).unwrap();
        for line in recorded
            .stdout
            .lines()
            .filter(|line| line.trim().starts_with('-'))
        {
            for found in option.captures_iter(line.split(" --> ").next().unwrap().trim()) {
                let option = &found[2];
                assert!(
                    option == "-h" || has(check, option),
                    "{name} has no {option}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
}
