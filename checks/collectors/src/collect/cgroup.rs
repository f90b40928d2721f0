//! `metrics-cgroup`: processor time, memory, block devices and processes of each container and
//! SLURM job.
//!
//! Sources are the files of their control groups below `SYS/fs/cgroup`, of version 1 or 2, under
//! the names of version 2: times in microseconds, memory in bytes. Groups are looked for every
//! 30 s; between that each costs opening and reading 8 small files (version 1: 10), which are not
//! kept open, as there would be too many.

use std::path::{Path, PathBuf};

use crate::collect::cgroup_files::{Kind, files};
use crate::collect::container_names::{ContainerNames, node};
use crate::collect::docker_host;
use crate::collect::said::Said;
use crate::collector::{CollectError, Collector, Presence};
use crate::graphite::{self, Lines};
use crate::options::OptionError;
use crate::source::cgroup::{self, Groups};
use crate::source::cgroup_path::Owner;
use crate::source::kernel_file;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-cgroup",
    about: "Processor, memory, I/O and processes of each container and SLURM job",
    scheme_suffix: "",
    builtin: None,
    options: &[docker_host::OPTION],
    build,
};

/// How long the list of groups is believed, in seconds.
const LIST_SECONDS: u64 = 30;

/// How many groups are read in less than a millisecond.
const QUICK: usize = 16;

struct Cgroup {
    prefix: Vec<u8>,
    sys: PathBuf,
    docker: ContainerNames,
    /// When the groups were looked for, in seconds since the epoch.
    listed: Option<u64>,
    /// The ids of the containers that Docker was asked about.
    asked: Vec<String>,
    groups: Vec<Group>,
    buffer: Vec<u8>,
    said: Said,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Cgroup {
        prefix: setup.scheme.prefix(),
        sys: setup.roots.sys.clone(),
        docker: ContainerNames::new(docker_host::host(setup)?),
        listed: None,
        asked: Vec::new(),
        groups: Vec::new(),
        buffer: Vec::new(),
        said: Said::default(),
    }))
}

impl Collector for Cgroup {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        if self.is_due(now) {
            self.list(problems);
            self.listed = Some(now);
        }
        let before = self.groups.len();
        let buffer = &mut self.buffer;
        graphite::write(out, now, |lines| {
            self.groups
                .retain(|group| group.write(buffer, lines, problems));
            Ok::<(), CollectError>(())
        })?;
        if self.groups.len() < before {
            self.listed = None;
        }
        if self.groups.is_empty() {
            return Ok(Presence::Absent(format!(
                "no container and no SLURM job has a control group below {}/fs/cgroup",
                self.sys.display()
            )));
        }
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, now: u64) -> bool {
        self.groups.len() > QUICK || self.is_due(now)
    }

    fn explain(&self) -> Vec<String> {
        let mut lines = vec![format!("names of containers from {}", self.docker.host())];
        for group in &self.groups {
            let files = group.files.iter().filter_map(|(_, file)| file.parent());
            let mut folders: Vec<&Path> = files.collect();
            folders.dedup();
            lines.extend(folders.iter().map(|folder| folder.display().to_string()));
        }
        lines
    }
}

impl Cgroup {
    fn is_due(&self, now: u64) -> bool {
        // The clock may also have been set back.
        self.listed
            .is_none_or(|then| now.abs_diff(then) >= LIST_SECONDS)
    }

    fn list(&mut self, problems: &mut Vec<CollectError>) {
        let found = cgroup::groups(&cgroup::hierarchies(&self.sys));
        let mut wrong = Vec::new();
        self.name(&found, &mut wrong);
        self.said.news(wrong, problems);
        self.groups.clear();
        for (owner, folders) in &found {
            let path = match owner {
                Owner::Container(id) => match self.docker.node(id) {
                    Some(node) => format!("container.{node}."),
                    None => continue,
                },
                Owner::Machine(name) | Owner::Unit(name) => format!("container.{}.", node(name)),
                Owner::Job(id) => format!("job.{id}."),
            };
            let prefix = [&self.prefix, path.as_bytes()].concat();
            if !self.groups.iter().any(|group| group.prefix == prefix) {
                let files = files(folders);
                self.groups.push(Group { prefix, files });
            }
        }
        self.groups
            .sort_by(|one, other| one.prefix.cmp(&other.prefix));
    }

    /// Asks Docker where there are other containers than before, or no answer came.
    fn name(&mut self, found: &Groups, wrong: &mut Vec<CollectError>) {
        let ids = found.keys().filter_map(|owner| match owner {
            Owner::Container(id) => Some(id.clone()),
            Owner::Job(_) | Owner::Machine(_) | Owner::Unit(_) => None,
        });
        let ids: Vec<String> = ids.collect();
        if ids == self.asked {
            return;
        }
        match self.docker.refresh() {
            Ok(()) => self.asked = ids,
            Err(error) => {
                self.asked.clear();
                wrong.push(error.into());
            }
        }
    }
}

/// A group to be read.
struct Group {
    /// Scheme, owner and a dot.
    prefix: Vec<u8>,
    files: Vec<(Kind, PathBuf)>,
}

impl Group {
    /// Whether it is still there.
    fn write(
        &self,
        buffer: &mut Vec<u8>,
        lines: &mut Lines<'_>,
        problems: &mut Vec<CollectError>,
    ) -> bool {
        for (kind, file) in &self.files {
            let text = match kernel_file::read_whole(file, buffer) {
                Ok(text) => text,
                Err(error) if kernel_file::has_vanished(&error) => return false,
                Err(error) => {
                    problems.push(CollectError::read(file, error));
                    continue;
                }
            };
            let mut number = |name: &[u8], value| lines.number(&[&self.prefix, name], value);
            if let Err(malformed) = kind.metrics(text, &mut number) {
                problems.push(CollectError::malformed(file, malformed));
            }
        }
        true
    }
}
