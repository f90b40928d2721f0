//! A program that runs under callgrind, which counts its instructions.

use crate::part;
use crate::program::{Running, run, wait_until};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// One that can be asked what it ran since it was asked last.
pub struct Counted {
    /// The program.
    pub running: Running,
    costs: TempDir,
    dumps: u32,
}

impl Counted {
    /// Starts `command` under callgrind, with the names of functions as linkers have them. `dir` lives
    /// as long as the program.
    #[must_use]
    pub fn start(command: &Command, dir: TempDir) -> Option<Self> {
        let valgrind = part::find("valgrind", &["/usr/bin/valgrind"])?;
        let costs = tempfile::tempdir().unwrap();
        let mut callgrind = Command::new(valgrind);
        callgrind
            .args(["--tool=callgrind", "--demangle=no"])
            .args(["--compress-strings=no", "--compress-pos=no"])
            .arg(format!(
                "--callgrind-out-file={}/out",
                costs.path().display()
            ))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => callgrind.env(name, value),
                None => callgrind.env_remove(name),
            };
        }
        Some(Self {
            running: Running::start(&mut callgrind, Some(dir)),
            costs,
            dumps: 0,
        })
    }

    /// What it ran since the last time, in callgrind's own format.
    pub fn dump(&mut self) -> String {
        self.dumps += 1;
        let pid = self.running.pid().to_string();
        let done = run(Command::new("callgrind_control").args(["--dump", &pid]));
        assert!(done.status.success(), "{done:?}");
        let file = self.costs.path().join(format!("out.{}", self.dumps));
        let read = || fs::read_to_string(&file).unwrap_or_default();
        wait_until(|| read().contains("\ntotals: "));
        read()
    }
}

/// How many instructions that were.
#[must_use]
pub fn instructions(dump: &str) -> u64 {
    let mut lines = dump.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals: "));
    total.unwrap().trim().parse().unwrap()
}
