//! What the agent can say of its own connection to whoever asks on this node.

use crate::transport::{Depth, KEEPALIVES, Link, RESULTS};
use std::cell::{Cell, RefCell};
use tokio::sync::{Notify, oneshot};

/// Whether there is a connection, and a way to ask it something.
#[derive(Debug, Default)]
pub(crate) struct Health {
    connected: Cell<bool>,
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
        self.questions.borrow_mut().clear();
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
