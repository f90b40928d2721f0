//! A server of the test's own that can be ended, stopped and started again.

use crate::leash::Leash;
use crate::{DEADLINE, pause};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// It may be running; dropped, it is killed. It stays in the foreground.
#[derive(Debug)]
pub struct Daemon {
    /// Its port on the loopback interface.
    pub port: u16,
    program: &'static Path,
    arguments: Vec<String>,
    dir: TempDir,
    running: Option<(Child, Leash)>,
}

impl Daemon {
    /// Starts one whose files are in this folder.
    #[must_use]
    pub fn launch(program: &'static Path, arguments: &[&str], dir: TempDir, port: u16) -> Self {
        let mut daemon = Self {
            port,
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            dir,
            running: None,
        };
        daemon.relaunch();
        daemon
    }

    /// A file in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts it, and waits until it can be connected to.
    pub fn relaunch(&mut self) {
        self.kill();
        let log = self.path("log");
        let said = File::create(&log).unwrap();
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        self.running = Some((child, Leash::of(group, self.dir.path())));
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let said = fs::read_to_string(&log).unwrap();
            let program = self.program.display();
            assert!(started.elapsed() < DEADLINE, "{program} is not up: {said}");
            pause();
        }
    }

    /// Ends it, and what it has started, as a power cut does.
    pub fn kill(&mut self) {
        if let Some((mut child, mut leash)) = self.running.take() {
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
            killpg(group, Signal::SIGKILL).unwrap();
            child.wait().unwrap();
            leash.release();
        }
    }

    /// Stops it, so that the kernel still takes connections and nobody answers; or lets it go on.
    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
