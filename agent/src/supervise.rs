//! Starts everything, waits for signals, stops everything in order.

use crate::check::{Runner, builtin_checks};
use crate::cli::Arguments;
use crate::clock;
use crate::configure::configure;
use crate::connection::{Closing, Served, keep_connected};
use crate::log::Log;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::schedule::{Plan, Recurrence, splay, subdued};
use crate::settings::{Check, Environment, Settings, Transport};
use crate::terminal::Terminal;
use crate::transport::embedded::Embedded;
use crate::transport::rabbitmq::Rabbitmq;
use crate::transport::{self, TransportError};
use chrono::Local;
use serde_json::{Value, json};
use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout};

/// The agent could not go on.
const FAILED: u8 = 2;
/// How long a stop waits for running checks and for their delivery.
const STOP: Duration = Duration::from_secs(10);
/// How long `--once` waits for delivery.
const DELIVER: Duration = Duration::from_secs(30);
/// Where checks and handlers are found beside the agent's own PATH.
const PATHS: [&str; 3] = [
    "/usr/lib/venus/checks",
    "/etc/sensu/plugins",
    "/etc/sensu/handlers",
];

/// Runs the agent as the command line wants it.
#[must_use]
pub fn run(arguments: &Arguments, environment: &Environment) -> ExitCode {
    let (settings, log) = match configure(arguments, environment) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    let agent = Agent::new(settings, log, environment, arguments.once);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.and_then(|runtime| LocalSet::new().block_on(&runtime, agent.run()));
    match done {
        Ok(code) => code,
        Err(error) => {
            let data = json!({ "error": error.to_string() });
            agent.log.fatal("the agent cannot run", data);
            ExitCode::from(FAILED)
        }
    }
}

/// An agent that is ready to run.
struct Agent {
    settings: Rc<Settings>,
    log: Log,
    outbox: Rc<Outbox>,
    runner: Rc<Runner>,
    pipeline: Rc<Pipeline>,
    /// What this node runs by itself.
    checks: Vec<Check>,
    once: bool,
}

impl Agent {
    fn new(settings: Settings, log: Log, environment: &Environment, once: bool) -> Self {
        let path = child_path(environment);
        let settings = Rc::new(settings);
        let outbox = Rc::new(Outbox::default());
        let scheduled = settings
            .checks
            .iter()
            .filter(|check| check.recurrence.is_some());
        let mut checks = builtin_checks(&settings);
        checks.extend(scheduled.cloned());
        Self {
            runner: Rc::new(Runner::new(
                Rc::clone(&settings),
                log.clone(),
                Rc::clone(&outbox),
                path.clone(),
            )),
            pipeline: Rc::new(Pipeline::new(Rc::clone(&settings), log.clone(), path)),
            settings,
            log,
            outbox,
            checks,
            once,
        }
    }

    async fn run(&self) -> io::Result<ExitCode> {
        let mut signals = Signals::new()?;
        self.say_hello();
        match &self.settings.transport {
            Transport::Embedded => {
                let colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
                let terminal = Rc::new(Terminal::new(self.log.clone(), colours));
                let embedded = Embedded::new(Rc::clone(&self.pipeline), terminal);
                Ok(self.supervise(embedded, &mut signals).await)
            }
            Transport::Rabbitmq(brokers) => {
                let client = &self.settings.client;
                let brokers = brokers.clone();
                let rabbitmq = Rabbitmq::new(brokers, &client.name, &client.subscriptions);
                Ok(self.supervise(rabbitmq, &mut signals).await)
            }
        }
    }

    fn say_hello(&self) {
        let client = &self.settings.client;
        let names: Vec<&str> = self
            .checks
            .iter()
            .map(|check| check.name.as_str())
            .collect();
        let data = json!({
            "client": client.name,
            "subscriptions": client.subscriptions,
            "checks": names,
        });
        let version = env!("CARGO_PKG_VERSION");
        self.log
            .info(&format!("venus-agent {version} starts"), data);
        match &self.settings.transport {
            Transport::Embedded => self.log.info(
                "no broker in the settings: metrics go to standard output, Ctrl-C stops",
                Value::Null,
            ),
            Transport::Rabbitmq(brokers) => {
                let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
                self.log
                    .info("transport rabbitmq", json!({ "brokers": brokers }));
            }
        }
    }

    /// Runs until a signal, the end of `--once`, or a transport that cannot go on.
    async fn supervise<T: transport::Transport>(
        &self,
        transport: T,
        signals: &mut Signals,
    ) -> ExitCode {
        let served = Served {
            settings: Rc::clone(&self.settings),
            log: self.log.clone(),
            outbox: Rc::clone(&self.outbox),
            runner: Rc::clone(&self.runner),
            closing: Closing::default(),
        };
        let mut connection = pin!(keep_connected(transport, &served));
        let ended = tokio::select! {
            failed = &mut connection => Err(failed),
            code = self.work(signals) => Ok(code),
        };
        let code = match ended {
            Ok(code) => code,
            Err(failed) => return self.give_up(failed),
        };
        let stopped = async {
            self.runner.finished().await;
            self.outbox.emptied().await;
        };
        tokio::select! {
            failed = &mut connection => return self.give_up(failed),
            done = timeout(STOP, stopped) => if done.is_err() {
                let data = json!({ "undelivered": self.outbox.len() });
                self.log.warn("stopped before everything was delivered", data);
            }
        }
        self.runner.kill();
        served.closing.ask();
        if timeout(STOP, connection).await.is_err() {
            self.log.warn(
                "stopped before the connection or a handler had ended",
                Value::Null,
            );
        }
        self.pipeline.kill();
        self.log.info("venus-agent stopped", Value::Null);
        code
    }

    /// The work proper; ends with the exit code.
    async fn work(&self, signals: &mut Signals) -> ExitCode {
        if self.once {
            return self.run_once().await;
        }
        tokio::select! {
            () = self.keep_schedule() => ExitCode::SUCCESS,
            name = signals.stop(&self.log) => {
                self.log.warn("received signal, stopping", json!({ "signal": name }));
                ExitCode::SUCCESS
            }
        }
    }

    async fn run_once(&self) -> ExitCode {
        for check in &self.checks {
            self.runner.run_standalone(&check.definition);
        }
        self.runner.finished().await;
        if timeout(DELIVER, self.outbox.emptied()).await.is_err() {
            let data = json!({ "undelivered": self.outbox.len() });
            self.log.fatal("results could not be delivered", data);
            return ExitCode::from(FAILED);
        }
        ExitCode::from(self.runner.worst().exit_code())
    }

    /// Starts each check when it is due, for ever.
    async fn keep_schedule(&self) {
        let start = tokio::time::Instant::now();
        let mut plan = self.plan();
        let mut due = Vec::new();
        while let Some(next) = plan.next() {
            sleep_until(start + next).await;
            due.clear();
            plan.take_due(start.elapsed(), &clock::local_now(), &mut due);
            for index in &due {
                if let Some(check) = self.checks.get(*index) {
                    self.run_unless_subdued(check);
                }
            }
        }
        std::future::pending::<()>().await;
    }

    fn run_unless_subdued(&self, check: &Check) {
        let has_windows = check.definition.contains_key("subdue");
        if has_windows && subdued(&check.definition, clock::local_now()) {
            let data = json!({ "check": check.name });
            self.log.info("check execution was subdued", data);
        } else {
            self.runner.run_standalone(&check.definition);
        }
    }

    /// When each check runs first. Behind a broker each has the splay of its
    /// name, and the built-in ones share that of the client's name, so that one
    /// wake-up serves them all. Without one somebody waits: all run at once.
    fn plan(&self) -> Plan<Local> {
        let now = clock::since_epoch();
        let wall = clock::local_now();
        let client = &self.settings.client.name;
        let embedded = self.settings.transport == Transport::Embedded;
        let mut plan = Plan::default();
        for check in &self.checks {
            let Some(recurrence) = &check.recurrence else {
                continue;
            };
            let first = match recurrence {
                Recurrence::Every(interval) if !embedded && check.builtin => {
                    splay(client, *interval, now)
                }
                Recurrence::Every(interval) if !embedded => {
                    splay(&format!("{client}:{}", check.name), *interval, now)
                }
                Recurrence::Every(_) | Recurrence::Cron(_) => Duration::ZERO,
            };
            plan.add(recurrence, first, Duration::ZERO, &wall);
        }
        plan
    }

    fn give_up(&self, ended: Result<(), TransportError>) -> ExitCode {
        self.runner.kill();
        self.pipeline.kill();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            // Whoever read our output has seen enough, as with `| head`.
            Err(TransportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            Err(error) => {
                self.log.fatal(&error.to_string(), Value::Null);
                ExitCode::from(FAILED)
            }
        }
    }
}

/// The agent's PATH, where the agent itself is, and [`PATHS`].
fn child_path(environment: &Environment) -> OsString {
    let own = environment.get("PATH").cloned().unwrap_or_default();
    let beside = env::current_exe().ok();
    let beside = beside.and_then(|program| program.parent().map(PathBuf::from));
    let all = env::split_paths(&own)
        .chain(beside)
        .chain(PATHS.map(PathBuf::from));
    env::join_paths(all).unwrap_or_else(|_| OsString::from(own))
}

/// The signals that we answer.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user2: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for a signal to stop; opens the log anew at HUP and USR2.
    async fn stop(&mut self, log: &Log) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "TERM",
                _ = self.interrupt.recv() => return "INT",
                _ = self.hang_up.recv() => log.reopen(),
                _ = self.user2.recv() => log.reopen(),
            }
        }
    }
}
