//! The checks and metrics of SLURM, beside a cluster of four nodes.

use super::outcome;
use std::fs;
use venus_tests::program::wait_until;
use venus_tests::slurm::Slurm;

/// Fails unless a command prints this and ends so.
fn says(slurm: &Slurm, args: &[&str], line: &str, status: i32) {
    let got = outcome(&mut slurm.checks(args));
    assert_eq!(got, (format!("{line}\n"), status), "{args:?}");
}

/// The same of how it begins.
fn begins(slurm: &Slurm, args: &[&str], start: &str, status: i32) {
    let (text, ended) = outcome(&mut slurm.checks(args));
    assert!(text.starts_with(start), "{args:?}: {text}");
    assert_eq!(ended, status, "{text}");
}

/// Waits until it begins so: SLURM takes a while to notice.
fn comes_to_begin(slurm: &Slurm, args: &[&str], start: &str) {
    wait_until(|| outcome(&mut slurm.checks(args)).0.starts_with(start));
}

fn host() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    host.trim().split('.').next().unwrap().to_owned()
}

/// What check-slurm says while all is well and nothing runs.
fn all_is_well() -> String {
    let host = host();
    format!(
        "CheckSlurm OK: controller primary at {host} is up; 0 of 4 nodes unusable; \
         0 jobs running, 0 pending"
    )
}

fn check_node(name: &str) -> [&str; 3] {
    ["check-slurm-node", "--node", name]
}

#[test]
fn a_node_that_is_drained_and_one_that_loses_its_slurmd() {
    let Some(slurm) = Slurm::launch() else { return };
    let fine = all_is_well();
    says(&slurm, &["check-slurm"], &fine, 0);
    says(
        &slurm,
        &check_node("hpcg2"),
        "CheckSlurmNode OK: hpcg2 is idle",
        0,
    );

    slurm.sh("scontrol update nodename=hpcg2 state=drain reason=$'bad | disk\\nState=IDLE'");
    begins(
        &slurm,
        &check_node("hpcg2"),
        "CheckSlurmNode WARNING: hpcg2 is drained: bad / disk (root, ",
        1,
    );
    says(
        &slurm,
        &["check-slurm", "--partition", "all", "--partition", "odd"],
        "CheckSlurm WARNING: partition all: 1 of 4 nodes unusable (25%), threshold 10%: \
         hpcg2 drained (bad / disk State=IDLE)",
        1,
    );
    says(&slurm, &["check-slurm", "--ok-states", "drained"], &fine, 0);
    slurm.sh("scontrol update nodename=hpcg2 state=resume");
    comes_to_begin(
        &slurm,
        &check_node("hpcg2"),
        "CheckSlurmNode OK: hpcg2 is idle\n",
    );
    says(&slurm, &["check-slurm"], &fine, 0);

    let check_daemon = ["check-slurmd", "--node", "hpcg3"];
    let version = slurm.sh("slurmd -V");
    let version = version.trim().rsplit([' ', '-']).next().unwrap();
    let answers =
        format!("CheckSlurmd OK: slurmd of hpcg3 answers, version {version} as the controller");
    says(&slurm, &check_daemon, &answers, 0);
    slurm.kill_node("hpcg3");
    says(
        &slurm,
        &check_daemon,
        "CheckSlurmd CRITICAL: slurmd does not answer, though a process of that name runs: \
         cannot ask scontrol: slurm_load_slurmd_status: Connection refused",
        2,
    );
    comes_to_begin(
        &slurm,
        &check_node("hpcg3"),
        "CheckSlurmNode CRITICAL: hpcg3 is down+not_responding: Not responding (",
    );
    says(
        &slurm,
        &["check-slurm", "--partition", "odd"],
        "CheckSlurm CRITICAL: partition odd: 1 of 2 nodes unusable (50%), threshold 50%: \
         hpcg3 down+not_responding (Not responding)",
        2,
    );
    slurm.start_node("hpcg3");
    comes_to_begin(
        &slurm,
        &check_node("hpcg3"),
        "CheckSlurmNode OK: hpcg3 is idle",
    );
    says(&slurm, &check_daemon, &answers, 0);
    says(&slurm, &["check-slurm"], &fine, 0);
    says(
        &slurm,
        &check_node("venus001"),
        "CheckSlurmNode UNKNOWN: SLURM has no node venus001; give its name with --node",
        3,
    );
}

#[test]
fn a_controller_that_is_killed_or_stands_still_and_no_munge() {
    let Some(slurm) = Slurm::launch() else { return };
    let fine = all_is_well();
    says(&slurm, &["check-slurm"], &fine, 0);

    slurm.kill_controller();
    let away = format!("no controller answers: primary at {} is down", host());
    says(
        &slurm,
        &["check-slurm"],
        &format!("CheckSlurm CRITICAL: {away}"),
        2,
    );
    says(
        &slurm,
        &check_node("hpcg1"),
        &format!("CheckSlurmNode UNKNOWN: {away}"),
        3,
    );
    says(
        &slurm,
        &["metrics-slurm"],
        &format!("metrics-slurm: {away}"),
        3,
    );
    let (text, status) = outcome(&mut slurm.checks(&["check-slurmd", "--node", "hpcg1"]));
    assert!(text.ends_with("; no controller answers\n"), "{text}");
    assert_eq!(status, 0);
    slurm.start_controller();
    comes_to_begin(&slurm, &["check-slurm"], &fine);

    slurm.stop_controller(true);
    let hangs = "CheckSlurm UNKNOWN: cannot ask scontrol: no answer within 0.";
    begins(&slurm, &["check-slurm", "--timeout", "1"], hangs, 3);
    wait_until(|| slurm.room.sh("pgrep scontrol || true").is_empty());
    slurm.stop_controller(false);
    comes_to_begin(&slurm, &["check-slurm"], &fine);

    slurm.stop_munge();
    for (args, title) in [
        (&["check-slurm"][..], "CheckSlurm UNKNOWN"),
        (&check_node("hpcg1"), "CheckSlurmNode UNKNOWN"),
        (&["check-slurmd", "--node", "hpcg1"], "CheckSlurmd UNKNOWN"),
        (&["metrics-slurm"], "metrics-slurm"),
    ] {
        let why = format!("{title}: cannot ask scontrol: Munge encode failed: ");
        begins(&slurm, args, &why, 3);
    }
    slurm.start_munge();
    comes_to_begin(&slurm, &["check-slurm"], &fine);
}

#[test]
fn jobs_that_run_and_are_stuck() {
    let Some(slurm) = Slurm::launch() else {
        return;
    };
    let of_all = ["check-slurm", "--partition", "all"];
    let well = |jobs| {
        let host = host();
        format!("CheckSlurm OK: controller primary at {host} is up; 0 of 4 nodes unusable; {jobs}")
    };
    slurm.hold_jobs();
    let part = slurm.submit("-p all -w hpcg1 -n2 --wrap 'sleep 1000'");
    let whole = slurm.submit("-p odd,even -w hpcg4 -n4 --wrap 'sleep 1000'");
    comes_to_begin(
        &slurm,
        &check_node("hpcg1"),
        "CheckSlurmNode OK: hpcg1 is mixed\n",
    );
    comes_to_begin(
        &slurm,
        &check_node("hpcg4"),
        "CheckSlurmNode OK: hpcg4 is allocated\n",
    );
    says(&slurm, &of_all, &well("1 job running, 0 pending"), 0);

    let (metrics, status) = outcome(&mut slurm.checks(&["metrics-slurm", "-s", "s"]));
    assert_eq!(status, 0, "{metrics}");
    for line in [
        "s.controllers.up 1 ",
        "s.nodes.total 4 ",
        "s.nodes.mixed 1 ",
        "s.nodes.allocated 1 ",
        "s.nodes.idle 2 ",
        "s.cpus.allocated 6 ",
        "s.cpus.idle 10 ",
        "s.cpus.total 16 ",
        "s.memory.total 4194304 ",
        "s.jobs.running 2 ",
        "s.partitions.all.nodes.total 4 ",
        "s.partitions.odd.cpus.allocated 2 ",
        "s.partitions.even.cpus.allocated 4 ",
        "s.partitions.even.jobs.running 1 ",
        "s.partitions.odd.jobs.running 0 ",
    ] {
        assert!(
            metrics.lines().any(|got| got.starts_with(line)),
            "{line}: {metrics}"
        );
    }
    // Ended, but the epilog does not.
    slurm.sh(&format!("scancel {part} {whole}"));
    let stuck = [&of_all[..], &["--stuck-after", "1"]].concat();
    comes_to_begin(
        &slurm,
        &stuck,
        &format!(
            "CheckSlurm WARNING: 1 job stuck, threshold 1: job {part} of root in all has been completing for "
        ),
    );
    comes_to_begin(
        &slurm,
        &check_node("hpcg4"),
        "CheckSlurmNode OK: hpcg4 is idle+completing\n",
    );
    slurm.release_jobs();
    comes_to_begin(&slurm, &stuck, &well("0 jobs running, 0 pending"));

    // Its node is not to be had.
    slurm.sh("scontrol update nodename=hpcg2 state=drain reason=disk");
    let waits = slurm.submit("-p even -w hpcg2 --wrap 'sleep 1'");
    comes_to_begin(
        &slurm,
        &[&stuck[..], &["-p", "even", "-w", "2", "-c", "2"]].concat(),
        &format!(
            "CheckSlurm WARNING: 1 job stuck, threshold 1: job {waits} of root in even waits for "
        ),
    );
    slurm.sh("scontrol update nodename=hpcg2 state=resume");
    comes_to_begin(&slurm, &stuck, &well("0 jobs running, 0 pending"));
    slurm.sh("scontrol update partitionname=even state=down");
    says(
        &slurm,
        &["check-slurm", "-p", "even"],
        "CheckSlurm WARNING: partition even is down: its jobs do not start",
        1,
    );
}

/// Of all these none is there.
const MANY: &str = "NodeName=r[1-64]n[01-64] NodeAddr=127.0.0.1 State=DOWN\n\
    PartitionName=many Nodes=r[1-64]n[01-64]";

#[test]
fn four_thousand_nodes() {
    let Some(slurm) = Slurm::launch_with(MANY) else {
        return;
    };
    begins(
        &slurm,
        &["check-slurm", "--partition", "many"],
        "CheckSlurm CRITICAL: partition many: 4096 of 4096 nodes unusable \
         (100%), threshold 50%: r[1-64]n[01-64] down",
        2,
    );
    begins(
        &slurm,
        &check_node("r64n01"),
        "CheckSlurmNode CRITICAL: r64n01 is down",
        2,
    );
    let (metrics, status) = outcome(&mut slurm.checks(&["metrics-slurm", "-s", "s"]));
    assert_eq!(status, 0, "{metrics}");
    for line in [
        "s.nodes.total 4100 ",
        "s.nodes.down 4096 ",
        "s.cpus.other 4096 ",
        "s.memory.total 4299161600 ",
        "s.partitions.many.nodes.down 4096 ",
        "s.partitions.all.nodes.idle 4 ",
    ] {
        let mut lines = metrics.lines();
        assert!(lines.any(|got| got.starts_with(line)), "{line}: {metrics}");
    }
}
