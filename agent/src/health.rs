//! What the agent can say of itself: of its connection and its plan to whoever asks on this node,
//! and that results were lost to the server.

use crate::clock::{self, Offset};
use crate::duties::Punctuality;
use crate::outbox::{Dropped, Outbox};
use crate::transport::{Depth, KEEPALIVES, Link, RESULTS};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use venus_event::Attributes;

/// The check that says how this agent is.
const CHECK: &str = "agent_health";
/// How long it has to be well until that is said.
const WELL: Duration = Duration::from_mins(1);

/// From this age on, in seconds, a result that waits is late.
const LATE: u64 = 60;

/// Whether there is a connection, and a way to ask it something.
#[derive(Debug, Default)]
pub struct Health {
    connected: Cell<bool>,
    connections: Cell<u64>,
    punctuality: Cell<Punctuality>,
    /// How many runs were left out when that was judged last.
    missed: Cell<u64>,
    /// When results were dropped or late last, until it was said that it is over.
    ill: Cell<Option<Instant>>,
    /// How far this node's clock was from the broker's, where that is known.
    pub(crate) clock_offset: Cell<Option<Offset>>,
    /// When they are compared next.
    pub(crate) clock_due: Cell<Option<Instant>>,
    questions: RefCell<Vec<oneshot::Sender<Depths>>>,
    asked: Notify,
}

/// What waits at the broker, where that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depths {
    pub(crate) keepalives: Option<Depth>,
    pub(crate) results: Option<Depth>,
}

impl Health {
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.get()
    }

    /// Takes note that there is a connection, or none any more: then nobody
    /// waits for an answer in vain.
    pub(crate) fn set_connected(&self, connected: bool) {
        self.connected.set(connected);
        self.connections
            .set(self.connections.get() + u64::from(connected));
        self.questions.borrow_mut().clear();
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// How well the checks' plan is kept.
    pub(crate) fn punctuality(&self) -> Punctuality {
        self.punctuality.get()
    }

    pub(crate) fn set_punctuality(&self, punctuality: Punctuality) {
        self.punctuality.set(punctuality);
    }

    /// The result that tells the server that results were dropped or are late, or that it is over.
    pub(crate) fn judge(&self, dropped: Dropped, outbox: &Outbox) -> Option<Attributes> {
        let now = clock::epoch_seconds();
        let mut troubles = Vec::new();
        if dropped.all() > 0 {
            let Dropped {
                metrics,
                ok,
                states,
            } = dropped;
            let all = dropped.all();
            troubles.push(format!(
                "{all} results were dropped, as they were too many or too old to be kept: \
                 {metrics} of metrics, {ok} that were OK, {states} others"
            ));
        }
        let missed = self.punctuality.get().missed;
        let left_out = missed - self.missed.replace(missed);
        if left_out > 0 {
            troubles.push(format!(
                "{left_out} runs of checks were left out, as their time was over"
            ));
        }
        let age = outbox.oldest().map_or(0, |made| now.saturating_sub(made));
        let is_late = age >= LATE;
        // Once, and not with each batch of those that wait.
        if is_late && self.ill.get().is_none() {
            troubles.push(format!("results are up to {age} s late"));
        }
        if is_late || !troubles.is_empty() {
            self.ill.set(Some(Instant::now()));
        }
        let (status, output) = if !troubles.is_empty() {
            (1, format!("AgentHealth WARNING: {}\n", troubles.join("; ")))
        } else if self.ill.get()?.elapsed() >= WELL && outbox.waiting() == 0 {
            self.ill.set(None);
            (0, "AgentHealth OK: no results wait\n".to_owned())
        } else {
            return None;
        };
        let check = json!({
            "name": CHECK, "issued": now, "executed": now, "output": output, "status": status,
        });
        check.as_object().cloned()
    }

    /// Asks the broker; nothing is known without a connection.
    pub(crate) async fn depths(&self) -> Depths {
        if !self.is_connected() {
            return Depths::default();
        }
        let (question, answer) = oneshot::channel();
        self.questions.borrow_mut().push(question);
        self.asked.notify_one();
        answer.await.unwrap_or_default()
    }

    /// Answers over `link` what is asked, for ever.
    pub(crate) async fn answer<L: Link>(&self, link: &L) -> ! {
        loop {
            self.asked.notified().await;
            let questions = self.questions.take();
            if questions.is_empty() {
                continue;
            }
            let depths = Depths {
                keepalives: link.depth(KEEPALIVES).await,
                results: link.depth(RESULTS).await,
            };
            for question in questions {
                // Whoever asked may have gone.
                question.send(depths).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;
    use venus_event::CheckResult;

    fn said(health: &Health, dropped: Dropped, outbox: &Outbox) -> Option<String> {
        let check = health.judge(dropped, outbox)?;
        assert_eq!(check["name"], "agent_health");
        Some(format!("{} {}", check["status"], check["output"].as_str()?))
    }

    #[tokio::test(start_paused = true)]
    async fn lateness_is_said_once_and_so_is_its_end() {
        let (health, outbox) = (Health::default(), Outbox::default());
        let none = Dropped::default();
        let made = clock::epoch_seconds() - 90;
        let check = json!({"name": "a", "output": "", "status": 0});
        let result = CheckResult {
            client: "one".to_owned(),
            check: check.as_object().unwrap().clone(),
            signature: None,
        };
        outbox.push(result, made);
        let late = said(&health, none, &outbox).unwrap();
        assert!(late.starts_with("1 AgentHealth WARNING: results are up to 9"));
        assert_eq!(said(&health, none, &outbox), None, "it is known");

        let batch = outbox.batch(1).await;
        outbox.confirm(&batch, &[]);
        assert_eq!(said(&health, none, &outbox), None, "it may begin again");
        advance(WELL).await;
        let well = said(&health, none, &outbox).unwrap();
        assert_eq!(well, "0 AgentHealth OK: no results wait\n");
        assert_eq!(said(&health, none, &outbox), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_said_each_time() {
        let (health, outbox) = (Health::default(), Outbox::default());
        let dropped = Dropped {
            metrics: 2,
            ok: 0,
            states: 1,
        };
        for missed in [4, 5] {
            health.set_punctuality(Punctuality {
                missed,
                ..Punctuality::default()
            });
            let lost = said(&health, dropped, &outbox).unwrap();
            assert!(lost.contains("3 results were dropped"), "{lost}");
            let more = if missed == 4 { 4 } else { 1 };
            let left_out = format!("; {more} runs of checks were left out");
            assert!(lost.contains(&left_out), "{lost}");
        }
    }
}
