//! Results on their way out.

use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::Notify;
use venus_event::{Attributes, CheckResult};

/// How many bytes of results are kept while they cannot be sent.
const MAX_BYTES: usize = 16 << 20;
/// What each value of a result weighs beside its text.
const OVERHEAD: usize = 64;
/// How many bytes of results are sent at a time, unless one alone has more: a
/// slow line must get a batch through before its deadline.
const BATCH_BYTES: usize = 256 << 10;

/// A queue of results that are not delivered yet, bounded in memory.
///
/// A result leaves it when its delivery is [`confirmed`](Self::confirm), so that
/// what was under way when a connection broke is sent again. At the bound the
/// oldest metric goes first, then the oldest of the rest, and is counted.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: RefCell<VecDeque<Entry>>,
    bytes: Cell<usize>,
    pushed: Cell<u64>,
    dropped: Cell<u64>,
    changed: Notify,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    result: Rc<CheckResult>,
    bytes: usize,
}

/// About how many bytes of memory a value takes.
fn weight(value: &Value) -> usize {
    OVERHEAD
        + match value {
            Value::String(text) => text.capacity(),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(object) => weight_of_all(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

fn weight_of_all(attributes: &Attributes) -> usize {
    let weights = attributes
        .iter()
        .map(|(key, value)| key.len() + weight(value));
    weights.sum()
}

/// The oldest results of an outbox.
#[derive(Debug)]
pub struct Batch {
    /// The results, oldest first.
    pub results: Vec<Rc<CheckResult>>,
    last: u64,
}

impl Outbox {
    /// Puts a result in.
    pub fn push(&self, result: CheckResult) {
        let bytes = OVERHEAD + weight_of_all(&result.check);
        let number = self.pushed.get();
        self.pushed.set(number + 1);
        self.bytes.set(self.bytes.get() + bytes);
        self.queue.borrow_mut().push_back(Entry {
            number,
            result: Rc::new(result),
            bytes,
        });
        while self.bytes.get() > MAX_BYTES {
            self.drop_one();
        }
        self.changed.notify_waiters();
    }

    fn drop_one(&self) {
        let mut queue = self.queue.borrow_mut();
        let metric = queue.iter().position(|entry| entry.result.is_metric());
        if let Some(entry) = queue.remove(metric.unwrap_or(0)) {
            self.bytes.set(self.bytes.get() - entry.bytes);
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Waits until there is a result, and shows the oldest ones, at most `limit`.
    pub async fn batch(&self, limit: usize) -> Batch {
        while self.queue.borrow().is_empty() {
            self.changed.notified().await;
        }
        let queue = self.queue.borrow();
        let mut bytes = 0;
        let light = queue.iter().take_while(|entry| {
            bytes += entry.bytes;
            bytes <= BATCH_BYTES
        });
        let count = light.count().clamp(1, limit);
        let oldest = queue.range(..count);
        Batch {
            last: oldest.clone().next_back().map_or(0, |entry| entry.number),
            results: oldest.map(|entry| Rc::clone(&entry.result)).collect(),
        }
    }

    /// A batch was delivered: forgets it.
    pub fn confirm(&self, batch: &Batch) {
        let mut queue = self.queue.borrow_mut();
        while let Some(entry) = queue.pop_front_if(|entry| entry.number <= batch.last) {
            self.bytes.set(self.bytes.get() - entry.bytes);
        }
        if queue.is_empty() {
            self.changed.notify_waiters();
        }
    }

    /// Waits until everything is delivered.
    pub async fn emptied(&self) {
        while !self.queue.borrow().is_empty() {
            self.changed.notified().await;
        }
    }

    /// How many results wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Whether no result waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many results were dropped since the last time somebody asked.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(name: &str, kind: &str, output: &str) -> CheckResult {
        let check = json!({"name": name, "type": kind, "output": output, "status": 0});
        CheckResult {
            client: "c".to_owned(),
            check: check.as_object().unwrap().clone(),
            signature: None,
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_was_not_confirmed_is_shown_again() {
        let outbox = Outbox::default();
        for name in ["a", "b", "c"] {
            outbox.push(result(name, "standard", ""));
        }
        let lost = outbox.batch(2).await;
        assert_eq!(lost.results.len(), 2);
        let again = outbox.batch(2).await;
        assert_eq!(again.results[0].name(), "a");
        outbox.confirm(&again);
        assert_eq!(outbox.batch(2).await.results[0].name(), "c");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_batch_is_small_but_never_empty() {
        let outbox = Outbox::default();
        for name in ["huge", "a", "b", "half", "rest"] {
            let bytes = match name {
                "huge" => 2 * BATCH_BYTES,
                "half" | "rest" => BATCH_BYTES / 2,
                _ => 0,
            };
            outbox.push(result(name, "standard", &"x".repeat(bytes)));
        }
        let mut batches = Vec::new();
        while !outbox.is_empty() {
            let batch = outbox.batch(64).await;
            let names = batch.results.iter().map(|result| result.name().to_owned());
            batches.push(names.collect::<Vec<_>>().join(" "));
            outbox.confirm(&batch);
        }
        assert_eq!(batches, ["huge", "a b half", "rest"]);
    }

    #[test]
    fn what_a_hook_has_written_counts_against_the_bound() {
        let outbox = Outbox::default();
        for _ in 0..40 {
            let mut with_hook = result("disk", "standard", "");
            let written = json!({"critical": {"output": "x".repeat(1 << 20)}});
            with_hook.check.insert("hooks".to_owned(), written);
            outbox.push(with_hook);
        }
        assert_eq!((outbox.len(), outbox.take_dropped()), (15, 25));
    }

    #[test]
    fn a_full_outbox_drops_metrics_before_states() {
        let outbox = Outbox::default();
        let big = "x".repeat(MAX_BYTES / 3);
        outbox.push(result("state", "standard", &big));
        outbox.push(result("old", "metric", &big));
        outbox.push(result("new", "metric", &big));
        outbox.push(result("more", "metric", "x"));
        let names: Vec<_> = outbox
            .queue
            .borrow()
            .iter()
            .map(|entry| entry.result.name().to_owned())
            .collect();
        assert_eq!(names, ["state", "new", "more"]);
        assert_eq!(outbox.take_dropped(), 1);
    }
}
