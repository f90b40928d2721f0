//! One node, and the daemon of this one.

use std::fs;

use super::Bin;
use crate::fixture;

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
