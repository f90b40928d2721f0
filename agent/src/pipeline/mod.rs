//! What a Sensu server does with results, for an agent without one: events,
//! and the handlers that get them.

mod event;
mod filter;
mod graphite;
mod input;
mod memory;

pub use event::{Checks, News};

use crate::check::{ChildEnvironment, Execution, Groups, Limits, run_command};
use crate::clock;
use crate::keepalive;
use crate::log::Log;
use crate::settings::handler::Kind;
use crate::settings::venus::METRICS_HANDLER;
use crate::settings::{Current, Filter, Handler, Invocation, Mutator, Settings};
use graphite::{Graphite, Reports};
use input::Input;
use memory::Memory;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io;
use std::mem;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;
use venus_event::{Action, CheckResult, Event};

/// The handler of checks that name none.
const DEFAULT: &str = "default";
/// How deep sets of handlers may be: one in another, as in Sensu.
const DEEPEST: usize = 2;
/// The mutators that nobody has to define.
const JSON: &str = "json";
const ONLY_OUTPUT: &str = "only_check_output";
/// How many complaints are remembered as said; results of others could go on making new ones.
const MOST_SAID: usize = 1000;

/// What there is to write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unwritten {
    Nothing,
    /// That all is well, which would not be missed.
    Little,
    /// What somebody was told.
    News,
}

/// Makes events of results and hands them to handlers.
pub struct Pipeline {
    settings: Rc<Current>,
    log: Log,
    /// PATH of the handlers.
    environment: ChildEnvironment,
    checks: RefCell<Checks>,
    memory: Option<Memory>,
    /// What is known that is not written down.
    unwritten: Cell<Unwritten>,
    /// How many handlers have not got their events yet.
    starting: Cell<usize>,
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
            unwritten: Cell::new(Unwritten::Nothing),
            starting: Cell::new(0),
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
        let result = defined(result, &settings);
        let news = self.checks.borrow_mut().event(&result, client, now);
        let Some(news) = news else {
            return self.changed(Unwritten::Little);
        };
        let event = &news.event;
        let is_well = event.status() == 0 && event.action == Action::Create;
        self.changed(if is_well {
            Unwritten::Little
        } else {
            Unwritten::News
        });
        if event.check.get("handle") == Some(&Value::Bool(false)) {
            return;
        }
        let mut told = HashSet::new();
        for name in handler_names(&result) {
            // Metrics go to the terminal all the same.
            let is_missed = !result.is_metric() || ![DEFAULT, METRICS_HANDLER].contains(&name);
            self.tell(name, &settings, &news, is_missed, DEEPEST, &mut told);
        }
    }

    fn changed(&self, what: Unwritten) {
        self.unwritten.set(self.unwritten.get().max(what));
    }

    /// Writes down what is known of checks, if there is news and each handler has got its event:
    /// whoever is killed before that tells it again, and nothing is told to nobody.
    pub fn remember(&self) {
        if self.starting.get() == 0 && self.unwritten.get() == Unwritten::News {
            self.write();
        }
    }

    fn write(&self) {
        let Some(memory) = &self.memory else {
            return;
        };
        match memory.write(&self.checks.borrow()) {
            Ok(()) => self.unwritten.set(Unwritten::Nothing),
            Err(error) => {
                let data = json!({ "path": memory.path(), "error": error.to_string() });
                self.say_once("events cannot be remembered", data);
            }
        }
    }

    /// Tells a handler, or all of a set; each once.
    fn tell(
        self: &Rc<Self>,
        name: &str,
        settings: &Settings,
        news: &News,
        is_missed: bool,
        depth: usize,
        told: &mut HashSet<String>,
    ) {
        if told.contains(name) {
            return;
        }
        let event = &news.event;
        let Some(handler) = settings.handlers.iter().find(|one| one.name == name) else {
            told.insert(name.to_owned());
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
                    self.tell(member, settings, news, true, depth, told);
                }
            }
            (Kind::Set(_), None) => {
                let data = json!({ "handler": name });
                self.say_once("sets of handlers are too deep in each other", data);
            }
            (Kind::Foreign(kind), _) => {
                let data = json!({ "handler": name, "type": kind });
                self.say_once("no handler of this type: it needs a Sensu server", data);
            }
            (Kind::Pipe(_) | Kind::Tcp(..) | Kind::Udp(..), _) => {
                told.insert(name.to_owned());
                self.complain_of_ruby(handler, settings);
                match filter::judge(handler, &settings.filters, news, clock::local_now()) {
                    Ok(()) => self.start(handler.clone(), settings, event),
                    Err(reason) => {
                        let data = json!({
                            "handler": name, "client": event.client_name(),
                            "check": event.check_name(), "reason": reason,
                        });
                        self.log.debug("event is not handled", data);
                    }
                }
            }
        }
    }

    /// Says which filters of a handler cannot be what they are meant to be.
    fn complain_of_ruby(&self, handler: &Handler, settings: &Settings) {
        for name in &handler.filters {
            let filter = filter::find(&settings.filters, name);
            if let Some(ruby) = filter.and_then(Filter::ruby) {
                let data = json!({ "handler": handler.name, "filter": name, "attribute": ruby });
                self.say_once("Ruby of a filter is not run, and matches nothing", data);
            } else if filter.is_none() && name != filter::OCCURRENCES {
                let data = json!({ "handler": handler.name, "filter": name });
                self.say_once("no filter of this name: it lets everything through", data);
            }
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
        let mut said = self.said.borrow_mut();
        if said.len() < MOST_SAID && said.insert(format!("{what} {data}")) {
            self.log.warn(what, data);
        }
    }

    fn start(self: &Rc<Self>, handler: Handler, settings: &Settings, event: &Event) {
        let name = handler.mutator.as_deref().unwrap_or(JSON);
        let mutators = settings.mutators.iter();
        let mutator = mutators.clone().find(|mutator| mutator.name == name);
        let text = match (mutator, name) {
            (Some(_), _) | (None, JSON) => serde_json::to_vec(event),
            (None, ONLY_OUTPUT) => Ok(event.output().as_bytes().to_vec()),
            (None, _) => {
                let data = json!({ "handler": handler.name, "mutator": name });
                return self.say_once("no mutator of this name in the settings", data);
            }
        };
        let input = match text {
            Ok(text) => Input::new(text, Rc::clone(self)),
            Err(error) => {
                let data = json!({ "handler": handler.name, "error": error.to_string() });
                return self.log.error("event cannot be written as JSON", data);
            }
        };
        self.running.set(self.running.get() + 1);
        let (pipeline, mutator) = (Rc::clone(self), mutator.cloned());
        spawn_local(async move {
            pipeline.run(&handler, mutator.as_ref(), input).await;
            pipeline.running.set(pipeline.running.get() - 1);
            pipeline.idle.notify_waiters();
        });
    }

    async fn run(&self, handler: &Handler, mutator: Option<&Mutator>, mut input: Input) {
        if let Some(mutator) = mutator {
            let event = Some(input.as_ref().to_vec());
            let done = self.run_command(&mutator.command, mutator.timeout, event);
            let done = done.await;
            if done.status != 0 {
                let data = json!({
                    "handler": handler.name, "mutator": mutator.name,
                    "status": done.status, "output": done.output,
                });
                return self.log.error("mutator failed", data);
            }
            input.replace(done.output.into_bytes());
        }
        let sent = match &handler.kind {
            Kind::Pipe(command) => return self.run_pipe(handler, command, input).await,
            Kind::Tcp(host, port) => timeout(handler.timeout, to_tcp(host, *port, input)).await,
            Kind::Udp(host, port) => timeout(handler.timeout, to_udp(host, *port, input)).await,
            Kind::Set(_) | Kind::Foreign(_) => return,
        };
        let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if let Err(error) = sent {
            let data = json!({ "handler": handler.name, "error": error.to_string() });
            self.log.error("handler failed", data);
        }
    }

    async fn run_pipe(&self, handler: &Handler, command: &Invocation, input: Input) {
        let done = self.run_command(command, handler.timeout, Some(input));
        let done = done.await;
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

    async fn run_command(
        &self,
        command: &Invocation,
        time: Duration,
        input: Option<impl AsRef<[u8]>>,
    ) -> Execution {
        let settings = self.settings.get();
        let limits = Limits {
            time: Some(time),
            output: settings.venus.max_output,
            ends_with_agent: false,
        };
        let variables = self.environment.variables(&settings);
        run_command(command, &variables, input, limits, &self.groups).await
    }

    /// Waits until no handler is running, and Carbon has what it was to get.
    pub async fn finished(&self) {
        self.graphite.borrow_mut().take();
        while self.running.get() > 0 {
            self.idle.notified().await;
        }
        if self.unwritten.get() != Unwritten::Nothing {
            self.write();
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

async fn to_tcp(host: &str, port: u16, input: Input) -> io::Result<()> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(input.as_ref()).await?;
    stream.shutdown().await
}

async fn to_udp(host: &str, port: u16, input: Input) -> io::Result<()> {
    let mut addresses = tokio::net::lookup_host((host, port)).await?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let any = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await?;
    socket.send_to(input.as_ref(), address).await.map(|_| ())
}

/// A result with what the settings say of its check, as a server completes it; the result goes
/// before. That of a standalone check has all.
fn defined<'a>(result: &'a CheckResult, settings: &Settings) -> Cow<'a, CheckResult> {
    let is_whole = result.check.get("standalone") == Some(&Value::Bool(true));
    let mut checks = settings.checks.iter();
    match checks.find(|check| check.name == result.name() && !is_whole) {
        Some(check) => {
            let mut result = result.clone();
            let own = mem::replace(&mut result.check, check.definition.clone());
            result.check.extend(own);
            Cow::Owned(result)
        }
        None => Cow::Borrowed(result),
    }
}

/// The handlers that a check names, [`DEFAULT`] where it names none. Of `handler` and `handlers`
/// the latter are taken.
fn handler_names(result: &CheckResult) -> Vec<&str> {
    let named = |key| result.check.get(key).filter(|value| !value.is_null());
    match named("handlers").or(named("handler")) {
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => vec![DEFAULT],
    }
}
