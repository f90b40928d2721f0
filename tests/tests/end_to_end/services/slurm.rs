//! The checks and metrics of SLURM, beside a cluster of four nodes.

use super::outcome;
use venus_tests::program::wait_until;
use venus_tests::slurm::Slurm;

#[test]
fn explore() {
    let Some(slurm) = Slurm::launch() else { return };
    for args in [
        &["check-slurm", "--perfdata"][..],
        &["check-slurm-node", "--node", "hpcg1"],
        &["check-slurmd", "--node", "hpcg1", "--perfdata"],
        &["metrics-slurm", "-s", "s"],
    ] {
        let (text, status) = outcome(&mut slurm.checks(args));
        println!("{text}{status}");
    }
    let t = std::time::Instant::now();
    slurm.kill_node("hpcg2");
    wait_until(|| slurm.sh("scontrol show node hpcg2").contains("NOT_RESP"));
    println!("{:?}", t.elapsed());
    println!("{:?}", outcome(&mut slurm.checks(&["check-slurm"])));
    wait_until(|| slurm.sh("scontrol show node hpcg2").contains("DOWN"));
    println!("{:?}", t.elapsed());
    println!("{:?}", outcome(&mut slurm.checks(&["check-slurm"])));
    println!(
        "{:?}",
        outcome(&mut slurm.checks(&["check-slurm-node", "--node", "hpcg2"]))
    );
    println!(
        "{:?}",
        outcome(&mut slurm.checks(&["check-slurmd", "--node", "hpcg2"]))
    );
    slurm.start_node("hpcg2");
    wait_until(|| slurm.sh("scontrol show node hpcg2").contains("IDLE"));
    println!("{:?}", t.elapsed());
}
