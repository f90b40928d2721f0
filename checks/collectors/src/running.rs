//! What runs on this host at a moment: containers by name, SLURM jobs by id. For people who want
//! to know whom a problem concerns.
//!
//! From the control groups of all processes (`PROC/PID/cgroup`), and the titles of SLURM's step
//! daemons (`slurmstepd: [4711.batch]`), as jobs have no control group of their own on sites
//! without that plugin. A walk over all processes: some 20 µs for each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::collect::container_names::{ContainerNames, node};
use crate::collector::CollectError;
use crate::source::cgroup_path::{self, Owner, short};
use crate::source::docker::Host;
use crate::source::namespaces::path_of;

/// What runs, sorted.
#[derive(Debug, Default)]
pub struct Running {
    /// The containers, by the names that they have in the paths of metrics.
    pub containers: Vec<String>,
    /// The ids of the jobs.
    pub jobs: Vec<String>,
    /// Why containers go by their short ids.
    pub problem: Option<CollectError>,
}

/// Looks at the processes, and asks Docker if there are containers.
pub fn look(proc: &Path, docker: &Host) -> Result<Running, CollectError> {
    let entries = fs::read_dir(proc).map_err(|error| CollectError::read(proc, error))?;
    let mut owners = BTreeSet::new();
    // A process that ends meanwhile is none any more.
    for folder in entries.flatten().map(|entry| entry.path()) {
        let Ok(cgroups) = fs::read_to_string(folder.join("cgroup")) else {
            continue;
        };
        owners.extend(
            cgroups
                .lines()
                .filter_map(path_of)
                .flat_map(cgroup_path::owners),
        );
        owners.extend(job_of_step(&folder));
    }
    let is_container = |owner: &Owner| matches!(owner, Owner::Container(_));
    let mut names = ContainerNames::new(docker.clone());
    let mut running = Running::default();
    if owners.iter().any(is_container) {
        running.problem = names.refresh().err().map(CollectError::from);
    }
    for owner in &owners {
        match owner {
            Owner::Container(id) => {
                let name = names.node(id);
                running
                    .containers
                    .push(name.unwrap_or_else(|| short(id).to_owned()));
            }
            Owner::Machine(name) => running.containers.push(node(name)),
            Owner::Job(id) => running.jobs.push(id.clone()),
            Owner::Unit(_) => {}
        }
    }
    running.containers.sort();
    running.jobs.sort_by_key(|id| (id.len(), id.clone()));
    Ok(running)
}

fn job_of_step(folder: &Path) -> Option<Owner> {
    // The command line of a process is not touched unless need be: reading it can wait for one
    // that is busy with its memory.
    let comm = fs::read(folder.join("comm")).ok()?;
    if comm != b"slurmstepd\n" {
        return None;
    }
    let title = fs::read(folder.join("cmdline")).ok()?;
    Some(Owner::Job(
        job_in(&String::from_utf8_lossy(&title))?.to_owned(),
    ))
}

/// `slurmstepd: [4711.batch]`
fn job_in(title: &str) -> Option<&str> {
    let (_, step) = title.split_once("slurmstepd: [")?;
    let id = step.split(['.', ']']).next()?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, pid: u32, comm: &str, cmdline: &str, cgroup: &str) {
        let folder = proc.join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
        fs::write(folder.join("cmdline"), cmdline).unwrap();
        fs::write(folder.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
    }

    #[test]
    fn jobs_are_known_by_group_and_by_title() {
        let proc = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        for (pid, comm, cmdline, cgroup) in [
            (1, "systemd", "/sbin/init\0", "/init.scope".to_owned()),
            (
                20,
                "slurmstepd",
                "slurmstepd: [99.batch]\0\0",
                "/".to_owned(),
            ),
            (21, "slurmstepd", "slurmstepd: [1000.0]", "/".to_owned()),
            (
                22,
                "slurmstepd",
                "/usr/sbin/slurmstepd infinity",
                "/".to_owned(),
            ),
            (23, "slurmstepd", "slurmstepd: [x]", "/".to_owned()),
            (
                24,
                "hpcg",
                "slurmstepd: [7.0]",
                "/slurm/uid_1/job_1000/step_0".to_owned(),
            ),
            (30, "hpcg", "hpcg", format!("/docker/{id}")),
            (31, "hpcg", "hpcg", format!("/docker/{id}")),
            (32, "db", "db", "/lxc.payload.db.1/x".to_owned()),
        ] {
            process(proc.path(), pid, comm, cmdline, &cgroup);
        }
        let socket = format!("unix://{}/none", proc.path().display());
        let running = look(proc.path(), &Host::new(&socket).unwrap()).unwrap();
        assert_eq!(running.containers, ["0123456789ab", "db_1"]);
        assert_eq!(running.jobs, ["99", "1000"]);
        assert!(running.problem.unwrap().to_string().contains("short ids"));
        assert!(look(Path::new("/nonexistent"), &Host::default()).is_err());
    }
}
