//! `context`: whom a failing check concerns, as the containers and SLURM jobs that
//! run on this node at that moment.

use crate::log::Log;
use crate::settings::check::CONTEXT;
use crate::settings::{Settings, Venus};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use venus_collectors::running::{self, Running};
use venus_event::Attributes;

/// How long a result waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long what was seen is what runs at that moment: checks fail together.
const MOMENT: Duration = Duration::from_secs(1);
/// How long it may be, in bytes of JSON.
const LONGEST: usize = 4096;

/// Looks at what runs; there is one in an agent.
#[derive(Default)]
pub(crate) struct Context {
    last: Mutex<Option<(Instant, Arc<Running>)>>,
    /// Held by a look on its thread: one that does not come back is not joined
    /// by a second.
    looking: Arc<()>,
    /// What went wrong the last time: said once, not every time.
    said: RefCell<Option<String>>,
}

impl Context {
    /// Whether a check asks for it and failed.
    pub(crate) fn concerns(check: &Attributes) -> bool {
        let failed = check
            .get("status")
            .is_some_and(|status| *status != json!(0));
        failed && !wanted(check).is_empty()
    }

    /// Puts what runs into the result of a check that it [`concerns`](Self::concerns).
    /// Where that cannot be found out, the check stays as it is.
    pub(crate) async fn add(&self, check: &mut Attributes, settings: &Settings, log: &Log) {
        if !Self::concerns(check) {
            return;
        }
        let words = wanted(check);
        let looked = timeout(PATIENCE, self.look(&settings.venus)).await;
        let looked = looked.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        let wrong = match looked {
            Ok(running) => {
                check.insert("context".to_owned(), cut(&words, &running));
                running.problem.as_ref().map(ToString::to_string)
            }
            Err(error) => Some(error),
        };
        let mut said = self.said.borrow_mut();
        if *said != wrong {
            if let Some(reason) = &wrong {
                let data = json!({ "check": check.get("name"), "reason": reason });
                log.warn("the context of failing checks is not known in full", data);
            }
            *said = wrong;
        }
    }

    async fn look(&self, venus: &Venus) -> Result<Arc<Running>, String> {
        let mut last = self.last.lock().await;
        if let Some((when, running)) = &*last
            && when.elapsed() < MOMENT
        {
            return Ok(Arc::clone(running));
        }
        if Arc::strong_count(&self.looking) > 1 {
            return Err("the look at all processes before has not come to an end".to_owned());
        }
        let looking = Arc::clone(&self.looking);
        let (proc, docker) = (venus.roots.proc.clone(), venus.docker.clone());
        let work = spawn_blocking(move || {
            let running = running::look(&proc, &docker);
            drop(looking);
            running
        });
        match work.await {
            Ok(Ok(running)) => {
                let running = Arc::new(running);
                *last = Some((Instant::now(), Arc::clone(&running)));
                Ok(running)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a check asks for; nothing where its `context` is something else.
fn wanted(check: &Attributes) -> Vec<&'static str> {
    let words = check.get("context").and_then(Value::as_array);
    let mut known = CONTEXT.to_vec();
    known.retain(|word| words.is_some_and(|words| words.contains(&json!(word))));
    known
}

/// As much of it as may be: from each list in turn.
fn cut(words: &[&str], running: &Running) -> Value {
    let lists: Vec<(&str, &[String])> = words
        .iter()
        .map(|word| match *word {
            "jobs" => (*word, running.jobs.as_slice()),
            _ => (*word, running.containers.as_slice()),
        })
        .collect();
    let mut left = LONGEST - r#"{"containers":[],"jobs":[],"truncated":true}"#.len();
    let mut taken = vec![Vec::new(); lists.len()];
    let mut truncated = false;
    let most = lists.iter().map(|(_, list)| list.len()).max();
    for place in 0..most.unwrap_or_default() {
        for ((_, list), taken) in lists.iter().zip(&mut taken) {
            let Some(name) = list.get(place) else {
                continue;
            };
            // Quotes and a comma; names have nothing that JSON escapes.
            match left.checked_sub(name.len() + 3) {
                Some(rest) if !truncated => {
                    left = rest;
                    taken.push(name.as_str());
                }
                _ => truncated = true,
            }
        }
    }
    let mut context = Attributes::new();
    for ((word, _), taken) in lists.iter().zip(taken) {
        context.insert((*word).to_owned(), json!(taken));
    }
    if truncated {
        context.insert("truncated".to_owned(), json!(true));
    }
    Value::Object(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(containers: usize, jobs: usize) -> Running {
        Running {
            containers: (0..containers)
                .map(|i| format!("container{i:05}"))
                .collect(),
            jobs: (0..jobs).map(|i| i.to_string()).collect(),
            problem: None,
        }
    }

    #[test]
    fn it_has_what_was_asked_for() {
        let some = running(1, 2);
        for (words, expected) in [
            (json!(["jobs"]), json!({"jobs": ["0", "1"]})),
            (
                json!(["jobs", "containers"]),
                json!({"containers": ["container00000"], "jobs": ["0", "1"]}),
            ),
            (json!(["weather"]), json!({})),
            (json!("jobs"), json!({})),
        ] {
            let check = Attributes::from_iter([("context".to_owned(), words)]);
            assert_eq!(cut(&wanted(&check), &some), expected);
        }
        let nothing = cut(&["containers", "jobs"], &running(0, 0));
        assert_eq!(nothing, json!({"containers": [], "jobs": []}));
    }

    #[test]
    fn it_is_never_longer_than_4_kb() {
        for (containers, jobs) in [(1000, 0), (0, 10_000), (200, 10_000), (10_000, 5)] {
            let context = cut(&["containers", "jobs"], &running(containers, jobs));
            let length = context.to_string().len();
            assert!(length <= LONGEST && length > LONGEST - 100, "{length}");
            assert_eq!(context["truncated"], true);
        }
        // Each list has its share.
        let context = cut(&["containers", "jobs"], &running(10_000, 5));
        assert_eq!(context["jobs"].as_array().unwrap().len(), 5);
        let whole = cut(&["containers", "jobs"], &running(200, 100));
        assert_eq!(whole.get("truncated"), None);
    }
}
