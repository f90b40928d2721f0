//! A control group of the test's own that limits memory.

use crate::part;
use nix::unistd::{Pid, geteuid};
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

/// Below the root of the hierarchy; dropped, what is in it still goes back there.
#[derive(Debug)]
pub struct MemoryGroup {
    dir: PathBuf,
    /// Whether it is of version 2 of control groups.
    unified: bool,
}

impl MemoryGroup {
    /// Makes one without a limit. `None` where this may not be done: SKIPPED, as
    /// [`part::find`] has it.
    #[must_use]
    pub fn new() -> Option<Self> {
        if !geteuid().is_root() {
            return part::missing("root, who may make control groups");
        }
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.subtree_control"));
        let unified =
            controllers.is_ok_and(|all| all.split_whitespace().any(|one| one == "memory"));
        let hierarchy = if unified {
            root.to_owned()
        } else {
            root.join("memory")
        };
        let dir = hierarchy.join(format!("venus-test-{}", process::id()));
        if fs::create_dir(&dir).is_err() {
            return part::missing("the memory controller of control groups");
        }
        Some(Self { dir, unified })
    }

    /// How a shell puts itself into it.
    #[must_use]
    pub fn enter(&self) -> String {
        format!("echo $$ >{}", self.path("cgroup.procs").display())
    }

    /// Puts in a process, whose children will be in it as well.
    pub fn add(&self, process: Pid) {
        fs::write(self.path("cgroup.procs"), process.to_string()).unwrap();
    }

    /// How much is used, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        let used = self.either("memory.current", "memory.usage_in_bytes");
        fs::read_to_string(used).unwrap().trim().parse().unwrap()
    }

    /// How many processes the kernel has killed in it for want of memory.
    #[must_use]
    pub fn killed(&self) -> u64 {
        let counts = self.either("memory.events", "memory.oom_control");
        let counts = fs::read_to_string(counts).unwrap();
        let mut counts = counts.lines();
        let killed = counts.find_map(|line| line.strip_prefix("oom_kill "));
        killed.unwrap().trim().parse().unwrap()
    }

    /// How much may be used, in bytes. What cannot be reached for now is left as it was.
    pub fn limit(&self, bytes: u64) {
        let limit = self.either("memory.max", "memory.limit_in_bytes");
        fs::write(limit, bytes.to_string()).unwrap_or_default();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The file that goes by the first name in version 2, by the other in version 1.
    fn either(&self, second: &str, first: &str) -> PathBuf {
        self.path(if self.unified { second } else { first })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let root = self.dir.parent().unwrap().join("cgroup.procs");
        let left = fs::read_to_string(self.path("cgroup.procs")).unwrap_or_default();
        for process in left.lines() {
            // It may have ended.
            fs::write(&root, process).unwrap_or_default();
        }
        drop(fs::remove_dir(&self.dir));
    }
}
