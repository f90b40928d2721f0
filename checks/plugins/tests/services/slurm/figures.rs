//! What `metrics-slurm` counts.

use super::{Bin, record};
use crate::{fixture, prints};

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
