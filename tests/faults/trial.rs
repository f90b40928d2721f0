//! A fault from its beginning to the account of it.

use crate::load::{Load, Trust, figure, pause};
use crate::place::is_whole;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use venus_tests::numbers::Numbers;
use venus_tests::port;
use venus_tests::program::{self, Running, wait_until};
use venus_tests::recorder::{Heard, Recorder};
use venus_tests::room::run_here;

pub(crate) const LOST: &str = "not connected, trying again";
/// How long what is outstanding may take to arrive.
const ARRIVE: Duration = Duration::from_mins(1);
/// How long what the broker has may take to arrive.
const QUEUED: Duration = Duration::from_secs(3);
/// Every 20 s, some 5 s late on a bad network.
const KEEPALIVE: Duration = Duration::from_secs(25);
/// How many may come twice where a confirmation was cut off.
const IN_FLIGHT: u64 = 64;
/// How long all is well before anything happens.
const SETTLE: Duration = Duration::from_secs(2);
/// Standalone checks, each of which counts its runs.
const COUNTERS: [&str; 2] = ["count-a", "count-b"];
/// The promise is 10 s and 30 s.
const BACK: Duration = Duration::from_secs(10);
const DETECTED: Duration = Duration::from_secs(30);

/// How a trial differs from others.
#[derive(Default)]
pub(crate) struct Plan {
    /// What it is called in the table.
    pub(crate) fault: &'static str,
    /// The settings of the transport.
    pub(crate) transport: Value,
    /// Run by a shell in the agent's own network and mount namespaces before it starts.
    pub(crate) prelude: Option<String>,
    /// How many bytes each result of the socket has besides.
    pub(crate) padding: usize,
    /// That the agent is killed: what only a check had measured by then may be gone.
    pub(crate) kills: bool,
    /// That what is in memory only counts as well.
    pub(crate) memory_counts: bool,
    /// How many results may be lost, where the cause destroys them.
    pub(crate) destroyed: u64,
}

/// An agent under load, and what became of it.
pub(crate) struct Trial {
    plan: Plan,
    dir: TempDir,
    ports: [u16; 2],
    agent: Option<Running>,
    network: Option<File>,
    recorder: Recorder,
    load: Option<Load>,
    detected: Option<Duration>,
    /// When the cause began to end, and when it had ended.
    ended: Option<(Instant, Instant)>,
    /// How many connections had been made when the cause began to end.
    made_before: u64,
    kills: u64,
    connections: u64,
    peak: u64,
}

impl Trial {
    /// Starts an agent and its load, once a server has heard of it.
    pub(crate) fn start(plan: Plan, recorder: Recorder) -> Self {
        let mut trial = Self::prepare(plan, recorder);
        trial.begin();
        trial
    }

    /// All but the start.
    pub(crate) fn prepare(plan: Plan, recorder: Recorder) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trial = Self {
            plan,
            ports: port::free(),
            agent: None,
            network: None,
            recorder,
            load: None,
            detected: None,
            ended: None,
            made_before: 0,
            kills: 0,
            connections: 0,
            peak: 0,
            dir,
        };
        fs::create_dir(trial.path("settings")).unwrap();
        fs::create_dir(trial.path("spool")).unwrap();
        let settings = trial.path("settings").join("settings.json");
        fs::write(settings, trial.settings().to_string()).unwrap();
        trial
    }

    /// Starts the agent and, once a server has heard of it, its load.
    pub(crate) fn begin(&mut self) {
        self.launch();
        wait_until(|| !self.heard(|heard| heard.keepalives.is_empty()));
        self.send();
        pause(SETTLE);
    }

    /// A file or folder of this trial's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn settings(&self) -> Value {
        let mut checks = json!({});
        for name in COUNTERS {
            let count = self.path(name);
            let count = count.display();
            let command =
                format!("n=$(($(cat {count} 2>/dev/null) + 1)); echo $n > {count}; echo $n");
            checks[name] = json!({"command": command, "standalone": true, "interval": 1});
        }
        let [socket, http] = self.ports;
        let mut settings = json!({
            "client": {
                "name": "one", "address": "192.0.2.1", "subscriptions": ["all"],
                "socket": {"port": socket}, "http_socket": {"port": http},
            },
            "checks": checks,
            "venus": {"spool": {"dir": self.path("spool"), "rate": 500}},
        });
        for (key, value) in self.plan.transport.as_object().unwrap() {
            settings[key] = value.clone();
        }
        settings
    }

    fn command(&self) -> Command {
        let agent = program::agent_in(&self.path("settings"));
        let Some(prelude) = &self.plan.prelude else {
            return agent;
        };
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--propagation", "private"])
            .args(["sh", "-ec", &format!("{prelude}\nexec \"$0\" \"$@\"")])
            .arg(agent.get_program())
            .args(agent.get_args());
        command
    }

    /// Starts the agent.
    pub(crate) fn launch(&mut self) {
        let agent = Running::start(&mut self.command(), None);
        if self.plan.prelude.is_some() {
            let pid = agent.pid();
            let outside = fs::read_link("/proc/thread-self/ns/net").unwrap();
            let inside = PathBuf::from(format!("/proc/{pid}/ns/net"));
            wait_until(|| fs::read_link(&inside).unwrap() != outside);
            // The other end of the agent's cable.
            run_here(&format!(
                "ip link del venus 2>/dev/null || true\n\
                 until ! ip link show venus >/dev/null 2>&1; do sleep 0.05; done\n\
                 ip link add venus type veth peer name venus netns {pid}\n\
                 ip addr add 10.77.1.1/30 dev venus; ip link set venus up"
            ));
            self.network = Some(File::open(inside).unwrap());
        }
        self.agent = Some(agent);
    }

    /// Starts to send results.
    fn send(&mut self) {
        let trust = if self.plan.memory_counts {
            Trust::Taken
        } else {
            Trust::Safe
        };
        let [socket, _] = self.ports;
        let load = Load::start(socket, self.network.as_ref(), trust, self.plan.padding);
        self.load = Some(load);
    }

    pub(crate) fn agent(&mut self) -> &mut Running {
        self.agent.as_mut().unwrap()
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Looks at what was heard.
    pub(crate) fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.recorder.heard())
    }

    /// Brings about the cause, has the agent say `says` of it, and lets it last.
    pub(crate) fn suffer(&mut self, lasting: Duration, says: &str, cause: impl FnOnce()) {
        let began = Instant::now();
        cause();
        self.agent().stdout_line(says);
        self.detected = Some(began.elapsed());
        pause(lasting.saturating_sub(began.elapsed()));
    }

    /// Ends the cause.
    pub(crate) fn recover(&mut self, end: impl FnOnce()) {
        self.made_before = self.made();
        let ending = Instant::now();
        end();
        self.ended = Some((ending, Instant::now()));
    }

    /// Has the agent say `says` of a cause that has ended already.
    pub(crate) fn notice(&mut self, says: &str) {
        self.agent().stdout_line(says);
        self.detected = self.ended.map(|(_, ended)| ended.elapsed());
    }

    /// Ends the cause, which is the server.
    pub(crate) fn recover_by(&mut self, end: impl FnOnce(&Recorder)) {
        self.made_before = self.made();
        let ending = Instant::now();
        end(&self.recorder);
        self.ended = Some((ending, Instant::now()));
    }

    /// Ends the agent as a power cut does, and notes how it was.
    pub(crate) fn kill(&mut self) {
        self.look_at_it();
        self.kills += 1;
        self.agent().signal(Signal::SIGKILL);
        self.agent().wait();
    }

    /// Has something else end the agent, again and again until it has, and notes how it was.
    pub(crate) fn fall(&mut self, kill: impl Fn()) {
        self.look_at_it();
        self.kills += 1;
        let stat = PathBuf::from(format!("/proc/{}/stat", self.agent().pid()));
        wait_until(|| {
            kill();
            fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "))
        });
        assert_eq!(self.agent().wait().signal(), Some(Signal::SIGKILL as i32));
    }

    fn look_at_it(&mut self) {
        let agent = self.agent.as_ref().unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = peak
            .and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap_or(0);
        self.peak = self.peak.max(peak);
    }

    /// How many connections this agent has made.
    fn made(&self) -> u64 {
        let [_, http] = self.ports;
        figure(http, self.network.as_ref(), "venus_connections_total").unwrap_or(0)
    }

    /// Ends the agent as an admin does, and notes how it was.
    pub(crate) fn terminate(&mut self) {
        self.look_at_it();
        self.connections += self.made();
        self.agent().signal(Signal::SIGTERM);
        let status = self.agent().wait();
        let said = self.agent().seen();
        assert_eq!(status.code(), Some(0), "{said}");
    }

    /// Adds what the checks have measured, if that counts.
    fn count_runs(&self, sent: &mut BTreeMap<String, Vec<u64>>) {
        if self.plan.kills {
            return;
        }
        for name in COUNTERS {
            let runs = fs::read_to_string(self.path(name)).unwrap();
            let runs: u64 = runs.trim().parse().unwrap();
            sent.insert(name.to_owned(), (1..=runs).collect());
        }
    }

    /// The agent and its load end; what was sent is compared with what has arrived.
    pub(crate) fn finish(mut self) {
        let mut sent = self.load.take().unwrap().stop();
        let ended = self.ended.map(|(_, ended)| ended);
        // What is destroyed does not arrive.
        let arrive = if self.plan.destroyed > 0 {
            ARRIVE / 3
        } else {
            ARRIVE
        };
        wait_for(arrive, || {
            self.heard(|heard| missing(&sent, heard) == 0 && heard.last_result > ended)
        });
        let is_one_process = self.kills == 0 && self.connections == 0;
        let held = is_one_process && self.made() == self.made_before;
        // Over a connection that held they come when they are due: that takes its time.
        let is_watched = !held || is_whole();
        if is_watched {
            wait_for(KEEPALIVE, || {
                self.heard(|heard| heard.keepalives.last().copied() > ended)
            });
        }
        self.terminate();
        self.count_runs(&mut sent);
        wait_for(QUEUED, || self.heard(|heard| missing(&sent, heard) == 0));
        if self.heard(|heard| missing(&sent, heard)) > self.plan.destroyed {
            // What the agent had just measured it may have on the disk.
            self.launch();
            wait_for(ARRIVE, || self.heard(|heard| missing(&sent, heard) == 0));
            self.terminate();
            self.count_runs(&mut sent);
            wait_for(QUEUED, || self.heard(|heard| missing(&sent, heard) == 0));
        }
        let said = self.agent().seen();
        let heard = self.recorder.heard();
        let account = Account::of(&sent, &heard);
        let back = |came: &[Instant]| {
            let (ending, ended) = self.ended?;
            let first = came.iter().find(|came| **came >= ending);
            // Never is a long time.
            let back = first.map_or(Duration::MAX, |came| came.saturating_duration_since(ended));
            Some(back)
        };
        let back = back(&heard.keepalives);
        let said = &said;
        assert!(
            back <= Some(KEEPALIVE) || !is_watched,
            "no keepalive: {back:?}\n{said}"
        );
        let back = back.filter(|back| !held || *back < BACK);
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let row = json!({
            "fault": self.plan.fault,
            "sent": account.sent,
            "arrived": account.arrived,
            "duplicated": account.duplicated,
            "lost": account.lost,
            "back": seconds(back),
            "detected": seconds(self.detected),
            "memory": self.peak,
        });
        report(&row);
        let cuts = self.kills + self.connections.saturating_sub(1);
        let lost = &account.first_lost;
        assert!(
            account.lost <= self.plan.destroyed,
            "{row} {lost:?}\n{said}"
        );
        assert!(account.sent > 10, "{row}");
        assert!(account.duplicated <= IN_FLIGHT * cuts, "{row}: {cuts} cuts");
        assert_eq!(account.disorder, None, "{row}\n{said}");
        let is_in_time = |time: Option<Duration>, limit| time.is_none_or(|time| time <= limit);
        assert!(is_in_time(back, BACK), "{row}\n{said}");
        assert!(is_in_time(self.detected, DETECTED), "{row}\n{said}");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "for who looks at one fault, with --nocapture"
)]
fn report(row: &Value) {
    println!("{row}");
    if let Some(rows) = std::env::var_os("VENUS_FAULTS_ROWS") {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).open(rows).unwrap();
        writeln!(file, "{row}").unwrap();
    }
}

fn wait_for(limit: Duration, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() && started.elapsed() < limit {
        pause(Duration::from_millis(50));
    }
}

fn missing(sent: &BTreeMap<String, Vec<u64>>, heard: &Heard) -> u64 {
    Account::of(sent, heard).lost
}

/// What was sent against what has arrived.
#[derive(Debug, Default)]
struct Account {
    sent: u64,
    arrived: u64,
    duplicated: u64,
    lost: u64,
    first_lost: Option<(String, u64)>,
    /// A check and the number that came after a later one.
    disorder: Option<(String, u64)>,
}

impl Account {
    fn of(sent: &BTreeMap<String, Vec<u64>>, heard: &Heard) -> Self {
        let mut account = Self::default();
        let none = Numbers::default();
        for (name, numbers) in sent {
            let came = heard.numbers.get(name).unwrap_or(&none);
            account.duplicated += came.duplicated();
            if let Some(number) = came.disorder() {
                account.disorder = Some((name.clone(), number));
            }
            account.sent += numbers.len() as u64;
            for number in numbers {
                if came.contains(*number) {
                    account.arrived += 1;
                } else {
                    account.lost += 1;
                    account.first_lost.get_or_insert((name.clone(), *number));
                }
            }
        }
        account
    }
}
