//! What the agent can say of itself: of its connection and its plan to whoever asks on this node,
//! and that results were lost to the server.

use crate::clock;
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

/// Whether there is a connection, and a way to ask it something.
#[derive(Debug, Default)]
pub struct Health {
    connected: Cell<bool>,
    connections: Cell<u64>,
    punctuality: Cell<Punctuality>,
    /// When results were dropped last, until it was said that it is over.
    ill: Cell<Option<Instant>>,
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

    /// The result that tells the server that results were dropped, or that it is over.
    pub(crate) fn judge(&self, dropped: Dropped, outbox: &Outbox) -> Option<Attributes> {
        let (status, output) = if dropped.all() > 0 {
            self.ill.set(Some(Instant::now()));
            let Dropped {
                metrics,
                ok,
                states,
            } = dropped;
            let all = dropped.all();
            let what = format!(
                "{all} results were dropped, as they were too many or too old to be kept: \
                 {metrics} of metrics, {ok} that were OK, {states} others"
            );
            (1, format!("AgentHealth WARNING: {what}\n"))
        } else if outbox.waiting() == 0 && self.ill.get()?.elapsed() >= WELL {
            self.ill.set(None);
            (0, "AgentHealth OK: no results wait\n".to_owned())
        } else {
            return None;
        };
        let now = clock::epoch_seconds();
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
