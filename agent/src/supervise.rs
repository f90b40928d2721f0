//! Starts everything, waits for signals, stops everything in order.

use crate::check::{ChildEnvironment, Runner, reap_orphans};
use crate::cli::{Arguments, Mode};
use crate::clock;
use crate::configure::{configure, reconfigure};
use crate::connection::{Served, Wish, keep_connected};
use crate::daemon::{self, PidFile};
use crate::doctor;
use crate::duties::Duties;
use crate::health::Health;
use crate::local::Sockets;
use crate::log::Log;
use crate::notify::{self, Watchdog};
use crate::outbox::{Keeper, Outbox};
use crate::pipeline::Pipeline;
use crate::schedule::subdued;
use crate::settings::{Check, Current, Environment, Settings, Transport, venus};
use crate::signals::{Asked, Signals};
use crate::status;
use crate::terminal::Terminal;
use crate::transport::embedded::Embedded;
use crate::transport::rabbitmq::Rabbitmq;
use crate::transport::redis::Redis;
use crate::transport::{self, TransportError};
use close_fds::set_fds_cloexec;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::env;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::RawFd;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

/// The first descriptor after standard input, output and error.
const AFTER_STANDARD: RawFd = 3;
/// The agent could not go on.
const FAILED: u8 = 2;
/// How long a stop waits for running checks, and then for their delivery.
const STOP: Duration = Duration::from_secs(10);
/// How long it takes at most to write down what could not be delivered.
const WRITE_DOWN: Duration = Duration::from_secs(2);
/// How long a check that was killed takes to be gone.
const KILLED: Duration = Duration::from_secs(1);
/// How long a change of connection waits for the delivery over the old one.
const RECONNECT: Duration = Duration::from_secs(2);
/// How long a thread for a collector that waits is kept for the next one.
const THREAD_IDLE: Duration = Duration::from_secs(1);
/// How long `--once` waits for delivery.
const DELIVER: Duration = Duration::from_secs(30);

/// Runs the agent as the command line wants it.
#[must_use]
pub fn run(arguments: &Arguments, environment: &Environment) -> ExitCode {
    // What whoever started the agent has left open is not for its checks.
    set_fds_cloexec(AFTER_STANDARD, &[]);
    if let Mode::Doctor { json } = arguments.mode {
        return doctor::run(arguments, environment, json);
    }
    if arguments.mode == Mode::Status {
        return status::run(arguments, environment);
    }
    let (settings, log) = match configure(arguments, environment) {
        Ok(configured) => configured,
        Err(code) => return code,
    };
    let fail = |what: &str, error: &io::Error| {
        let data = json!({ "error": error.to_string() });
        log.fatal(what, data);
        ExitCode::from(FAILED)
    };
    let pid_file = arguments.pid_file.as_deref().map(PidFile::open);
    let mut pid_file = match pid_file.transpose() {
        Ok(pid_file) => pid_file,
        Err(error) => return fail("cannot write the pid file", &error),
    };
    if arguments.background
        && let Err(error) = daemon::detach()
    {
        return fail("cannot go into the background", &error);
    }
    if let Some(Err(error)) = pid_file.as_mut().map(PidFile::write) {
        return fail("cannot write the pid file", &error);
    }
    let agent = Agent::new(settings, log.clone(), arguments, environment);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(THREAD_IDLE)
        .build();
    let done = runtime.and_then(|runtime| {
        let done = LocalSet::new().block_on(&runtime, agent.run());
        // A name that is still looked up holds nobody.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| fail("the agent cannot run", &error))
}

/// An agent that is ready to run.
struct Agent<'a> {
    arguments: &'a Arguments,
    environment: &'a Environment,
    settings: Rc<Current>,
    log: Log,
    outbox: Rc<Outbox>,
    runner: Rc<Runner>,
    pipeline: Rc<Pipeline>,
    health: Rc<Health>,
    sockets: RefCell<Option<Sockets>>,
    watchdog: Watchdog,
}

/// Why the work proper ended.
enum Ended {
    /// The agent is to end with this code.
    Exit(ExitCode),
    /// Other settings want another connection.
    Reconnect,
    /// Somebody wants this client to be silent for a while.
    Pause,
}

impl<'a> Agent<'a> {
    fn new(
        settings: Settings,
        log: Log,
        arguments: &'a Arguments,
        environment: &'a Environment,
    ) -> Self {
        let child_environment = ChildEnvironment::of(environment);
        let settings = Rc::new(Current::new(settings));
        let outbox = Rc::new(Outbox::default());
        let health = Rc::new(Health::default());
        let runner = Runner::new(
            Rc::clone(&settings),
            log.clone(),
            Rc::clone(&outbox),
            Rc::clone(&health),
            child_environment.clone(),
        );
        let state = settings.get().venus.state_dir.clone();
        let state = state.or_else(|| venus::state_dir(environment));
        let pipeline = Pipeline::new(
            Rc::clone(&settings),
            log.clone(),
            child_environment,
            state.as_deref(),
        );
        Self {
            arguments,
            environment,
            settings,
            log,
            outbox,
            runner: Rc::new(runner),
            pipeline: Rc::new(pipeline),
            health,
            sockets: RefCell::new(None),
            watchdog: Watchdog::find(),
        }
    }

    async fn run(&self) -> io::Result<ExitCode> {
        let mut signals = Signals::new()?;
        spawn_local(reap(
            Rc::clone(&self.runner),
            Rc::clone(&self.pipeline),
            self.log.clone(),
        ));
        let mut duties = Duties::of(&self.settings.get());
        self.say_hello(&duties);
        self.keep_results().await;
        self.open_sockets().await;
        notify::ready();
        let mut asked = None;
        loop {
            let settings = self.settings.get();
            let ended = match &settings.transport {
                Transport::Embedded => {
                    let colours = io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
                    let terminal = Rc::new(Terminal::new(self.log.clone(), colours));
                    let embedded = Embedded::new(Rc::clone(&self.pipeline), terminal);
                    self.supervise(embedded, &mut duties, &mut signals, asked)
                        .await
                }
                Transport::Rabbitmq(brokers) => {
                    let rabbitmq = Rabbitmq::new(brokers.clone(), &settings.client.name);
                    self.supervise(rabbitmq, &mut duties, &mut signals, asked)
                        .await
                }
                Transport::Redis(server) => {
                    let redis = Redis::new(server.clone());
                    self.supervise(redis, &mut duties, &mut signals, asked)
                        .await
                }
            };
            asked = match ended {
                Ended::Exit(code) => return Ok(code),
                Ended::Reconnect => None,
                Ended::Pause => self.pause(&mut duties, &mut signals).await,
            };
        }
    }

    /// What cannot be delivered goes to the disk, if there is a broker to deliver to.
    async fn keep_results(&self) {
        let settings = self.settings.get();
        let spool = &settings.venus.spool;
        self.outbox.set_rate(spool.rate);
        let has_broker = settings.transport != Transport::Embedded;
        if self.arguments.mode == Mode::Once || !has_broker || !spool.enabled {
            return;
        }
        let keeper = Keeper::new(
            Rc::clone(&self.outbox),
            Rc::clone(&self.settings),
            self.log.clone(),
            spool.folder(self.environment, &settings.client.name),
        );
        spawn_local(keeper.await.run());
    }

    /// Without a connection and without checks until a signal, which may be one
    /// to stop.
    async fn pause(&self, duties: &mut Duties, signals: &mut Signals) -> Option<Ended> {
        self.log.warn("paused, USR2 resumes", Value::Null);
        // What others hand in meanwhile is kept.
        self.outbox.stall();
        loop {
            self.watchdog.works_on();
            let asked = tokio::select! {
                asked = signals.next() => asked,
                () = self.watchdog.wants_to_hear() => continue,
            };
            match asked {
                Asked::Stop(name) => return Some(self.stop(name)),
                Asked::Reopen => {
                    self.log.reopen();
                    self.log.warn("resumed", Value::Null);
                    duties.skip_due();
                    return None;
                }
                Asked::Reload => {
                    self.log.reopen();
                    self.reload(duties, |_| {}).await;
                }
                Asked::Debug => self.log.toggle_debug(),
                Asked::Pause => {}
            }
        }
    }

    /// Opens the local sockets as the settings want them now.
    async fn open_sockets(&self) {
        if self.arguments.mode == Mode::Once {
            return;
        }
        self.close_sockets().await;
        let sockets = Sockets::open(&self.settings, &self.runner, &self.health, &self.log).await;
        self.sockets.replace(Some(sockets));
    }

    async fn close_sockets(&self) {
        let open = self.sockets.take();
        if let Some(sockets) = open {
            sockets.close().await;
        }
    }

    fn say_hello(&self, duties: &Duties) {
        let version = env!("CARGO_PKG_VERSION");
        self.log.info(
            &format!("venus-agent {version} starts"),
            self.describe(duties),
        );
        match &self.settings.get().transport {
            Transport::Embedded => self.log.info(
                "no broker in the settings: metrics go to standard output, Ctrl-C stops",
                Value::Null,
            ),
            Transport::Rabbitmq(brokers) => {
                let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
                self.log
                    .info("transport rabbitmq", json!({ "brokers": brokers }));
            }
            Transport::Redis(server) => {
                let data = json!({ "server": server.to_string() });
                self.log.info("transport redis", data);
            }
        }
    }

    /// Who this client is and what it does.
    fn describe(&self, duties: &Duties) -> Value {
        let settings = self.settings.get();
        let names = duties.checks().iter().map(|check| check.name.as_str());
        json!({
            "client": settings.client.name,
            "subscriptions": settings.client.subscriptions,
            "checks": names.collect::<Vec<&str>>(),
        })
    }

    /// Runs until a signal, the end of `--once`, a transport that cannot go on,
    /// or settings that want another one; or does no more than to end, where
    /// that was `asked` for already.
    async fn supervise<T: transport::Transport>(
        &self,
        transport: T,
        duties: &mut Duties,
        signals: &mut Signals,
        asked: Option<Ended>,
    ) -> Ended {
        let served = Served {
            settings: Rc::clone(&self.settings),
            log: self.log.clone(),
            outbox: Rc::clone(&self.outbox),
            runner: Rc::clone(&self.runner),
            health: Rc::clone(&self.health),
            unsubscribing: Wish::default(),
            closing: Wish::default(),
        };
        if asked.is_some() {
            served.unsubscribing.utter();
        }
        let mut connection = pin!(keep_connected(transport, &served));
        let work = async {
            match asked {
                Some(ended) => ended,
                None => self.work(duties, signals).await,
            }
        };
        let ended = tokio::select! {
            failed = &mut connection => return Ended::Exit(self.give_up(failed)),
            ended = work => ended,
        };
        if let Ended::Exit(_) | Ended::Pause = ended {
            served.unsubscribing.utter();
        }
        let limit = match ended {
            Ended::Exit(_) => STOP,
            Ended::Reconnect | Ended::Pause => RECONNECT,
        };
        let delivered = async {
            if let Ended::Exit(_) = ended {
                self.end_checks().await;
            }
            timeout(limit, self.outbox.emptied()).await
        };
        tokio::select! {
            failed = &mut connection => return Ended::Exit(self.give_up(failed)),
            _ = delivered => {}
        }
        served.closing.utter();
        if timeout(limit, connection).await.is_err() {
            self.log.warn(
                "stopped before the connection or a handler had ended",
                Value::Null,
            );
        }
        self.health.set_connected(false);
        self.outbox.give_back();
        if let Ended::Exit(_) = ended {
            self.write_down().await;
            self.pipeline.kill();
            self.log.info("venus-agent stopped", Value::Null);
        }
        ended
    }

    /// What was not delivered goes to the disk, or is lost.
    async fn write_down(&self) {
        if self.outbox.is_empty() {
            return;
        }
        self.outbox.stall();
        if timeout(WRITE_DOWN, self.outbox.emptied()).await.is_err() {
            let data = json!({ "undelivered": self.outbox.len() });
            self.log
                .warn("stopped before everything was delivered", data);
        }
    }

    /// Nothing starts any more, and what runs has a while to end. The last
    /// result is that this client goes, if the server is to hear of it.
    async fn end_checks(&self) {
        self.runner.stop();
        self.close_sockets().await;
        if timeout(STOP, self.runner.finished()).await.is_err() {
            self.log.warn("killing checks that do not end", Value::Null);
            self.runner.kill();
            // What was killed is gone in a moment, and has a result as well.
            drop(timeout(KILLED, self.runner.finished()).await);
        }
        if self.arguments.mode == Mode::Run {
            self.runner.deregister();
        }
    }

    /// The work proper: starts each check when it is due, and answers signals.
    async fn work(&self, duties: &mut Duties, signals: &mut Signals) -> Ended {
        if self.arguments.mode == Mode::Once {
            return tokio::select! {
                code = self.run_once(duties) => Ended::Exit(code),
                name = signals.stop() => {
                    self.stop(name);
                    Ended::Exit(ExitCode::from(FAILED))
                }
            };
        }
        loop {
            self.watchdog.works_on();
            tokio::select! {
                () = self.watchdog.wants_to_hear() => {}
                () = duties.wait() => {
                    duties.take_due(|check| self.run_unless_subdued(check));
                    self.health.set_punctuality(duties.punctuality());
                }
                asked = signals.next() => match asked {
                    Asked::Stop(name) => return self.stop(name),
                    Asked::Reopen => self.log.reopen(),
                    Asked::Reload => {
                        self.log.reopen();
                        let run = |check: &Check| self.run_unless_subdued(check);
                        if self.reload(duties, run).await {
                            return Ended::Reconnect;
                        }
                    }
                    Asked::Debug => self.log.toggle_debug(),
                    Asked::Pause => return Ended::Pause,
                },
            }
        }
    }

    fn stop(&self, signal: &str) -> Ended {
        let data = json!({ "signal": signal });
        self.log.warn("received signal, stopping", data);
        notify::stopping();
        Ended::Exit(ExitCode::SUCCESS)
    }

    /// Reads the settings again. What is due is handed to `run`. Says whether another connection is
    /// wanted.
    async fn reload(&self, duties: &mut Duties, run: impl FnMut(&Check)) -> bool {
        notify::reloading();
        let reconnect = self.take_settings(duties, run).await;
        notify::ready();
        reconnect
    }

    /// Wrong ones change nothing.
    async fn take_settings(&self, duties: &mut Duties, run: impl FnMut(&Check)) -> bool {
        let Some(new) = reconfigure(self.arguments, self.environment, &self.log) else {
            self.log.redact(&self.settings.get().client.redact);
            let message = "settings not reloaded, the old ones stay";
            self.log.error(message, Value::Null);
            return false;
        };
        let old = self.settings.get();
        let reconnect = new.transport != old.transport
            || new.client.name != old.client.name
            || new.client.subscriptions != old.client.subscriptions;
        duties.replace(&new, run);
        self.settings.replace(new);
        self.runner.reload();
        self.outbox.set_rate(self.settings.get().venus.spool.rate);
        let client = &self.settings.get().client;
        if client.socket != old.client.socket
            || client.http_socket != old.client.http_socket
            || client.unix_socket != old.client.unix_socket
        {
            self.open_sockets().await;
        }
        self.log.info("settings reloaded", self.describe(duties));
        reconnect
    }

    async fn run_once(&self, duties: &Duties) -> ExitCode {
        for check in duties.checks() {
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

    fn run_unless_subdued(&self, check: &Check) {
        let has_windows = check.definition.contains_key("subdue");
        if has_windows && subdued(&check.definition, clock::local_now()) {
            let data = json!({ "check": check.name });
            self.log.info("check execution was subdued", data);
        } else {
            self.runner.run_standalone(&check.definition);
        }
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

async fn reap(runner: Rc<Runner>, pipeline: Rc<Pipeline>, log: Log) {
    let reaped = reap_orphans(&[runner.groups(), pipeline.groups()]).await;
    if let Err(error) = reaped {
        let data = json!({ "error": error.to_string() });
        log.warn("processes that checks leave behind are not reaped", data);
    }
}
