//! Runs checks, whoever wants them run, and puts their results into the outbox.

mod extension;

use super::builtin::Collectors;
use super::command::{Groups, Limits, input, rounded, run_command};
use super::context::Context;
use super::environment::ChildEnvironment;
use super::hooks::run_hook;
use super::tokens::substituted;
use crate::board::Board;
use crate::clock;
use crate::health::Health;
use crate::log::{Level, Log};
use crate::outbox::{Outbox, Receipt};
use crate::settings::{Current, Invocation, Settings};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_local;
use venus_event::{Attributes, CheckResult, Severity};
use venus_settings::merge;

/// Runs checks; there is one in an agent.
pub struct Runner {
    settings: Rc<Current>,
    log: Log,
    outbox: Rc<Outbox>,
    health: Rc<Health>,
    board: Board,
    environment: ChildEnvironment,
    collectors: RefCell<Collectors>,
    /// What collectors could not measure, by check, and when that was last so.
    noted: RefCell<HashMap<String, HashMap<String, Instant>>>,
    context: Context,
    /// Checks that are running; none runs twice at a time.
    in_progress: RefCell<HashSet<String>>,
    slots: RefCell<Slots>,
    groups: Groups,
    idle: Notify,
    worst: Cell<Severity>,
    stage: Cell<Stage>,
}

/// How far the runner is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Working,
    /// What runs may end; nothing new starts.
    Stopping,
    /// What ran was killed; not even a hook starts.
    Killed,
}

impl Runner {
    /// A runner of checks with these settings.
    #[must_use]
    pub fn new(
        settings: Rc<Current>,
        log: Log,
        outbox: Rc<Outbox>,
        health: Rc<Health>,
        environment: ChildEnvironment,
    ) -> Self {
        Self {
            slots: RefCell::new(Slots::new(settings.get().spawn_limit)),
            settings,
            log,
            outbox,
            health,
            board: Board::default(),
            environment,
            collectors: RefCell::new(Collectors::new()),
            noted: RefCell::default(),
            context: Context::default(),
            in_progress: RefCell::default(),
            groups: Groups::default(),
            idle: Notify::new(),
            worst: Cell::new(Severity::Ok),
            stage: Cell::new(Stage::Working),
        }
    }

    /// A standalone check is due.
    pub fn run_standalone(self: &Rc<Self>, definition: &Attributes) {
        let mut check = definition.clone();
        check.insert("issued".to_owned(), json!(clock::epoch_seconds()));
        self.process(check, true);
    }

    /// The server asks for a check.
    ///
    /// Anybody who may publish to the exchange writes these: what is no
    /// request is logged and dropped.
    pub fn run_request(self: &Rc<Self>, payload: &[u8]) {
        if self.stage.get() != Stage::Working {
            return;
        }
        let mut check = match serde_json::from_slice(payload) {
            Ok(Value::Object(check)) => check,
            Ok(_) => return self.drop_request("not an object", payload),
            Err(error) => return self.drop_request(&error.to_string(), payload),
        };
        let Some(name) = check.get("name").and_then(Value::as_str) else {
            return self.drop_request("no name", payload);
        };
        let settings = self.settings.get();
        let local = settings.checks.iter().find(|local| local.name == name);
        if let Some(local) = local
            && !check.contains_key("proxy_requests")
        {
            check.extend(local.definition.clone());
        }
        if self.log.shows(Level::Debug) {
            self.log
                .debug("received check request", json!({ "check": check }));
        }
        // Not by its name alone: a request may bring a command of its own.
        let defined =
            local.is_some_and(|local| local.definition.get("command") == check.get("command"));
        if settings.client.safe_mode {
            // Hooks are commands as well.
            match local.and_then(|local| local.definition.get("hooks")) {
                Some(hooks) => check.insert("hooks".to_owned(), hooks.clone()),
                None => check.shift_remove("hooks"),
            };
        }
        self.process(check, defined);
    }

    fn drop_request(&self, why: &str, payload: &[u8]) {
        const SHOWN: usize = 200;
        let shown = String::from_utf8_lossy(payload.get(..SHOWN).unwrap_or(payload));
        let data = json!({ "error": why, "payload": shown });
        self.log
            .error("dropped a check request that cannot be read", data);
    }

    /// Runs a check by its command, or by its extension where it has none.
    fn process(self: &Rc<Self>, mut check: Attributes, defined: bool) {
        let Some(command) = check.get("command") else {
            return self.run_extension(check);
        };
        if !Invocation::is_valid(command) {
            let data = json!({ "check": check });
            let message = format!("check command {}", Invocation::FORM);
            return self.log.error(&message, data);
        }
        if self.settings.get().client.safe_mode && !defined {
            refuse(&mut check, "Check is not locally defined (safe mode)");
            check.insert("executed".to_owned(), json!(clock::epoch_seconds()));
            return self.publish(check);
        }
        if let Some(running) = self.begin(&check) {
            let runner = Rc::clone(self);
            spawn_local(async move {
                runner.execute(check).await;
                drop(running);
            });
        }
    }

    /// Marks a check as running; nothing if it is already.
    fn begin(self: &Rc<Self>, check: &Attributes) -> Option<Running> {
        let name = text(check, "name").unwrap_or_default();
        let key = match text(check, "source") {
            Some(source) => format!("{source}:{name}"),
            None => name.to_owned(),
        };
        if self.in_progress.borrow_mut().insert(key.clone()) {
            return Some(Running {
                runner: Rc::clone(self),
                key,
            });
        }
        let data = json!({ "check": key });
        self.log.warn(
            "previous check execution still in progress, this one is skipped",
            data,
        );
        None
    }

    async fn execute(&self, mut check: Attributes) {
        let slots = Rc::clone(&self.slots.borrow().semaphore);
        let Ok(_slot) = slots.acquire().await else {
            return; // the semaphore is never closed
        };
        if self.stage.get() != Stage::Working {
            return;
        }
        let settings = self.settings.get();
        let client = &settings.client;
        let (substituted, unmatched) = substituted(&check, client);
        let Some(command) = substituted.get("command").and_then(Invocation::of) else {
            return; // none that is no command comes here
        };
        // Published are the command and the hooks with tokens in them, so that
        // no secret leaks; every other attribute as substituted.
        for (key, value) in substituted {
            if key != "command" && key != "hooks" {
                check.insert(key, value);
            }
        }
        check.insert("executed".to_owned(), json!(clock::epoch_seconds()));
        if let Some(unmatched) = unmatched {
            refuse(&mut check, &unmatched);
            return self.publish(check);
        }
        let input = input(&check, client, &check);
        let limits = limits(&check, &settings);
        let variables = self.environment.variables(&settings);
        let done = run_command(&command, &variables, input, limits, &self.groups).await;
        check.insert("duration".to_owned(), rounded(done.duration));
        check.insert("output".to_owned(), json!(done.output));
        check.insert("status".to_owned(), json!(done.status));
        if self.stage.get() != Stage::Killed {
            self.context.add(&mut check, &settings, &self.log).await;
            run_hook(&mut check, done.status, &settings, &variables, &self.groups).await;
        }
        self.publish(check);
    }

    /// Tells the server that this client goes, if its settings want that.
    pub fn deregister(&self) {
        let settings = self.settings.get();
        let client = &settings.client;
        if !client.deregister {
            return;
        }
        let mut check = Attributes::new();
        check.insert("handler".to_owned(), json!("deregistration"));
        check.insert("status".to_owned(), json!(1));
        if let Some(Value::Object(more)) = client.attributes.get("deregistration") {
            merge(&mut check, more.clone());
        }
        let now = clock::epoch_seconds();
        for (key, value) in [
            ("name", json!("deregistration")),
            ("output", json!("client initiated deregistration")),
            ("issued", json!(now)),
            ("executed", json!(now)),
        ] {
            check.insert(key.to_owned(), value);
        }
        let result = self.result(check);
        self.outbox.push_unkept(result, now);
    }

    /// Puts a result of this node's own into the outbox.
    pub(crate) fn publish(&self, check: Attributes) {
        let result = self.result(check);
        self.note_published(&result, true);
        self.outbox.push(result, clock::epoch_seconds());
    }

    /// The same for somebody who wants to know when it is safe, if it is admitted.
    pub(crate) fn publish_for<E>(
        &self,
        check: Attributes,
        admit: impl FnOnce(&CheckResult) -> Result<(), E>,
    ) -> Result<Receipt, (E, Attributes)> {
        let result = self.result(check);
        if let Err(refused) = admit(&result) {
            return Err((refused, result.check));
        }
        self.note_published(&result, false);
        Ok(self.outbox.push_for(result, clock::epoch_seconds()))
    }

    fn result(&self, check: Attributes) -> CheckResult {
        let settings = self.settings.get();
        let client = &settings.client;
        CheckResult {
            client: client.name.clone(),
            check,
            signature: client.signature.clone(),
        }
    }

    fn note_published(&self, result: &CheckResult, is_own: bool) {
        if self.log.shows(Level::Debug) {
            self.log
                .debug("publishing check result", json!({ "payload": result }));
        }
        self.worst.set(self.worst.get().max(result.severity()));
        let settings = self.settings.get();
        // Nobody could look at it.
        if settings.client.http_socket.socket.enabled {
            self.board.note(result, is_own);
        }
    }

    /// What each check said last.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// The settings were replaced: what was made of the old ones is made anew.
    pub fn reload(&self) {
        *self.collectors.borrow_mut() = Collectors::new();
        let limit = self.settings.get().spawn_limit;
        let mut slots = self.slots.borrow_mut();
        if slots.limit != limit {
            *slots = Slots::new(limit);
        }
    }

    /// How many bytes of results may wait on the disk.
    pub(crate) fn most_on_disk(&self) -> u64 {
        self.settings.get().venus.spool.bounds.bytes
    }

    /// Where results go.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The worst severity of all results so far.
    #[must_use]
    pub fn worst(&self) -> Severity {
        self.worst.get()
    }

    /// From now on no check starts, not even one that waits for its slot.
    pub fn stop(&self) {
        self.stage.set(Stage::Stopping);
    }

    /// Waits until no check is running.
    pub async fn finished(&self) {
        while !self.in_progress.borrow().is_empty() {
            self.idle.notified().await;
        }
    }

    /// The commands that run now.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Kills every check that is still running.
    pub fn kill(&self) {
        self.stage.set(Stage::Killed);
        self.groups.kill();
    }
}

/// How many commands may run side by side. With a new limit those that run
/// already keep the slots of the old one.
struct Slots {
    limit: usize,
    semaphore: Rc<Semaphore>,
}

impl Slots {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            semaphore: Rc::new(Semaphore::new(limit)),
        }
    }
}

/// A check that is running; dropped when it is over.
struct Running {
    runner: Rc<Runner>,
    key: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runner.in_progress.borrow_mut().remove(&self.key);
        self.runner.idle.notify_waiters();
    }
}

fn text<'a>(check: &'a Attributes, key: &str) -> Option<&'a str> {
    check.get(key).and_then(Value::as_str)
}

/// What a check may take. One without a timeout gets a default: what runs for
/// ever would hold its slot, and a port or lock of its own, for ever.
fn limits(check: &Attributes, settings: &Settings) -> Limits {
    let venus = &settings.venus;
    let number = |key: &str| check.get(key).and_then(Value::as_f64);
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).ok();
    let default = || match venus.check_timeout {
        Some(timeout) => Some(timeout).filter(|timeout| !timeout.is_zero()),
        None => seconds(60_f64.max(10.0 * number("interval").unwrap_or(0.0))),
    };
    Limits {
        time: number("timeout").and_then(seconds).or_else(default),
        output: venus.max_output,
        ends_with_agent: true,
    }
}

/// A check that is not run, and that no handler needs to hear of.
fn refuse(check: &mut Attributes, why: &str) {
    check.insert("output".to_owned(), json!(why));
    check.insert("status".to_owned(), json!(3));
    check.insert("handle".to_owned(), json!(false));
}
