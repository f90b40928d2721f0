//! A SLURM cluster of the test's own, in a [`Room`]: munge, a controller and four nodes, all of
//! them on this host.

use crate::part;
use crate::program::{self, wait_until};
use crate::room::Room;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

/// The nodes.
pub const NODES: [&str; 4] = ["hpcg1", "hpcg2", "hpcg3", "hpcg4"];

/// The cluster; dropped, all of it is killed with its room.
#[derive(Debug)]
pub struct Slurm {
    /// Where it runs.
    pub room: Room,
}

impl Slurm {
    /// Starts one with the partitions `all`, `odd` and `even`. `None` if a part is missing.
    #[must_use]
    pub fn launch() -> Option<Self> {
        Self::launch_with("")
    }

    /// The same with these lines in its settings, too.
    #[must_use]
    pub fn launch_with(more: &str) -> Option<Self> {
        part::find("munge", &["/usr/sbin/munged"])?;
        for program in [
            "/usr/sbin/slurmctld",
            "/usr/sbin/slurmd",
            "/usr/bin/scontrol",
        ] {
            part::find("SLURM", &[program])?;
        }
        let room = Room::new()?;
        // With nothing but the loopback interface's own, glibc finds no address at all
        // (AI_ADDRCONFIG, getaddrinfo(3)), not even a numeric one.
        room.sh("ip address add 10.255.255.1/32 dev lo");
        let slurm = Self { room };
        slurm.configure(more);
        slurm.start_munge();
        slurm.start_controller();
        for node in NODES {
            slurm.start_node(node);
        }
        // Without the mark of one that has not answered yet.
        wait_until(|| slurm.sh("sinfo -h -N -p all -o %T") == "idle\n".repeat(NODES.len()));
        Some(slurm)
    }

    fn configure(&self, more: &str) {
        let dir = self.room.dir().display();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap();
        let settings = format!(
            "ClusterName=venus\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={dir}/munge\nCredType=cred/munge\n\
             SlurmctldPidFile={dir}/slurmctld.pid\nSlurmdPidFile={dir}/%n.pid\n\
             SlurmctldLogFile={dir}/slurmctld.log\nSlurmdLogFile={dir}/%n.log\n\
             StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool-%n\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\n\
             JobAcctGatherType=jobacct_gather/none\nMpiDefault=none\nMailProg=/bin/true\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\nSlurmdParameters=config_overrides\n\
             Epilog={dir}/epilog\nKillWait=2\nReturnToService=2\nMessageTimeout=5\n\
             SlurmctldTimeout=5\nSlurmdTimeout=10\n\
             NodeName=hpcg[1-4] NodeHostname={host} NodeAddr=127.0.0.1 Port=[7001-7004] CPUs=4\n\
             PartitionName=all Nodes=hpcg[1-4] Default=YES\n\
             PartitionName=odd Nodes=hpcg[1,3]\nPartitionName=even Nodes=hpcg[2,4]\n{more}\n"
        );
        fs::create_dir(self.path("state")).unwrap();
        fs::write(self.path("slurm.conf"), settings).unwrap();
        // While there is a file `hold`, no job comes to its end.
        let epilog = format!("#!/bin/sh\nwhile [ -e {dir}/hold ]; do sleep 0.1; done\n");
        fs::write(self.path("epilog"), epilog).unwrap();
        fs::set_permissions(self.path("epilog"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(self.path("key"), format!("{:0>128}", fastrand::u128(..))).unwrap();
        fs::set_permissions(self.path("key"), fs::Permissions::from_mode(0o400)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.dir().join(name)
    }

    /// Ends jobs only when [`Slurm::release_jobs`] is called.
    pub fn hold_jobs(&self) {
        fs::write(self.path("hold"), "").unwrap();
    }

    /// Lets jobs come to their end.
    pub fn release_jobs(&self) {
        fs::remove_file(self.path("hold")).unwrap();
    }

    /// Starts what proves who asks.
    pub fn start_munge(&self) {
        let dir = self.room.dir().display();
        // Forced, as the folder is open to nobody else.
        self.room.sh(&format!(
            "munged --force --num-threads=10 --key-file={dir}/key --socket={dir}/munge \
             --pid-file={dir}/munge.pid --log-file={dir}/munge.log --seed-file={dir}/seed 2>/dev/null"
        ));
    }

    /// Ends it.
    pub fn stop_munge(&self) {
        self.end("munge", "TERM");
        wait_until(|| !self.path("munge").exists());
    }

    /// Starts the controller.
    pub fn start_controller(&self) {
        self.sh(&format!(
            "slurmctld -f {}",
            self.path("slurm.conf").display()
        ));
        wait_until(|| self.sh("scontrol ping || true").contains(" UP"));
    }

    /// Ends the controller as a power cut does.
    pub fn kill_controller(&self) {
        self.end("slurmctld", "KILL");
    }

    /// Starts the `slurmd` of a node.
    pub fn start_node(&self, node: &str) {
        let settings = self.path("slurm.conf");
        self.sh(&format!("slurmd -f {} -N {node}", settings.display()));
    }

    /// Ends the `slurmd` of a node.
    pub fn kill_node(&self, node: &str) {
        self.end(node, "KILL");
    }

    /// Stops the controller, or has it go on: it is there, and does not answer.
    pub fn stop_controller(&self, stop: bool) {
        let signal = if stop { "STOP" } else { "CONT" };
        let file = self.path("slurmctld.pid");
        self.room
            .sh(&format!("kill -s {signal} $(cat {})", file.display()));
    }

    fn end(&self, name: &str, signal: &str) {
        let file = self.path(&format!("{name}.pid"));
        let file = file.display();
        self.room.sh(&format!(
            "pid=$(cat {file}); kill -s {signal} $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done"
        ));
    }

    /// Hands in a job with these arguments, and gives its number.
    #[must_use]
    pub fn submit(&self, args: &str) -> String {
        let dir = self.room.dir().display();
        let said = self.sh(&format!("cd {dir}; sbatch --parsable -o /dev/null {args}"));
        said.trim().to_owned()
    }

    /// Runs a script of bash's beside it, which has to succeed. What it prints.
    #[expect(
        clippy::must_use_candidate,
        reason = "most scripts are run for what they do"
    )]
    pub fn sh(&self, script: &str) -> String {
        let settings = self.path("slurm.conf");
        self.room.sh(&format!(
            "export SLURM_CONF={}; {script}",
            settings.display()
        ))
    }

    /// A command of `venus-checks` to be run beside it.
    #[must_use]
    pub fn checks(&self, args: &[&str]) -> Command {
        let mut command = self.room.command("/usr/bin/env");
        command
            .arg(format!("SLURM_CONF={}", self.path("slurm.conf").display()))
            .arg(program::path("venus-checks"))
            .args(args);
        command
    }
}
