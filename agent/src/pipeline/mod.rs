//! What a Sensu server does with results, for an agent without one: events,
//! and the handlers that get them.

mod event;
mod filter;
mod graphite;
mod memory;

pub use event::Checks;

use crate::check::{ChildEnvironment, Groups, Limits, run_command};
use crate::clock;
use crate::keepalive;
use crate::log::Log;
use crate::settings::handler::{Kind, Mutator};
use crate::settings::venus::METRICS_HANDLER;
use crate::settings::{Current, Handler, Settings};
use graphite::{Graphite, Reports};
use memory::Memory;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;
use venus_event::{Action, CheckResult, Event};

/// The handler of checks that name none.
const DEFAULT: &str = "default";
/// How deep sets of handlers may be in each other; Sensu takes one.
const DEEPEST: usize = 4;

/// Makes events of results and hands them to handlers.
pub struct Pipeline {
    settings: Rc<Current>,
    log: Log,
    /// PATH of the handlers.
    environment: ChildEnvironment,
    checks: RefCell<Checks>,
    memory: Option<Memory>,
    /// Whether something is known that is not written down.
    is_news: Cell<bool>,
    /// The way to Carbon, with the settings that it was made from.
    graphite: RefCell<Option<(Value, Graphite)>>,
    /// What was said of handlers, to say it once.
    said: RefCell<HashSet<String>>,
    groups: Groups,
    running: Cell<usize>,
    idle: Notify,
}

impl Pipeline {
    /// A pipeline to the handlers in these settings, which remembers in `state` what it has seen.
    #[must_use]
    pub fn new(
        settings: Rc<Current>,
        log: Log,
        environment: ChildEnvironment,
        state: Option<&Path>,
    ) -> Self {
        let memory = state.map(Memory::new);
        let known = memory.as_ref().map(Memory::read).transpose();
        let checks = known.unwrap_or_else(|error| {
            let path = memory.as_ref().map(Memory::path);
            let data = json!({ "path": path, "error": error.to_string() });
            log.warn("what was remembered of events cannot be read", data);
            None
        });
        Self {
            settings,
            log,
            environment,
            checks: RefCell::new(checks.unwrap_or_default()),
            memory,
            is_news: Cell::new(false),
            graphite: RefCell::new(None),
            said: RefCell::default(),
            groups: Groups::default(),
            running: Cell::new(0),
            idle: Notify::new(),
        }
    }

    /// Takes a result: if it makes an event, its handlers are started.
    pub fn process(self: &Rc<Self>, result: &CheckResult) {
        let now = clock::epoch_seconds();
        let settings = self.settings.get();
        let client = keepalive::describe(&settings.client, now);
        let Some(event) = self.checks.borrow_mut().event(result, client, now) else {
            return;
        };
        // That all is well, and metrics, change nothing that would be missed.
        self.is_news
            .set(self.is_news.get() || event.status() != 0 || event.action == Action::Resolve);
        if result.check.get("handle") == Some(&Value::Bool(false)) {
            return;
        }
        let mut told = HashSet::new();
        for name in handler_names(result) {
            // Metrics go to the terminal all the same.
            let is_missed = !result.is_metric() || ![DEFAULT, METRICS_HANDLER].contains(&name);
            self.tell(name, &settings, &event, is_missed, DEEPEST, &mut told);
        }
    }

    /// Writes down what is known of checks, if there is news.
    pub fn remember(&self) {
        let Some(memory) = &self.memory else {
            return;
        };
        if !self.is_news.take() {
            return;
        }
        if let Err(error) = memory.write(&self.checks.borrow()) {
            let data = json!({ "path": memory.path(), "error": error.to_string() });
            self.say_once("events cannot be remembered", data);
        }
    }

    /// Tells a handler, or all of a set; each once.
    fn tell(
        self: &Rc<Self>,
        name: &str,
        settings: &Settings,
        event: &Event,
        is_missed: bool,
        depth: usize,
        told: &mut HashSet<String>,
    ) {
        if !told.insert(name.to_owned()) {
            return;
        }
        let Some(handler) = settings.handlers.iter().find(|one| one.name == name) else {
            if name == METRICS_HANDLER && settings.graphite.is_some() {
                self.to_graphite(settings, event);
            } else if is_missed {
                let data = json!({ "handler": name, "check": event.check_name() });
                self.say_once("no handler of this name in the settings", data);
            }
            return;
        };
        match (&handler.kind, depth.checked_sub(1)) {
            (Kind::Set(members), Some(depth)) => {
                for member in members {
                    self.tell(member, settings, event, true, depth, told);
                }
            }
            (Kind::Set(_), None) => {
                let data = json!({ "handler": name });
                self.say_once("sets of handlers are too deep in each other", data);
            }
            _ => match filter::judge(handler, &settings.filters, event) {
                Ok(()) => self.start(handler.clone(), event),
                Err(reason) => {
                    let data = json!({
                        "handler": name, "client": event.client_name(),
                        "check": event.check_name(), "reason": reason,
                    });
                    self.log.debug("event is not handled", data);
                }
            },
        }
    }

    /// Hands the lines of metrics to the thread that writes to Carbon.
    fn to_graphite(self: &Rc<Self>, settings: &Settings, event: &Event) {
        let Some(wanted) = &settings.graphite else {
            return;
        };
        let section = settings.merged.get(METRICS_HANDLER);
        let mut graphite = self.graphite.borrow_mut();
        if graphite.as_ref().map(|(section, _)| section) != section {
            // That before ends when it has written what it has.
            *graphite = match Graphite::new(wanted, clock::now) {
                Ok((new, reports)) => {
                    self.hear(reports);
                    section.cloned().map(|section| (section, new))
                }
                Err(error) => {
                    let data = json!({ "handler": METRICS_HANDLER, "error": error.to_string() });
                    return self.say_once("handler failed", data);
                }
            };
        }
        let complaint = graphite
            .as_ref()
            .and_then(|(_, graphite)| graphite.put(event, clock::epoch_seconds()));
        if let Some(complaint) = complaint {
            let data = json!({ "check": event.check_name(), "error": complaint });
            self.say_once("metrics are not sent to Carbon", data);
        }
    }

    /// Logs what comes of writing to Carbon; a handler is running until that has come to its end.
    fn hear(self: &Rc<Self>, mut reports: Reports) {
        self.running.set(self.running.get() + 1);
        let pipeline = Rc::clone(self);
        spawn_local(async move {
            while let Some(report) = reports.recv().await {
                let data = json!({ "handler": METRICS_HANDLER, "error": report });
                match report {
                    Some(_) => pipeline
                        .log
                        .warn("Carbon does not take metrics; they wait", data),
                    None => pipeline.log.info("Carbon takes metrics again", data),
                }
            }
            pipeline.running.set(pipeline.running.get() - 1);
            pipeline.idle.notify_waiters();
        });
    }

    fn say_once(&self, what: &str, data: Value) {
        if self.said.borrow_mut().insert(format!("{what} {data}")) {
            self.log.warn(what, data);
        }
    }

    fn start(self: &Rc<Self>, handler: Handler, event: &Event) {
        let input = match &handler.mutator {
            Mutator::Json => serde_json::to_vec(event),
            Mutator::OnlyCheckOutput => Ok(event.output().as_bytes().to_vec()),
            Mutator::Unknown(mutator) => {
                let data = json!({ "handler": handler.name, "mutator": mutator });
                return self.say_once("no mutator of this name: it needs a Sensu server", data);
            }
        };
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                let data = json!({ "handler": handler.name, "error": error.to_string() });
                return self.log.error("event cannot be written as JSON", data);
            }
        };
        self.running.set(self.running.get() + 1);
        let pipeline = Rc::clone(self);
        spawn_local(async move {
            pipeline.run(&handler, input).await;
            pipeline.running.set(pipeline.running.get() - 1);
            pipeline.idle.notify_waiters();
        });
    }

    async fn run(&self, handler: &Handler, input: Vec<u8>) {
        let sent = match &handler.kind {
            Kind::Pipe(command) => return self.run_pipe(handler, command, input).await,
            Kind::Tcp(host, port) => timeout(handler.timeout, to_tcp(host, *port, &input)).await,
            Kind::Udp(host, port) => timeout(handler.timeout, to_udp(host, *port, &input)).await,
            Kind::Set(_) => return,
        };
        let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = sent {
            let data = json!({ "handler": handler.name, "error": error.to_string() });
            self.log.error("handler failed", data);
        }
    }

    async fn run_pipe(&self, handler: &Handler, command: &str, input: Vec<u8>) {
        let settings = self.settings.get();
        let limits = Limits {
            time: Some(handler.timeout),
            output: settings.venus.max_output,
        };
        let done = run_command(
            command,
            &self.environment.variables(&settings),
            Some(input),
            limits,
            &self.groups,
        )
        .await;
        let data = json!({
            "handler": handler.name,
            "status": done.status,
            "output": done.output,
        });
        if done.status == 0 {
            self.log.info("handler has run", data);
        } else {
            self.log.error("handler failed", data);
        }
    }

    /// Waits until no handler is running, and Carbon has what it was to get.
    pub async fn finished(&self) {
        self.graphite.borrow_mut().take();
        while self.running.get() > 0 {
            self.idle.notified().await;
        }
    }

    /// The commands that run now.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Kills every handler that is still running.
    pub fn kill(&self) {
        self.groups.kill();
    }
}

async fn to_tcp(host: &str, port: u16, input: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(input).await?;
    stream.shutdown().await
}

async fn to_udp(host: &str, port: u16, input: &[u8]) -> io::Result<()> {
    let mut addresses = tokio::net::lookup_host((host, port)).await?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await?;
    socket.send_to(input, address).await.map(|_| ())
}

/// The handlers that a check names, [`DEFAULT`] where it names none.
fn handler_names(result: &CheckResult) -> Vec<&str> {
    let many = result.check.get("handlers").and_then(Value::as_array);
    let many = many.into_iter().flatten();
    let one = result.check.get("handler");
    let names: Vec<&str> = many.chain(one).filter_map(Value::as_str).collect();
    if names.is_empty() {
        vec![DEFAULT]
    } else {
        names
    }
}
