//! What a Sensu server does with results, for an agent without one: events,
//! and the handlers that get them.

mod event;

pub use event::Checks;

use crate::check::{ChildEnvironment, Groups, Limits, run_command};
use crate::clock;
use crate::keepalive;
use crate::log::Log;
use crate::settings::{Current, Handler};
use event::wants;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use venus_event::{CheckResult, Event};

/// Makes events of results and hands them to handlers.
pub struct Pipeline {
    settings: Rc<Current>,
    log: Log,
    /// PATH of the handlers.
    environment: ChildEnvironment,
    checks: RefCell<Checks>,
    /// Names of handlers that are not defined, to say so once.
    unknown: RefCell<HashSet<String>>,
    groups: Groups,
    running: Cell<usize>,
    idle: Notify,
}

impl Pipeline {
    /// A pipeline to the handlers in these settings.
    #[must_use]
    pub fn new(settings: Rc<Current>, log: Log, environment: ChildEnvironment) -> Self {
        Self {
            settings,
            log,
            environment,
            checks: RefCell::default(),
            unknown: RefCell::default(),
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
        if result.check.get("handle") == Some(&Value::Bool(false)) {
            return;
        }
        for name in handler_names(result) {
            let handler = settings.handlers.iter().find(|one| one.name == name);
            match handler {
                Some(handler) if wants(handler, &event) => self.start(handler.clone(), &event),
                Some(_) => {}
                None => self.note_unknown(name, result.name()),
            }
        }
    }

    fn note_unknown(&self, handler: &str, check: &str) {
        if self.unknown.borrow_mut().insert(handler.to_owned()) {
            let data = json!({ "handler": handler, "check": check });
            self.log
                .warn("no pipe handler of this name in the settings", data);
        }
    }

    fn start(self: &Rc<Self>, handler: Handler, event: &Event) {
        let input = match serde_json::to_vec(event) {
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
        let settings = self.settings.get();
        let limits = Limits {
            time: Some(handler.timeout),
            output: settings.venus.max_output,
        };
        let done = run_command(
            &handler.command,
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

    /// Waits until no handler is running.
    pub async fn finished(&self) {
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

/// The handlers that a check names, `default` where it names none.
fn handler_names(result: &CheckResult) -> Vec<&str> {
    let many = result.check.get("handlers").and_then(Value::as_array);
    let many = many.into_iter().flatten();
    let one = result.check.get("handler");
    let names: Vec<&str> = many.chain(one).filter_map(Value::as_str).collect();
    if names.is_empty() {
        vec!["default"]
    } else {
        names
    }
}
