//! What the kernel says of a running process.

use nix::unistd::{Pid, SysconfVar, sysconf};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process, looked at from outside.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub Pid);

impl Process {
    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// A figure of its `status`, as `VmRSS` in kB or `Threads`.
    #[must_use]
    pub fn status(self, name: &str) -> u64 {
        let status = fs::read_to_string(self.path("status")).unwrap();
        figure(&status, name)
    }

    /// A figure of its `io`, as `write_bytes`.
    #[must_use]
    pub fn io(self, name: &str) -> u64 {
        let io = fs::read_to_string(self.path("io")).unwrap();
        figure(&io, name)
    }

    /// How many descriptors are open.
    #[must_use]
    pub fn descriptors(self) -> usize {
        fs::read_dir(self.path("fd")).unwrap().count()
    }

    /// How much time of a processor all its threads have had; its children are not in it.
    #[must_use]
    pub fn processor_time(self) -> Duration {
        let stat = fs::read_to_string(self.path("stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        let [user, system] = [11, 12].map(|field| fields[field].parse::<f64>().unwrap());
        let ticks = sysconf(SysconfVar::CLK_TCK).unwrap().unwrap();
        Duration::from_secs_f64((user + system) / f64::from(i32::try_from(ticks).unwrap()))
    }

    /// Its children.
    #[must_use]
    pub fn children(self) -> Vec<Pid> {
        // Of each thread; one may end meanwhile.
        let tasks = fs::read_dir(self.path("task")).unwrap();
        let lists =
            tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
        let children: Vec<Pid> = lists
            .flat_map(|list| {
                let pids = list.split_ascii_whitespace();
                let pids = pids.map(|pid| Pid::from_raw(pid.parse().unwrap()));
                pids.collect::<Vec<Pid>>()
            })
            .collect();
        children
    }

    /// Those of them that have ended and that it has not taken note of.
    #[must_use]
    pub fn zombies(self) -> Vec<Pid> {
        let is_zombie = |pid: &Pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        let children = self.children().into_iter();
        children.filter(is_zombie).collect()
    }
}

fn figure(page: &str, name: &str) -> u64 {
    let mut figures = page.lines().filter_map(|line| line.split_once(':'));
    let (_, figure) = figures.find(|(found, _)| *found == name).unwrap();
    let figure = figure.split_ascii_whitespace().next().unwrap();
    figure.parse().unwrap()
}
