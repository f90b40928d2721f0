//! Our programs, run with settings of the test's own.

use crate::{DEADLINE, pause};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;
use tempfile::TempDir;

/// The path of a program of this workspace, as built for these tests.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/TEST
    let built = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        built.exists(),
        "{} is missing: run cargo build --workspace first",
        built.display()
    );
    built
}

/// An agent whose settings are `settings` and nothing else of this host.
#[must_use]
pub fn agent(settings: &Value) -> (Command, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.json");
    fs::write(&file, settings.to_string()).unwrap();
    // As it may have a password in it.
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    (agent_in(dir.path()), dir)
}

/// An agent whose settings are the `*.json` below `dir` and nothing else.
#[must_use]
pub fn agent_in(dir: &Path) -> Command {
    let none = dir.join(".none");
    fs::write(&none, "{}").unwrap();
    let mut command = Command::new(path("venus-agent"));
    command.arg("-c").arg(none).arg("-d").arg(dir);
    command.env("STATE_DIRECTORY", dir.join(".state"));
    for name in [
        "RABBITMQ_URL",
        "REDIS_URL",
        "REDIS_SENTINEL_URLS",
        "SENSU_TRANSPORT_NAME",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, which has to come before the deadline.
#[must_use]
pub fn run(command: &mut Command) -> Output {
    let mut running = Running::start(command, None);
    let status = running.wait();
    let rest = |mut lines: Option<Lines>| match &mut lines {
        Some(lines) => lines.rest().into_bytes(),
        None => Vec::new(),
    };
    Output {
        status,
        stdout: rest(running.stdout.take()),
        stderr: rest(running.stderr.take()),
    }
}

/// Waits for what tells nobody that it has happened.
pub fn wait_until(happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < DEADLINE, "it does not happen");
        pause();
    }
}

/// A program that runs; dropped, it is killed.
pub struct Running {
    child: Child,
    stdout: Option<Lines>,
    stderr: Option<Lines>,
    _dir: Option<TempDir>,
}

impl Running {
    /// Starts a command. `dir` lives as long as the program.
    #[must_use]
    pub fn start(command: &mut Command, dir: Option<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: child.stdout.take().map(Lines::of),
            stderr: child.stderr.take().map(Lines::of),
            child,
            _dir: dir,
        }
    }

    /// An agent with these settings.
    #[must_use]
    pub fn agent(settings: &Value) -> Self {
        let (mut command, dir) = agent(settings);
        Self::start(&mut command, Some(dir))
    }

    /// Waits for a line on standard output that has `text` in it.
    pub fn stdout_line(&mut self, text: &str) -> String {
        self.stdout.as_mut().unwrap().wait_for(text)
    }

    /// Waits for a line on standard error that has `text` in it.
    pub fn stderr_line(&mut self, text: &str) -> String {
        self.stderr.as_mut().unwrap().wait_for(text)
    }

    /// What was written to standard output and not read yet, when it has ended.
    pub fn rest_of_stdout(&mut self) -> String {
        self.stdout.as_mut().map(Lines::rest).unwrap_or_default()
    }

    /// All that was written to either output, when it has ended.
    pub fn seen(&mut self) -> String {
        let mut all = String::new();
        for lines in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            lines.rest();
            all.push_str(&lines.seen);
        }
        all
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the program does not end");
            pause();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines of a stream, read by a thread as they come.
struct Lines {
    lines: Receiver<String>,
    seen: String,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            lines,
            seen: String::new(),
        }
    }

    fn wait_for(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let left = DEADLINE.saturating_sub(started.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push_str(&format!("{line}\n"));
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {text:?} in:\n{}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without {text:?}:\n{}", self.seen)
                }
            }
        }
    }

    /// All lines to the end of the stream that nobody waited for.
    fn rest(&mut self) -> String {
        let before = self.seen.len();
        for line in &self.lines {
            self.seen.push_str(&format!("{line}\n"));
        }
        self.seen.get(before..).unwrap_or_default().to_owned()
    }
}
