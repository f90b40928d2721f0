//! Network, mount and process namespaces of the test's own, so that what it does to
//! interfaces, `/run` and processes is seen by nobody else and ends with it.

use crate::leash::Leash;
use crate::part;
use crate::pause;
use crate::program::{self, Running, run};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// The first process of the room: its end is that of all others in there.
const FIRST: &str = "mount -t tmpfs none /run && mkdir /run/lock /run/netns \
    && ip link set lo up && echo ready && while sleep 1; do :; done";

/// Control groups that were made below the root of each hierarchy, with the groups below them;
/// dropped after all that was in them.
#[derive(Debug)]
pub struct Groups(String);

impl Groups {
    /// A name that no other room has.
    #[must_use]
    pub fn of(room: &Room) -> Self {
        let name = room.dir().file_name().unwrap().to_str().unwrap();
        Self(format!("venus-test{name}"))
    }

    /// Their name, below the root.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Lets what is frozen in one of them go on: it does not end before, even if it is killed.
    pub fn thaw(&self) {
        let frozen = Path::new("/sys/fs/cgroup/freezer").join(&self.0);
        for below in fs::read_dir(frozen).into_iter().flatten() {
            drop(fs::write(
                below.unwrap().path().join("freezer.state"),
                "THAWED",
            ));
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let mounted = Path::new("/sys/fs/cgroup");
        let below = fs::read_dir(mounted).into_iter().flatten();
        let below = below.map(|entry| entry.unwrap().path());
        for hierarchy in below.chain([mounted.to_owned()]) {
            remove(&hierarchy.join(&self.0));
        }
    }
}

/// Removes a group after those below it.
fn remove(group: &Path) {
    for below in fs::read_dir(group).into_iter().flatten() {
        let below = below.unwrap();
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path());
        }
    }
    drop(fs::remove_dir(group));
}

/// The namespaces; dropped, every process in them is killed.
#[derive(Debug)]
pub struct Room {
    unshare: Child,
    /// The first process, as this namespace numbers it.
    first: u32,
    leash: Leash,
    dir: TempDir,
}

impl Room {
    /// Makes one. `None` where this may not be done or a part is missing: SKIPPED, as
    /// [`part::find`] has it.
    #[must_use]
    pub fn new() -> Option<Self> {
        for (name, program) in [
            ("iproute2", "/sbin/ip"),
            ("util-linux", "/usr/bin/unshare"),
            ("util-linux", "/usr/bin/nsenter"),
        ] {
            part::find(name, &[program])?;
        }
        if !geteuid().is_root() {
            return part::missing("root, who may make namespaces");
        }
        let dir = tempfile::tempdir().unwrap();
        let mut unshare = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "--propagation", "private"])
            .args(["sh", "-c", FIRST])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Pid::from_raw(i32::try_from(unshare.id()).unwrap());
        let leash = Leash::of(group, dir.path());
        let mut ready = String::new();
        let mut stdout = BufReader::new(unshare.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "the namespaces cannot be made");
        let pid = unshare.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(children).unwrap();
        Some(Self {
            unshare,
            first: children.trim().parse().unwrap(),
            leash,
            dir,
        })
    }

    /// A folder of its own.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where a path of inside is found outside. Links to absolute paths lead elsewhere.
    #[must_use]
    pub fn outside(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.first)
    }

    /// Runs a part of the test in its network; so is what that starts.
    pub fn inside<T: Send>(&self, part: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        let done = thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                part()
            });
            inside.join()
        });
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// A program to be run inside.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.first.to_string(), "--net", "--mount", "--pid"])
            .arg("--")
            .arg(program.as_ref());
        command
    }

    /// A command that was made for outside, to be run inside.
    #[must_use]
    pub fn within(&self, command: &Command) -> Command {
        let mut inside = self.command(command.get_program());
        inside.args(command.get_args());
        inside
    }

    /// An agent inside with these settings.
    #[must_use]
    pub fn agent(&self, settings: &Value) -> Running {
        let (command, dir) = program::agent(settings);
        Running::start(&mut self.within(&command), Some(dir))
    }

    /// Lays a cable to another room: both ends are called `name`.
    pub fn connect(&self, other: &Self, name: &str) {
        let (here, there) = (self.first.to_string(), other.first.to_string());
        let mut link = Command::new("ip");
        link.args(["link", "add", "name", name, "netns", &here, "type", "veth"])
            .args(["peer", "name", name, "netns", &there]);
        let output = run(&mut link);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }

    /// Runs a script of bash's inside, which has to succeed. What it prints.
    #[expect(
        clippy::must_use_candidate,
        reason = "most scripts are run for what they do"
    )]
    pub fn sh(&self, script: &str) -> String {
        succeed(self.command("/bin/bash").args(["-ec", script]))
    }
}

/// Runs a script of bash's in the namespaces of this thread, which has to succeed.
pub fn run_here(script: &str) {
    succeed(Command::new("/bin/bash").args(["-ec", script]));
}

/// Runs what has to succeed. What it prints.
pub(crate) fn succeed(script: &mut Command) -> String {
    let output = run(script);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script:?}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.unshare.kill());
        drop(self.unshare.wait());
        // The first process is killed with unshare, and ends after all others.
        let first = format!("/proc/{}", self.first);
        while Path::new(&first).exists() {
            pause();
        }
        self.leash.release();
    }
}
