//! SLURM's commands are stand-ins here. What they answer was recorded from SLURM 22.05.8 with four
//! nodes, of which one was drained and one had lost its slurmd; what 15.08 answers is written after
//! its manual pages, and is no recording.

mod commands;

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{fixture, prints};

/// When the recording was made; the stand-ins say that it was two hours ago.
const RECORDED: [&str; 3] = ["1795547658", "1795547694", "1795547728"];

/// A folder with stand-ins for SLURM's commands.
struct Bin(TempDir);

impl Bin {
    /// Each of them does the same, by these lines of shell.
    fn each(script: &str) -> Self {
        let bin = Self(tempfile::tempdir().unwrap());
        for program in ["scontrol", "sinfo", "squeue"] {
            bin.script(program, script);
        }
        bin
    }

    /// They answer what was recorded, save where a file is given with something else.
    fn with(other: &[(&str, &str)]) -> Self {
        let bin = Self::each("exit 1");
        fs::create_dir(bin.0.path().join("said")).unwrap();
        let names = [
            "ping",
            "sinfo-nodes",
            "sinfo-by-partition",
            "sinfo-all",
            "squeue",
            "show-nodes",
            "show-node-drained",
            "show-node-idle",
            "show-slurmd",
            "show-config",
        ];
        for name in names {
            let recorded = || fixture(&format!("services/slurm/22.05/{name}"));
            let given = other.iter().find(|(other, _)| *other == name);
            bin.write(
                &format!("said/{name}"),
                &given.map_or_else(recorded, |(_, text)| (*text).to_owned()),
            );
        }
        let say = RECORDED.map(|time| format!("-e s/{time}/$(($(date +%s) - 7230))/g"));
        let say = format!(
            "say() {{ sed {} \"{}/said/$1\"; }}",
            say.join(" "),
            bin.dir()
        );
        bin.script(
            "scontrol",
            &format!(
                "{say}\ncase \"$*\" in\n\
                 ping) say ping; grep -q UP {}/said/ping ;;\n\
                 'show config') say show-config ;;\n\
                 'show slurmd') say show-slurmd ;;\n\
                 'show node hpcg1') say show-node-idle ;;\n\
                 'show node hpcg2') say show-node-drained ;;\n\
                 '-a show node') say show-nodes ;;\n\
                 'show node '*) echo \"Node $3 not found\"; exit 1 ;;\n\
                 *) echo \"$*?\" >&2; exit 1 ;;\nesac",
                bin.dir()
            ),
        );
        bin.script(
            "sinfo",
            &format!(
                "{say}\ncase \"$*\" in\n*%N*) say sinfo-nodes ;;\n*%R*) say sinfo-by-partition ;;\n\
                 *) say sinfo-all ;;\nesac"
            ),
        );
        bin.script("squeue", &format!("{say}\nsay squeue"));
        bin
    }

    fn dir(&self) -> String {
        self.0.path().display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Written by another process: a file that is open for writing here, and so in what another
    /// test starts at that moment, cannot be run (ETXTBSY).
    fn script(&self, program: &str, script: &str) {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
        let mut command = Command::new("sh");
        command.args(["-c", write]).arg(self.0.path().join(program));
        assert!(command.arg(script).status().unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
        command.args(args).args(["--slurm-bin", &self.dir()]);
        command
    }

    /// What a command says, its folder as `BIN`, and how it ends.
    fn said(&self, args: &[&str]) -> (String, i32) {
        let output = self.command(args).output().unwrap();
        said(&output, &self.dir())
    }

    fn says(&self, args: &[&str], line: &str, status: i32) {
        assert_eq!(self.said(args), (format!("{line}\n"), status), "{args:?}");
    }
}

fn said(output: &Output, dir: &str) -> (String, i32) {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).unwrap().replace(dir, "BIN");
    (text, output.status.code().unwrap())
}

/// A record as sinfo and squeue are asked for it.
fn record(fields: &[&str]) -> String {
    format!("{}\x1e\n", fields.join("\x1f"))
}

#[test]
fn the_nodes_of_each_partition() {
    let bin = Bin::with(&[]);
    bin.says(
        &[
            "check-slurm",
            "--ok-reasons",
            "ReqNodeNotAvail",
            "-w",
            "90%",
            "-c",
            "90%",
        ],
        "CheckSlurm OK: controller primary at vm is up; 2 of 4 nodes unusable: \
         hpcg3 down+not_responding (Not responding), hpcg2 drained (bad disk / sdb); \
         0 jobs running, 4 pending",
        0,
    );
    bin.says(
        &[
            "check-slurm",
            "--partition",
            "odd",
            "-w",
            "1",
            "-c",
            "60%",
            "--perfdata",
        ],
        "CheckSlurm WARNING: partition odd: 1 of 2 nodes unusable (50%), threshold 1: \
         hpcg3 down+not_responding (Not responding) \
         | 'odd unusable'=1;1;;0;2 'odd unusable share'=50%;;60;0;100 \
         'jobs running'=0;;;0 'jobs pending'=1;;;0 'jobs stuck'=0;1;;0",
        1,
    );
    bin.says(
        &[
            "check-slurm",
            "-p",
            "all",
            "-p",
            "even",
            "--ok-states",
            "drain",
            "-c",
            "25%",
        ],
        "CheckSlurm CRITICAL: partition all: 1 of 4 nodes unusable (25%), threshold 25%: \
         hpcg3 down+not_responding (Not responding); 1 job stuck, threshold 1: job 3 of root in even \
         waits for 2 h 0 min: ReqNodeNotAvail, UnavailableNodes:hpcg2",
        2,
    );
    bin.says(
        &[
            "check-slurm",
            "-p",
            "even",
            "-p",
            "nosuch",
            "-w",
            "3",
            "-c",
            "3",
            "--stuck-after",
            "99999",
        ],
        "CheckSlurm CRITICAL: there is no partition nosuch",
        2,
    );
    for (args, why) in [
        (
            &["-w", "3", "-c", "2"][..],
            "warning 3 and critical 2 are upside down: critical must not come before the warning",
        ),
        (&["-c", "101%"], "invalid percentage: use at most 100%"),
        (&["-w", "x%"], "invalid value 'x%' for '--warning <N>'"),
        (
            &["--stuck-warning", "3", "--stuck-critical", "2"],
            "warning 3 and critical 2 are upside down",
        ),
    ] {
        let (text, status) = bin.said(&[&["check-slurm"], args].concat());
        assert!(
            text.starts_with(&format!("CheckSlurm UNKNOWN: {why}")),
            "{text}"
        );
        assert_eq!(status, 3);
    }
}

#[test]
fn controllers_and_partitions_that_are_not_up() {
    let both = "Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n";
    let idle = record(&["all", "up", "idle", "hpcg[1-4]", "none"]);
    let other = [("sinfo-nodes", &*idle), ("squeue", ""), ("ping", both)];
    Bin::with(&other).says(
        &["check-slurm"],
        "CheckSlurm WARNING: controller primary at a is down",
        1,
    );
    let old = "Slurmctld(primary/backup) at venus001/(NULL) are UP/DOWN\n";
    let drained = record(&["odd", "inact", "idle", "hpcg[1,3]", "none"]);
    let nodes = format!(
        "{idle}{drained}{}",
        record(&["empty", "up", "n/a", "", "none"])
    );
    let other = [("sinfo-nodes", &*nodes), ("squeue", ""), ("ping", old)];
    let bin = Bin::with(&other);
    bin.says(
        &["check-slurm"],
        "CheckSlurm WARNING: partition odd is inact: its jobs do not start",
        1,
    );
    bin.says(
        &["check-slurm", "-p", "empty"],
        "CheckSlurm OK: controller primary at venus001 is up; 0 of 0 nodes unusable; \
         0 jobs running, 0 pending",
        0,
    );
    let none = "Slurmctld(primary/backup) at a/b are DOWN/DOWN\n*****\n";
    let bin = Bin::with(&[("ping", none)]);
    let why = "no controller answers: primary at a is down, backup at b is down";
    bin.says(&["check-slurm"], &format!("CheckSlurm CRITICAL: {why}"), 2);
    bin.says(
        &["check-slurm-node"],
        &format!("CheckSlurmNode UNKNOWN: {why}"),
        3,
    );
    bin.says(&["metrics-slurm"], &format!("metrics-slurm: {why}"), 3);
    bin.says(
        &["check-slurmd"],
        "CheckSlurmd OK: slurmd of hpcg1 answers, version 22.05.8; no controller answers",
        0,
    );
    let odd = record(&["all", "up", "made_up", "hpcg1", "none"]);
    Bin::with(&[("sinfo-nodes", &odd), ("squeue", "")]).says(
        &["check-slurm", "-w", "2", "-c", "2"],
        "CheckSlurm UNKNOWN: partition all has nodes that are made_up, which may mean anything",
        3,
    );
}

#[test]
fn jobs_that_are_stuck() {
    let now = "1795547658";
    let job = |id: &str, state: &str, end: &str, reason: &str| {
        record(&[id, "all", state, "alice", now, end, reason])
    };
    let jobs = [
        job("1", "RUNNING", "1", "None"),
        job("2", "COMPLETING", now, "None"),
        job("3_[1-9]", "PENDING", "N/A", "launch failed requeued held"),
        job("4", "PENDING", "N/A", "Priority"),
        job("5", "PENDING", "N/A", "BadConstraints | x\n'y'=1"),
        job("6", "PENDING", "N/A", "PartitionNodeLimit"),
    ];
    let idle = record(&["all", "up", "idle", "hpcg[1-4]", "none"]);
    let bin = Bin::with(&[("sinfo-nodes", &idle), ("squeue", &jobs.concat())]);
    bin.says(
        &["check-slurm"],
        "CheckSlurm WARNING: 4 jobs stuck, threshold 1: job 2 of alice in all has been completing for 2 h 0 min, \
         job 3_[1-9] of alice in all waits: launch failed requeued held, \
         job 5 of alice in all waits for 2 h 0 min: BadConstraints / x 'y'=1, and 1 more",
        1,
    );
    bin.says(
        &[
            "check-slurm",
            "--stuck-after",
            "9999",
            "--stuck-critical",
            "1",
        ],
        "CheckSlurm CRITICAL: 1 job stuck, threshold 1: job 3_[1-9] of alice in all waits: \
         launch failed requeued held",
        2,
    );
    let args = ["check-slurm", "--stuck-warning", "5", "--perfdata"];
    bin.says(
        &args,
        "CheckSlurm OK: controller primary at vm is up; 0 of 4 nodes unusable; 1 job running, \
         4 pending | 'all unusable'=0;;;0;4 'all unusable share'=0%;10;50;0;100 \
         'jobs running'=1;;;0 'jobs pending'=4;;;0 'jobs stuck'=4;5;;0",
        0,
    );
}

#[test]
fn one_node() {
    let bin = Bin::with(&[]);
    let check = |node| ["check-slurm-node", "--node", node];
    bin.says(&check("hpcg1"), "CheckSlurmNode OK: hpcg1 is idle", 0);
    let line = "hpcg2 is drained: bad disk / sdb (root, 2 h 0 min ago)";
    bin.says(
        &check("hpcg2"),
        &format!("CheckSlurmNode WARNING: {line}"),
        1,
    );
    for (option, status, code) in [
        ("--ok-states", "OK", 0),
        ("--critical-states", "CRITICAL", 2),
    ] {
        let args = [&check("hpcg2")[..], &[option, "maint,drain"]].concat();
        bin.says(&args, &format!("CheckSlurmNode {status}: {line}"), code);
    }
    bin.says(
        &check("nosuch"),
        "CheckSlurmNode UNKNOWN: SLURM has no node nosuch; give its name with --node",
        3,
    );
    let with = |state: &str, reason: &str| {
        Bin::with(&[(
            "show-node-idle",
            &format!("NodeName=hpcg1\n   State={state} ThreadsPerCore=1\n   Reason={reason}\n"),
        )])
    };
    with("DOWN*", "Not responding [slurm@2016-01-17T16:30:30]").says(
        &check("hpcg1"),
        "CheckSlurmNode CRITICAL: hpcg1 is down+not_responding: Not responding (slurm)",
        2,
    );
    with("MADE_UP", "a | 'b'=1\n   State=IDLE [x@y]").says(
        &check("hpcg1"),
        "CheckSlurmNode UNKNOWN: hpcg1 is made_up, which may mean anything; \
         say what with --ok-states and its like: a / 'b'=1",
        3,
    );
    // Of a list, only the first would be judged.
    for list in ["hpcg[1-3]", "hpcg1,hpcg2", ""] {
        let (text, status) = bin.said(&check(list));
        let why = "for '--node <NAME>': give the name of one node, and no list";
        assert!(
            text.starts_with("CheckSlurmNode UNKNOWN: ") && text.contains(why),
            "{text}"
        );
        assert_eq!(status, 3);
    }
    let two = "NodeName=hpcg1\n   State=IDLE ThreadsPerCore=1\n\n\
               NodeName=hpcg2\n   State=DOWN ThreadsPerCore=1\n   Reason=fan [root@7]\n";
    Bin::with(&[("show-node-idle", two)]).says(
        &check("hpcg1"),
        "CheckSlurmNode OK: hpcg1 is idle",
        0,
    );
    Bin::with(&[("show-node-idle", "garbage | x=1\n")]).says(
        &check("hpcg1"),
        "CheckSlurmNode UNKNOWN: scontrol show node answers what cannot be understood: \
         it has no State",
        3,
    );
}

#[test]
fn the_daemon_of_this_node() {
    let bin = Bin::with(&[]);
    let fine = "CheckSlurmd OK: slurmd of hpcg1 answers, version 22.05.8";
    bin.says(&["check-slurmd"], &format!("{fine} as the controller"), 0);
    bin.says(&["check-slurmd", "--local"], fine, 0);
    bin.says(
        &["check-slurmd", "-w", "600", "-c", "7200"],
        "CheckSlurmd CRITICAL: the controller spoke to hpcg1 2 h 0 min ago, threshold 7200",
        2,
    );
    let (text, _) = bin.said(&["check-slurmd", "--perfdata", "-c", "9999"]);
    assert!(
        text.contains(" | 'last heard'=72") && text.ends_with("s;;9999;0\n"),
        "{text}"
    );
    let never = fixture("services/slurm/22.05/show-slurmd").replace("1795547728", "NONE");
    let never = Bin::with(&[("show-slurmd", &never)]);
    never.says(&["check-slurmd", "--local"], fine, 0);
    never.says(
        &["check-slurmd", "-w", "600"],
        "CheckSlurmd WARNING: the controller never spoke to hpcg1",
        1,
    );
    Bin::with(&[("show-config", "SLURM_VERSION = 23.02.1\n")]).says(
        &["check-slurmd"],
        "CheckSlurmd WARNING: slurmd of hpcg1 has version 22.05.8, the controller 23.02.1; \
         restart it, or bring one of them up to date",
        1,
    );
    Bin::with(&[("show-config", "x\n")]).says(
        &["check-slurmd"],
        "CheckSlurmd UNKNOWN: scontrol show config answers what cannot be understood: \
         it has no SLURM_VERSION",
        3,
    );
    let refused = "echo 'scontrol: error: slurm_slurmd_info: Connection refused' >&2\n\
                   echo 'slurm_load_slurmd_status: Connection refused' >&2; exit 1";
    let bin = Bin::each(refused);
    let nobody = bin.0.path().join("proc");
    fs::create_dir(&nobody).unwrap();
    bin.says(
        &["check-slurmd", "--proc-path", nobody.to_str().unwrap()],
        "CheckSlurmd CRITICAL: slurmd does not run: \
         cannot ask BIN/scontrol: slurm_load_slurmd_status: Connection refused",
        2,
    );
    let (text, status) = bin.said(&["check-slurmd", "--proc-path", "/nonexistent"]);
    let critical = "CheckSlurmd CRITICAL: slurmd does not answer: \
                    cannot ask BIN/scontrol: slurm_load_slurmd_status: Connection refused; ";
    assert!(
        text.starts_with(critical) && text.contains("/nonexistent"),
        "{text}"
    );
    assert_eq!(status, 2);
    fs::create_dir(nobody.join("7")).unwrap();
    let stat = "7 (slurmd) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0\n";
    fs::write(nobody.join("7/stat"), stat).unwrap();
    bin.says(
        &["check-slurmd", "--proc-path", nobody.to_str().unwrap()],
        "CheckSlurmd CRITICAL: slurmd does not answer, though a process of that name runs: \
         cannot ask BIN/scontrol: slurm_load_slurmd_status: Connection refused",
        2,
    );
    // Which node's is asked for is said by the environment.
    bin.script("scontrol", "echo \"Version = $SLURMD_NODENAME\"");
    bin.says(
        &["check-slurmd", "--local", "--node", "hpcg7"],
        "CheckSlurmd OK: slurmd of  answers, version hpcg7",
        0,
    );
}

/// Of two nodes that are down and one that is mixed, below this path.
fn figures_of_nodes(path: &str) -> Vec<String> {
    [
        "nodes.allocated 0",
        "nodes.completing 0",
        "nodes.down 2",
        "nodes.drained 0",
        "nodes.draining 0",
        "nodes.fail 0",
        "nodes.idle 0",
        "nodes.maint 0",
        "nodes.mixed 1",
        "nodes.not_responding 2",
        "nodes.planned 1",
        "nodes.reserved 0",
        "nodes.unknown 0",
        "nodes.total 3",
        "cpus.allocated 3",
        "cpus.idle 1",
        "cpus.other 8",
        "cpus.total 12",
    ]
    .map(|line| format!("{path}{line}"))
    .into()
}

#[test]
fn figures_by_state_and_partition() {
    let amounts = [
        record(&["2", "down*", "0/0/8/8", ""]),
        record(&["1", "mixed-", "3/1/0/4", ""]),
    ];
    let by_partition = [
        record(&["2", "down*", "0/0/8/8", "a|b.c\nd 1"]),
        record(&["1", "mixed-", "3/1/0/4", "a|b.c\nd 1"]),
    ];
    let jobs = [
        record(&[
            "1",
            "a|b.c\nd 1,x",
            "PENDING",
            "u",
            "1",
            "N/A",
            "ReqNodeNotAvail, UnavailableNodes:hpcg2",
        ]),
        record(&["2", "x", "RUNNING", "u", "1", "2", "None"]),
        record(&["3", "x", "SPECIAL_EXIT", "u", "1", "2", "None"]),
    ];
    let bin = Bin::with(&[
        ("sinfo-all", &amounts.concat()),
        ("sinfo-by-partition", &by_partition.concat()),
        ("squeue", &jobs.concat()),
    ]);
    let mut lines = vec![
        "controllers.up 1".to_owned(),
        "controllers.total 1".to_owned(),
    ];
    lines.extend(figures_of_nodes(""));
    // 4 nodes of 1 MB, as SLURM was told; the rest is what was free.
    let free: u64 = fixture("services/slurm/22.05/show-nodes")
        .split("FreeMem=")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap() << 20)
        .sum();
    lines.extend([
        "memory.total 4194304".to_owned(),
        "memory.allocated 0".to_owned(),
        format!("memory.free {free}"),
    ]);
    lines.extend(
        [
            "completing 0",
            "configuring 0",
            "pending 1",
            "running 1",
            "special_exit 1",
            "suspended 0",
        ]
        .map(|line| format!("jobs.{line}")),
    );
    lines.push("jobs.pending_by_reason.ReqNodeNotAvail 1".to_owned());
    lines.extend(figures_of_nodes("partitions.a_b_c_d_1."));
    lines.extend(
        [
            "completing 0",
            "configuring 0",
            "pending 1",
            "running 0",
            "suspended 0",
        ]
        .map(|line| format!("partitions.a_b_c_d_1.jobs.{line}")),
    );
    let lines: Vec<String> = lines.iter().map(|line| format!("s.{line} @TS@")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    prints(
        &["metrics-slurm", "-s", "s", "--slurm-bin", &bin.dir()],
        &lines,
    );

    let (text, status) = Bin::with(&[]).said(&["metrics-slurm", "-s", "s"]);
    assert_eq!(status, 0);
    for line in [
        "s.nodes.total 4 ",
        "s.nodes.drained 1 ",
        "s.cpus.other 8 ",
        "s.partitions.odd.nodes.total 2 ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn four_thousand_nodes_and_ten_thousand_jobs_are_one_line() {
    let nodes = [
        record(&["all", "up", "idle", "r[1-64]n[01-32]", "none"]),
        record(&["all", "up", "down*", "r[1-64]n[33-63]", "Not responding"]),
        record(&["all", "up", "drained", "r[1-64]n64", &"long | ".repeat(100)]),
        record(&["half", "up", "down*", "r[1-32]n[33-63]", "Not responding"]),
    ];
    let single: Vec<String> = (1..=4096)
        .map(|node| {
            record(&[
                "many",
                "up",
                "down",
                &format!("hpcg{node}"),
                &format!("reason {node}"),
            ])
        })
        .collect();
    let jobs: Vec<String> = (1..=10_000)
        .map(|job| {
            record(&[
                &job.to_string(),
                "all",
                "PENDING",
                "u",
                "1",
                "N/A",
                "BadConstraints",
            ])
        })
        .collect();
    let bin = Bin::with(&[
        ("sinfo-nodes", &(nodes.concat() + &single.concat())),
        ("squeue", &jobs.concat()),
    ]);
    let (text, status) = bin.said(&["check-slurm", "--timeout", "60"]);
    assert_eq!(status, 2);
    let start = "CheckSlurm CRITICAL: partition all: 2048 of 4096 nodes unusable \
                 (50%), threshold 50%: r[1-64]n[33-63] down+not_responding (Not responding), \
                 r[1-64]n64 drained (long / long / ";
    assert!(text.starts_with(start), "{text}");
    let many = "partition many: 4096 of 4096 nodes unusable (100%), threshold 50%: \
                hpcg1 down (reason 1), hpcg10 down (reason 10), hpcg100 down (reason 100), and 4093 more";
    assert!(text.contains(many), "{text}");
    assert!(
        text.contains("; 10000 jobs stuck, threshold 1: job 1 of u in all waits for"),
        "{text}"
    );
    assert!(
        text.ends_with(", and 9997 more\n") && text.len() < 1200,
        "{text}"
    );
}
