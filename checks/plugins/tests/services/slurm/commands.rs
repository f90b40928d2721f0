//! SLURM's commands fail, say too much, are not there, or hang.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Bin, record, said};

const COMMANDS: [&str; 4] = [
    "check-slurm",
    "check-slurm-node",
    "check-slurmd",
    "metrics-slurm",
];

/// Every command, on stand-ins that are in such a way; what each says of it.
fn each_is_unknown(script: &str, why: &str) {
    let bin = Bin::each(script);
    for name in COMMANDS {
        let (text, status) = bin.said(&[name, "--timeout", "10"]);
        assert_eq!((text.lines().count(), status), (1, 3), "{name}: {text}");
        assert!(text.contains(why), "{name}: {text}");
    }
}

#[test]
fn commands_that_fail_or_talk_nonsense() {
    each_is_unknown(
        "exit 7",
        "cannot ask BIN/scontrol: exit status: 7, and it does not say why",
    );
    each_is_unknown(
        "kill -9 $$",
        "cannot ask BIN/scontrol: signal: 9 (SIGKILL), and it does not say why",
    );
    each_is_unknown(
        "echo 'scontrol: fatal: Could not establish a configuration source' >&2; exit 1",
        "cannot ask BIN/scontrol: Could not establish a configuration source",
    );
    // Recorded without munged: the controller is said to be down, though nobody knows.
    each_is_unknown(
        "echo 'Slurmctld(primary) at vm is DOWN'\n\
         echo 'scontrol: error: If munged is up, restart with --num-threads=10' >&2\n\
         echo 'scontrol: error: Munge encode failed: Failed to access \"/run/munge\": No such file or directory (Did you start munged?)' >&2\n\
         echo 'scontrol: error: slurm_send_node_msg: auth_g_create: REQUEST_PING has authentication error' >&2\n\
         exit 1",
        "cannot ask BIN/scontrol: Munge encode failed: Failed to access \"/run/munge\": \
         No such file or directory (Did you start munged?)",
    );
    let up = "case $1 in ping) echo 'Slurmctld(primary) at vm is UP'; exit ;; esac\n";
    let nonsense = format!("{up}printf 'CheckX OK: all is well | x=1\\nNodeName=\\n\\377\\0\\n'");
    each_is_unknown(&nonsense, "answers what cannot be understood");
    let bomb = record(&["all", "up", "down", "x[1-999999999]", "none"]);
    Bin::with(&[("sinfo-nodes", &bomb), ("squeue", "")]).says(
        &["check-slurm"],
        "CheckSlurm UNKNOWN: sinfo answers what cannot be understood: \
         of the nodes \"x[1-999999999]\", it has more than 65536 names",
        3,
    );
    let bombs = record(&["all", "up", "down", "x[1-65536]", "none"]).repeat(3000);
    Bin::with(&[("sinfo-nodes", &bombs), ("squeue", "")]).says(
        &["check-slurm"],
        "CheckSlurm UNKNOWN: sinfo answers what cannot be understood: \
         its partitions have more than 1048576 nodes together",
        3,
    );
}

/// What is known to be wrong is said, whatever the others do.
#[test]
fn one_that_fails_or_hangs_hides_nothing() {
    let ping = "Slurmctld(primary) at a is UP\nSlurmctld(backup) at b is DOWN\n";
    let down = record(&["all", "up", "down", "hpcg[1-4]", "none"]);
    let bin = Bin::with(&[("ping", ping), ("sinfo-nodes", &down)]);
    let check = ["check-slurm", "--timeout", "3"];
    let known = "CheckSlurm CRITICAL: partition all: 4 of 4 nodes unusable (100%), threshold 50%: \
                 hpcg[1-4] down; controller backup at b is down; cannot ask BIN/squeue: ";
    bin.script("squeue", "echo 'squeue: error: disk full' >&2; exit 1");
    bin.says(&check, &format!("{known}disk full"), 2);
    bin.script("squeue", "exec sleep 1000");
    let (text, status) = bin.said(&check);
    assert!(
        text.starts_with(&format!("{known}no answer within ")),
        "{text}"
    );
    assert_eq!(status, 2);

    // And the jobs, without the nodes.
    let stuck = record(&[
        "7",
        "all",
        "PENDING",
        "u",
        "1",
        "N/A",
        "launch failed requeued held",
    ]);
    let bin = Bin::with(&[("squeue", &stuck)]);
    bin.script("sinfo", "exec sleep 1000");
    let (text, status) = bin.said(&[&check[..], &["-p", "all"]].concat());
    let known = "CheckSlurm WARNING: 1 job stuck, threshold 1: job 7 of u in all waits: \
                 launch failed requeued held; cannot ask BIN/sinfo: no answer within ";
    assert!(text.starts_with(known), "{text}");
    assert_eq!(status, 1);
    bin.script("sinfo", "exit 7");
    bin.script("squeue", "");
    bin.says(
        &["check-slurm", "--perfdata"],
        "CheckSlurm UNKNOWN: cannot ask BIN/sinfo: exit status: 7, and it does not say why \
         | 'jobs running'=0;;;0 'jobs pending'=0;;;0 'jobs stuck'=0;1;;0",
        3,
    );
}

/// The same of figures, and of a daemon whose controller does not tell its version.
#[test]
fn one_that_fails_or_hangs_hides_no_figures() {
    let bin = Bin::with(&[]);
    let metrics = ["metrics-slurm", "-s", "s", "--timeout", "6"];
    let has = |bin: &Bin, with: &[&str], without: &[&str], why: &str| {
        let (text, status) = bin.said(&metrics);
        for line in with {
            assert!(text.contains(&format!("\n{line} ")), "{line}: {text}");
        }
        for line in without {
            assert!(!text.contains(&format!("\n{line}")), "{line}: {text}");
        }
        assert!(text.contains(why) && status == 0, "{why}: {text}");
    };
    let (nodes, partition) = ("s.nodes.total", "s.partitions.odd.nodes.total");
    bin.script("squeue", "exec sleep 1000");
    let why = "metrics-slurm: cannot ask BIN/squeue: no answer within ";
    let jobs = ["s.jobs", "s.partitions.odd.jobs"];
    has(&bin, &[nodes, partition, "s.memory.total"], &jobs, why);
    let bin = Bin::with(&[]);
    bin.script("sinfo", "exec sleep 1000");
    let why = "metrics-slurm: cannot ask BIN/sinfo: no answer within ";
    let with = ["s.jobs.pending", "s.memory.total"];
    has(&bin, &with, &["s.nodes", "s.partitions"], why);
    bin.script("squeue", "exit 7");
    let why = "metrics-slurm: cannot ask BIN/squeue: exit status: 7";
    has(
        &bin,
        &with[1..],
        &["s.nodes", "s.partitions", "s.jobs"],
        why,
    );

    let bin = Bin::with(&[]);
    let script = fs::read_to_string(bin.0.path().join("scontrol")).unwrap();
    let hangs = script.replace(
        "'show config') say show-config ;;",
        "'show config') exec sleep 1000 ;;",
    );
    assert_ne!(hangs, script);
    bin.script("scontrol", hangs.strip_prefix("#!/bin/sh\n").unwrap());
    let (text, status) = bin.said(&["check-slurmd", "-c", "7200", "--timeout", "3"]);
    let known = "CheckSlurmd CRITICAL: the controller spoke to hpcg1 2 h 0 min ago, threshold 7200; \
                 cannot ask BIN/scontrol: no answer within ";
    assert!(text.starts_with(known) && status == 2, "{text}");
}

#[test]
fn commands_that_say_too_much() {
    // More than a pipe holds, on the one that is not read first.
    let flood = "i=0; while [ $i -lt 5000 ]; do echo 'scontrol: error: 0123456789012345678901234567890123456789' >&2; i=$((i + 1)); done\n";
    let bin = Bin::with(&[]);
    let real = fs::read_to_string(bin.0.path().join("scontrol")).unwrap();
    let after = real.strip_prefix("#!/bin/sh\n").unwrap();
    bin.script("scontrol", &format!("{flood}{after}"));
    bin.says(
        &["check-slurm-node", "--node", "hpcg1"],
        "CheckSlurmNode OK: hpcg1 is idle",
        0,
    );
    each_is_unknown(
        "exec cat /dev/zero",
        "cannot ask BIN/scontrol: it prints more than 64 MB",
    );
}

#[test]
fn commands_that_are_missing_or_on_the_path() {
    let none = tempfile::tempdir().unwrap();
    let bin = Bin::with(&[]);
    for name in COMMANDS {
        let run = |path: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
            let output = command.arg(name).env("PATH", path).output().unwrap();
            said(&output, &none.path().display().to_string())
        };
        let (text, status) = run(&none.path().display().to_string());
        let why = "cannot ask scontrol: No such file or directory (os error 2); \
                   is SLURM installed here? If it is, say where with --slurm-bin\n";
        assert!(text.ends_with(why), "{name}: {text}");
        assert_eq!(status, 3);
        let (text, _) = run(&format!("{}:/usr/bin:/bin", bin.dir()));
        assert!(!text.contains("cannot ask"), "{name}: {text}");
    }
}

#[test]
fn the_environment_leads_to_the_cluster_and_changes_no_answer() {
    let bin = Bin::with(&[]);
    bin.script(
        "scontrol",
        "echo \"Slurmctld(primary) at $SLURM_CONF is DOWN\"; exit 1",
    );
    let check = |bin: &Bin| {
        let mut command = bin.command(&["check-slurm"]);
        command.env("SLURM_CONF", "/x/slurm.conf");
        for name in [
            "SINFO_PARTITION",
            "SQUEUE_STATES",
            "SLURM_CLUSTERS",
            "SLURM_TIME_FORMAT",
        ] {
            command.env(name, "x");
        }
        said(&command.output().unwrap(), &bin.dir())
    };
    let why = "no controller answers: primary at /x/slurm.conf is down";
    assert_eq!(check(&bin), (format!("CheckSlurm CRITICAL: {why}\n"), 2));
    let script = "echo \"Slurmctld(primary) at $SINFO_PARTITION$SQUEUE_STATES$SLURM_CLUSTERS$SLURM_TIME_FORMAT is DOWN\"; exit 1";
    bin.script("scontrol", script);
    let why = "no controller answers: primary at %s is down";
    assert_eq!(check(&bin), (format!("CheckSlurm CRITICAL: {why}\n"), 2));
}

/// The processes whose numbers a stand-in has written, that have not ended.
fn alive(bin: &Bin) -> Vec<PathBuf> {
    let pids = fs::read_to_string(bin.0.path().join("pids")).unwrap_or_default();
    let processes = pids
        .lines()
        .map(|pid| PathBuf::from(format!("/proc/{pid}")));
    let is_alive = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with(['Z', 'X']));
        state == Some(false)
    };
    processes.filter(is_alive).collect()
}

/// It hangs, and so do a child of it, one in a session of its own, and one without a parent.
const HANGS: &str = "cd \"${0%/*}\"\n\
    sleep 1000 & echo $! >>pids\n\
    setsid sh -c 'echo $$ >>pids; exec sleep 1000' &\n\
    (sh -c 'echo $$ >>pids; exec sleep 1000' &)\n\
    echo $$ >>pids\n\
    while [ $(wc -l <pids) -lt 4 ]; do :; done\n\
    touch ready; exec sleep 1000";

#[test]
fn what_hangs_is_ended_with_all_that_it_has_started() {
    let ends = |name: &'static str| {
        let bin = Bin::each(HANGS);
        // The first of several questions has a third of the time.
        let time = match name {
            "check-slurm" | "metrics-slurm" => "9",
            _ => "3",
        };
        let (text, status) = bin.said(&[name, "--timeout", time]);
        let why = "cannot ask BIN/scontrol: no answer within 2.";
        assert!(text.contains(why) && status == 3, "{name}: {text}");
        let advice = " s; is slurmctld busy, as sdiag says? If it only needs longer, \
                      give that by --timeout\n";
        assert!(text.ends_with(advice), "{name}: {text}");
        let pids = fs::read_to_string(bin.0.path().join("pids")).unwrap();
        let pids: BTreeSet<&str> = pids.lines().collect();
        assert_eq!(pids.len(), 4);
        while !alive(&bin).is_empty() {
            std::thread::yield_now();
        }
    };
    for one in COMMANDS.map(|name| std::thread::spawn(move || ends(name))) {
        one.join().unwrap();
    }
}

/// As Sensu's clients do when their own time is up.
#[test]
fn whoever_ends_the_check_as_a_group_ends_what_it_asks() {
    let bin = Bin::each("cd \"${0%/*}\"; echo $$ >>pids; exec sleep 1000");
    let mut command = bin.command(&["check-slurm", "--timeout", "60"]);
    let mut check = command.process_group(0).spawn().unwrap();
    while alive(&bin).is_empty() {
        std::thread::yield_now();
    }
    let group = Pid::from_raw(i32::try_from(check.id()).unwrap());
    killpg(group, Signal::SIGKILL).unwrap();
    check.wait().unwrap();
    while !alive(&bin).is_empty() {
        std::thread::yield_now();
    }
}
