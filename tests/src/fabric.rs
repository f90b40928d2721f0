//! A simulated `InfiniBand` fabric of the test's own: eight hosts on two switches,
//! `fixtures/ib/venus.net`.
//!
//! ibsim answers the datagrams of programs that run under `ibsim-run`. Its
//! sockets have fixed names in the abstract namespace, so that a test with a
//! fabric runs in a network namespace of its own ([`crate::network`]).

use crate::leash::Leash;
use crate::{fixture, part};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// What ibsim prints when it waits for a command.
const PROMPT: &str = "sim> ";

/// A fabric whose subnet manager has come and gone: each port has its LID and
/// is active. Dropped, it is killed.
pub struct Fabric {
    simulator: Child,
    console: ChildStdin,
    output: ChildStdout,
    leash: Leash,
    dir: TempDir,
}

impl Fabric {
    /// Starts it.
    #[must_use]
    pub fn launch() -> Option<Self> {
        part::find("opensm", &["/usr/sbin/opensm"])?;
        let mut fabric = Self::unmanaged()?;
        fabric.manage();
        Some(fabric)
    }

    /// Has a subnet manager come and go.
    pub fn manage(&mut self) {
        let once = self.run("venus008", "opensm", &["-o", "-g", "0"]);
        assert!(once.contains("OpenSM"), "{once}");
        self.console("");
    }

    /// Starts it without a subnet manager: no port has a LID.
    #[must_use]
    pub fn unmanaged() -> Option<Self> {
        let ibsim = part::find("ibsim", &["/usr/bin/ibsim"])?;
        let dir = tempfile::tempdir().unwrap();
        let mut simulator = Command::new(ibsim)
            .arg("-s")
            .arg(fixture::path("ib/venus.net"))
            .current_dir(dir.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let group = Pid::from_raw(i32::try_from(simulator.id()).unwrap());
        let mut fabric = Self {
            console: simulator.stdin.take().unwrap(),
            output: simulator.stdout.take().unwrap(),
            leash: Leash::of(group, dir.path()),
            simulator,
            dir,
        };
        fabric.wait_for_prompt();
        Some(fabric)
    }

    /// Says something on the simulator's console, and waits until it was done.
    /// What it does not understand fails the test.
    pub fn console(&mut self, command: &str) {
        writeln!(self.console, "{command}").unwrap();
        let answer = self.wait_for_prompt();
        for complaint in ["cannot", "unknown", "bad"] {
            assert!(!answer.contains(complaint), "{command}: {answer}");
        }
    }

    fn wait_for_prompt(&mut self) -> String {
        let mut seen = String::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(PROMPT) {
            let length = self.output.read(&mut buffer).unwrap();
            assert!(length > 0, "ibsim has ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        seen
    }

    /// The LID that the subnet manager has given to a switch.
    #[must_use]
    pub fn lid_of_switch(&self, name: &str) -> String {
        let switches = self.run("venus001", "ibswitches", &[]);
        let mut lines = switches.lines();
        let line = lines.find(|line| line.contains(&format!("\"{name}\"")));
        let mut words = line.unwrap().split(' ').skip_while(|word| *word != "lid");
        words.nth(1).unwrap().to_owned()
    }

    /// A program that sees the fabric as this host does.
    #[must_use]
    pub fn on(&self, host: &str, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ibsim-run");
        command
            .env("SIM_HOST", host)
            // What a subnet manager remembers of another fabric's LIDs is none of this one's.
            .env("OSM_CACHE_DIR", self.dir.path())
            .env("OSM_TMP_DIR", self.dir.path())
            .arg(program.as_ref())
            // The simulated sysfs is made in the working directory.
            .current_dir(self.dir.path());
        command
    }

    /// Runs a program on a host, and gives what it has written, errors first.
    #[must_use]
    pub fn run(&self, host: &str, program: impl AsRef<Path>, args: &[&str]) -> String {
        let output = self.on(host, program).args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stderr) + &text(&output.stdout)
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        drop(self.simulator.kill());
        drop(self.simulator.wait());
        self.leash.release();
    }
}
