//! The agent under load, and the server that counts what arrives.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use venus_tests::http;
use venus_tests::numbers::Numbers;
use venus_tests::port;
use venus_tests::process::Process;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::rabbitmq::{RabbitMq, Vhost};
use venus_tests::recorder::{Heard, Recorder};
use venus_tests::socket;

/// A load has the machine for itself.
static ALONE: Mutex<()> = Mutex::new(());
/// How long a socket may take to answer.
const ANSWER: Duration = Duration::from_secs(40);
/// How long what the agent has may take to arrive.
const ARRIVE: Duration = Duration::from_mins(1);
/// A thread that has nothing to do ends after 1 s.
const REST: Duration = Duration::from_secs(2);
/// A keepalive comes each 20 s; this is late.
const LATE: Duration = Duration::from_secs(25);

/// Whether all of it is wanted, and not a short form.
pub(crate) fn is_whole() -> bool {
    std::env::var_os("VENUS_LOAD").is_some_and(|value| value == "whole")
}

/// Of two figures the one for what is wanted.
pub(crate) fn size<T>(whole: T, short: T) -> T {
    if is_whole() { whole } else { short }
}

/// Waits until no other load is at work.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    // Who failed has ended what was his.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An agent, connected, with its sockets open.
pub(crate) struct Rig {
    pub(crate) vhost: Vhost,
    pub(crate) agent: Running,
    pub(crate) recorder: Recorder,
    pub(crate) socket: u16,
    http: u16,
    /// How it was before there was any load.
    idle: Open,
    spool: TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// What a process has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) descriptors: usize,
    pub(crate) threads: u64,
}

/// What was sent against what has arrived.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
}

impl Rig {
    /// One with these checks.
    pub(crate) fn start(checks: &Value) -> Option<Self> {
        let alone = alone();
        let vhost = RabbitMq::shared()?.vhost();
        let recorder = Recorder::of(&vhost);
        wait_until(|| recorder.heard().has_listened);
        let [socket, http] = port::free();
        let spool = tempfile::tempdir().unwrap();
        let (mut command, dir) = program::agent(&json!({
            "client": {
                "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
                "socket": {"port": socket, "max_rate": 1_000_000},
                "http_socket": {"port": http},
            },
            "rabbitmq": vhost.settings(),
            "checks": checks,
            "venus": {"spool": {"dir": spool.path(), "rate": 5000}},
        }));
        let agent = Running::start(&mut command, Some(dir));
        wait_until(|| !recorder.heard().keepalives.is_empty());
        let idle = Open::at_rest(Process(agent.pid()));
        Some(Self {
            vhost,
            agent,
            recorder,
            socket,
            http,
            idle,
            spool,
            _alone: alone,
        })
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.agent.pid())
    }

    /// Looks at what was heard.
    pub(crate) fn heard<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.recorder.heard())
    }

    /// A figure of `/metrics`.
    pub(crate) fn figure(&self, name: &str) -> String {
        let page = http::get(self.http, "/metrics").unwrap();
        let mut figures = page.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = figures.find(|(found, _)| *found == name).unwrap();
        value.to_owned()
    }

    /// The same where it is a number of something.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.figure(name).parse().unwrap()
    }

    /// Waits until all of this has arrived, and says what has not.
    pub(crate) fn account(&self, sent: &BTreeMap<String, Numbers>) -> Account {
        let begun = Instant::now();
        loop {
            let account = self.heard(|heard| Account::of(sent, heard));
            if account.lost == 0 || begun.elapsed() > ARRIVE {
                return account;
            }
            pause(Duration::from_millis(50));
        }
    }

    /// Whether it is as before there was any load: no child, and nothing open that was not.
    pub(crate) fn assert_left_nothing(&self) {
        let process = self.process();
        wait_until(|| process.children().is_empty());
        wait_until(|| Open::of(process) == self.idle);
    }

    /// What it had open before there was any load.
    pub(crate) fn idle(&self) -> Open {
        self.idle
    }

    /// Whether no keepalive was late, up to now.
    pub(crate) fn assert_rhythm(&self) {
        let mut moments = self.heard(|heard| heard.keepalives.clone());
        moments.push(Instant::now());
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.max().unwrap();
        assert!(longest < LATE, "{longest:?} without a keepalive");
    }

    /// The files of the spool, each with its size, and how many results were written there.
    pub(crate) fn spooled(&self) -> (BTreeMap<PathBuf, u64>, u64) {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.spool.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in dir.read_dir().unwrap() {
                let entry = entry.unwrap();
                let about = entry.metadata().unwrap();
                if about.is_dir() {
                    dirs.push(entry.path());
                }
                files.insert(entry.path(), about.len());
            }
        }
        (files, self.count("venus_results_spooled_total"))
    }
}

impl Open {
    /// When it has been the same for a while: threads that have looked up a name end.
    fn at_rest(process: Process) -> Self {
        let (mut since, mut open) = (Instant::now(), Self::of(process));
        while since.elapsed() < REST {
            pause(Duration::from_millis(50));
            let now = Self::of(process);
            if now != open {
                (since, open) = (Instant::now(), now);
            }
        }
        open
    }

    pub(crate) fn of(process: Process) -> Self {
        Self {
            descriptors: process.descriptors(),
            threads: process.status("Threads"),
        }
    }
}

impl Account {
    fn of(sent: &BTreeMap<String, Numbers>, heard: &Heard) -> Self {
        let mut account = Self::default();
        let none = Numbers::default();
        for (name, numbers) in sent {
            let came = heard.numbers.get(name).unwrap_or(&none);
            account.sent += numbers.count();
            account.lost += numbers.lacking_in(came);
            account.duplicated += came.duplicated();
        }
        account
    }
}

/// Hands in a message at a port of this machine, and gives the answer.
pub(crate) fn hand_in(port: u16, message: &str) -> io::Result<String> {
    socket::converse(port, message, ANSWER)
}

/// Says the figures of a load.
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
pub(crate) fn report(figures: &Value) {
    println!("{figures}");
}

/// Lets a while pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a load has its length, and is looked at again and again"
)]
pub(crate) fn pause(while_: Duration) {
    thread::sleep(while_);
}
