//! Check extensions: collectors, and what the agent counts of itself, without a fork.

use super::{Runner, Running, Stage, refuse, text};
use crate::check::builtin::{BuiltinError, Collected, scheme};
use crate::check::command::rounded;
use crate::check::context::Context;
use crate::check::tokens::{has_tokens, substituted};
use crate::clock;
use crate::figures;
use crate::settings::Settings;
use serde_json::{Value, json};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{spawn_blocking, spawn_local};
use venus_collectors::{Spec, registry};
use venus_event::Attributes;

/// For how long what could not be measured is not said again after it was so.
const NOTED: Duration = Duration::from_mins(10);

impl Runner {
    /// Runs the collector that a check names, after its tokens are substituted.
    pub(super) fn run_extension(self: &Rc<Self>, mut check: Attributes) {
        if has_tokens(&check) {
            let (substituted, unmatched) = substituted(&check, &self.settings.get().client);
            check = substituted;
            if let Some(unmatched) = unmatched {
                check.insert("executed".to_owned(), json!(clock::epoch_seconds()));
                refuse(&mut check, &unmatched);
                return self.publish(check);
            }
        }
        let extension = text(&check, "extension").or(text(&check, "name"));
        let extension = extension.unwrap_or_default().to_owned();
        if let Some(spec) = registry::find(&extension) {
            return self.collect(check, spec);
        }
        if extension == figures::EXTENSION {
            return self.measure_agent(check);
        }
        let output = format!("Unknown check extension: {extension}");
        check.insert("executed".to_owned(), json!(clock::epoch_seconds()));
        check.insert("output".to_owned(), json!(output));
        check.insert("status".to_owned(), json!(3));
        self.publish(check);
    }

    /// Runs a collector: here and now, as reading /proc takes microseconds, or on
    /// a thread of its own where it may wait for something.
    fn collect(self: &Rc<Self>, check: Attributes, spec: &'static Spec) {
        let Some(running) = self.begin(&check) else {
            return;
        };
        let settings = self.settings.get();
        let Settings { client, venus, .. } = &*settings;
        let (executed, started) = (clock::epoch_seconds(), Instant::now());
        let taken = self
            .collectors
            .borrow_mut()
            .take(spec, &check, &client.name, venus);
        let mut kept = match taken {
            Ok(kept) => kept,
            Err(error) => {
                let check = self.collected(check, spec.name, executed, started, Err(error));
                return self.conclude(check, settings, running);
            }
        };
        if !kept.may_wait(executed) {
            let collected = kept.collect(executed);
            self.collectors.borrow_mut().keep(kept);
            let check = self.collected(check, spec.name, executed, started, collected);
            return self.conclude(check, settings, running);
        }
        let runner = Rc::clone(self);
        spawn_local(async move {
            let slots = Rc::clone(&runner.slots.borrow().semaphore);
            let Ok(_slot) = slots.acquire().await else {
                return; // the semaphore is never closed
            };
            if runner.stage.get() != Stage::Working {
                return;
            }
            let (executed, started) = (clock::epoch_seconds(), Instant::now());
            let work = spawn_blocking(move || {
                let collected = kept.collect(executed);
                (kept, collected)
            });
            if let Ok((kept, collected)) = work.await {
                // After a reload it is one of the settings before.
                if Rc::ptr_eq(&settings, &runner.settings.get()) {
                    runner.collectors.borrow_mut().keep(kept);
                }
                let mut check = runner.collected(check, spec.name, executed, started, collected);
                let (context, log) = (&runner.context, &runner.log);
                context.add(&mut check, &settings, log).await;
                runner.publish(check);
            }
            drop(running);
        });
    }

    /// What the agent counts of itself.
    fn measure_agent(self: &Rc<Self>, check: Attributes) {
        let Some(running) = self.begin(&check) else {
            return;
        };
        let settings = self.settings.get();
        let (executed, started) = (clock::epoch_seconds(), Instant::now());
        let Settings { client, venus, .. } = &*settings;
        let collected = scheme(&check, &client.name, venus, figures::SUFFIX).map(|scheme| {
            let figures = figures::all(&self.outbox, &self.health);
            Collected {
                lines: figures::to_graphite(&figures, &scheme, executed),
                notes: Vec::new(),
            }
        });
        let collected = collected.map_err(BuiltinError::from);
        let check = self.collected(check, figures::EXTENSION, executed, started, collected);
        self.conclude(check, settings, running);
    }

    /// Publishes the result of a collector that ran in place, with its context if
    /// it needs one.
    fn conclude(self: &Rc<Self>, mut check: Attributes, settings: Rc<Settings>, running: Running) {
        if !Context::concerns(&check) {
            return self.publish(check);
        }
        let runner = Rc::clone(self);
        spawn_local(async move {
            let (context, log) = (&runner.context, &runner.log);
            context.add(&mut check, &settings, log).await;
            runner.publish(check);
            drop(running);
        });
    }

    /// The result of what a collector answered.
    fn collected(
        &self,
        mut check: Attributes,
        extension: &str,
        executed: u64,
        started: Instant,
        collected: Result<Collected, BuiltinError>,
    ) -> Attributes {
        let (output, status) = match collected {
            Ok(collected) => {
                self.note(&check, collected.notes);
                (collected.lines, 0)
            }
            Err(error) => (format!("{extension}: {error}\n"), 3),
        };
        check.insert("executed".to_owned(), json!(executed));
        check.insert("duration".to_owned(), rounded(started.elapsed()));
        check.insert("output".to_owned(), Value::String(output));
        check.insert("status".to_owned(), json!(status));
        check
    }

    /// Says what a collector could not measure, when that is news: what comes and
    /// goes, as datagrams do that are lost, is the same for as long as it does.
    fn note(&self, check: &Attributes, notes: Vec<String>) {
        let name = text(check, "name").unwrap_or_default();
        let mut all = self.noted.borrow_mut();
        if notes.is_empty() && !all.contains_key(name) {
            return;
        }
        let now = Instant::now();
        // Whoever may ask for checks chooses their names.
        all.retain(|_, known| {
            known.retain(|_, seen| now.duration_since(*seen) < NOTED);
            !known.is_empty()
        });
        if notes.is_empty() {
            return;
        }
        let known = all.entry(name.to_owned()).or_default();
        for note in notes {
            if !known.contains_key(&note) {
                let data = json!({ "check": name, "reason": note });
                self.log.warn("a collector complains", data);
            }
            known.insert(note, now);
        }
    }
}
