//! Controllers, the nodes of each partition, and jobs.

use super::{Bin, record};

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

/// A job may wait for all of them, and its array and its reason may be long as well.
#[test]
fn hundreds_of_partitions_are_one_line() {
    let names: Vec<String> = (1..=400)
        .map(|number| format!("partition{number}"))
        .collect();
    let nodes: String = names
        .iter()
        .map(|name| record(&[name, "up", "down*", "hpcg[1-4]", "Not responding"]))
        .collect();
    let ids: Vec<String> = (1..=1000).map(|id| (id * 2).to_string()).collect();
    let id = format!("7_[{}]", ids.join(","));
    let reason = format!("launch failed requeued held {}", "x".repeat(1000));
    let job = |id: &str| {
        let fields = [
            id,
            &names.join(","),
            "PENDING",
            "alice",
            "1",
            "N/A",
            &reason,
        ];
        record(&fields)
    };
    let bin = Bin::with(&[("sinfo-nodes", &nodes), ("squeue", &job(&id).repeat(9))]);
    let (text, status) = bin.said(&["check-slurm", "-w", "100%", "-c", "100%"]);
    let first = text.lines().next().unwrap();
    let start =
        "CheckSlurm CRITICAL: partition partition1: 4 of 4 nodes unusable (100%), threshold 100%: ";
    assert!(first.starts_with(start) && status == 2, "{first}");
    assert!(
        first.ends_with("; and 396 more, below") && first.len() < 1000,
        "{first}"
    );
    let args = ["check-slurm", "-p", "partition2", "-w", "9", "-c", "9"];
    let (text, status) = bin.said(&args);
    let part = "partition1,partition2,partition3,partition4,partition5,partition6,partition7,par…";
    let start = "CheckSlurm WARNING: 9 jobs stuck, threshold 1: job 7_[2,4,6,";
    assert!(text.starts_with(start) && status == 1, "{text}");
    assert!(
        text.contains(&format!(
            "… of alice in {part} waits: launch failed requeued held xxx"
        )),
        "{text}"
    );
    assert!(
        text.ends_with("…, and 6 more\n") && text.len() < 1200,
        "{text}"
    );
}
