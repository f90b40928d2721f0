//! Keeps a connection: connects, serves it, says once when it is lost and once
//! when it is back, and never gives up.

use crate::check::Runner;
use crate::clock;
use crate::drift;
use crate::health::Health;
use crate::keepalive;
use crate::log::Log;
use crate::outbox::{Batch, Outbox};
use crate::settings::Current;
use crate::transport::{Link, RESULTS, Requests, Transport, TransportError};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// How long an attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How long sending may take before the connection counts as dead.
const SEND: Duration = Duration::from_secs(20);
/// Who waits for longer for the first word about results counts as slow: they do not wait in memory
/// alone any more.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before trying again whether a server wants results.
const UNWANTED: Duration = Duration::from_secs(2);
/// A connection that holds for this long is well.
const STEADY: Duration = Duration::from_secs(10);
/// After this many in a row that did not hold the waits between attempts no
/// longer start anew, and one is called back only when it has held.
const FLAPPING: u32 = 2;
/// How long saying goodbye may take.
const CLOSE: Duration = Duration::from_secs(2);
/// Sensu waits 2 s longer each time, up to 20 s. We stop at 8 s, so that a
/// node is back within 10 s of its broker.
const WAIT_STEP: Duration = Duration::from_secs(2);
const WAIT_MOST: Duration = Duration::from_secs(8);
/// How many results are sent at a time.
const BATCH: usize = 64;

/// What a connection serves.
pub(crate) struct Served {
    pub(crate) settings: Rc<Current>,
    pub(crate) log: Log,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) runner: Rc<Runner>,
    pub(crate) health: Rc<Health>,
    /// The agent wants no more requests.
    pub(crate) unsubscribing: Wish,
    /// The agent wants to close the connection.
    pub(crate) closing: Wish,
}

/// A wish that stays until it is seen.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    uttered: Cell<bool>,
    notify: Notify,
}

impl Wish {
    pub(crate) fn utter(&self) {
        self.uttered.set(true);
        self.notify.notify_waiters();
    }

    async fn uttered(&self) {
        while !self.uttered.get() {
            self.notify.notified().await;
        }
    }
}

/// Connects again and again until it is asked to close. While it fails, each
/// reason is said once.
///
/// Returns an error only where another attempt cannot help.
pub(crate) async fn keep_connected<T: Transport>(
    mut transport: T,
    served: &Served,
) -> Result<(), TransportError> {
    let log = &served.log;
    let said = RefCell::new(HashSet::new());
    let mut attempts: u32 = 0;
    // How many connections in a row did not hold.
    let mut short_lived: u32 = 0;
    loop {
        let settings = served.settings.get();
        let subscriptions = if served.unsubscribing.uttered.get() {
            &[]
        } else {
            settings.client.subscriptions.as_slice()
        };
        let connected = tokio::select! {
            connected = timeout(CONNECT, transport.connect(subscriptions)) => connected,
            () = served.closing.uttered() => return Ok(()),
            never = stall_after(PATIENCE, &served.outbox) => never,
        };
        let error = match connected {
            Ok(Ok((link, mut requests))) => {
                let say = || {
                    said.borrow_mut().clear();
                    log.warn("reconnected", json!({ "waiting": served.outbox.waiting() }));
                };
                let flapping = short_lived >= FLAPPING;
                if attempts > 0 && !flapping {
                    say();
                }
                let began = Instant::now();
                served.health.set_connected(true);
                served.outbox.resume();
                let ended = tokio::select! {
                    ended = serve(&link, &mut requests, served) => ended,
                    () = when_steady(flapping, say) => None,
                };
                served.health.set_connected(false);
                served.outbox.give_back();
                let Some(error) = ended else {
                    return Ok(());
                };
                served.outbox.stall();
                short_lived = if began.elapsed() < STEADY {
                    short_lived.saturating_add(1)
                } else {
                    0
                };
                if short_lived < FLAPPING {
                    attempts = 0;
                }
                if matches!(error, TransportError::Output(_)) {
                    return Err(error);
                }
                // The other half may still be well: half a connection is none.
                drop(timeout(CLOSE, link.close()).await);
                error.to_string()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {} s", CONNECT.as_secs()),
        };
        if said.borrow_mut().insert(error.clone()) {
            let data = json!({ "error": error, "results": "are kept until it is back" });
            log.warn("not connected, trying again", data);
        }
        attempts = attempts.saturating_add(1);
        served.outbox.stall();
        tokio::select! {
            () = sleep(pause(attempts)) => {}
            () = served.closing.uttered() => return Ok(()),
        }
    }
}

/// Takes note that nothing is delivered, if that lasts.
async fn stall_after<T>(time: Duration, outbox: &Outbox) -> T {
    sleep(time).await;
    outbox.stall();
    pending().await
}

/// Says when a connection has held, where those before it did not.
async fn when_steady(flapping: bool, say: impl FnOnce()) {
    if flapping {
        sleep(STEADY).await;
        say();
    }
    pending::<()>().await;
}

/// The wait before the next attempt; shortened by up to a quarter at random, so
/// that a fleet does not come back in one instant.
fn pause(attempts: u32) -> Duration {
    let most = WAIT_MOST.min(WAIT_STEP * attempts);
    most.mul_f64(1.0 - 0.25 * fastrand::f64())
}

/// Serves a connection until it fails, or until it was asked to close and is
/// closed: then there is no error.
async fn serve<L: Link, R: Requests>(
    link: &L,
    requests: &mut R,
    served: &Served,
) -> Option<TransportError> {
    let server_back = Notify::new();
    let failed = tokio::select! {
        failed = send_keepalives(link, served, &server_back) => failed,
        failed = send_results(link, served, &server_back) => failed,
        failed = take_requests(requests, served) => failed,
        never = served.health.answer(link) => never,
        never = drift::watch(link, &served.health, &served.log) => never,
        () = served.closing.uttered() => {
            link.close().await;
            return None;
        }
    };
    Some(failed)
}

/// One at once, and then each interval; and one when a server is back, which has missed those that
/// went nowhere while it had no queue for them.
async fn send_keepalives<L: Link>(
    link: &L,
    served: &Served,
    server_back: &Notify,
) -> TransportError {
    loop {
        let settings = served.settings.get();
        let client = &settings.client;
        if client.keepalives {
            let described = keepalive::describe(client, clock::epoch_seconds());
            let payload = Value::Object(described).to_string();
            let mut sending = pin!(link.keepalive(payload.as_bytes()));
            loop {
                match timeout(SEND, &mut sending).await {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => return error,
                    // It is there, and will take it.
                    Err(_) if link.blocked().is_some() => {}
                    Err(_) => return TransportError::Silent(SEND),
                }
            }
        }
        drop(timeout(keepalive::INTERVAL, server_back.notified()).await);
    }
}

async fn send_results<L: Link>(link: &L, served: &Served, server_back: &Notify) -> TransportError {
    let outbox = &served.outbox;
    let mut is_unwanted = false;
    loop {
        // As long as nobody wants results, one tries whether that has changed.
        let limit = if is_unwanted { 1 } else { BATCH };
        let batch = outbox.batch(limit).await;
        let returned = match deliver(link, served, &batch).await {
            Ok(returned) => returned,
            Err(error) => return error,
        };
        outbox.confirm(&batch, &returned);
        if returned.is_empty() && is_unwanted {
            served.log.warn("a server takes results again", Value::Null);
            server_back.notify_one();
        } else if !returned.is_empty() && !is_unwanted {
            let data = json!({ "queue": RESULTS, "results": "are kept until one has" });
            let what = "no Sensu server has a queue for results";
            served.log.warn(what, data);
        }
        is_unwanted = !returned.is_empty();
        if is_unwanted {
            outbox.stall();
            sleep(UNWANTED).await;
            continue;
        }
        let dropped = outbox.take_dropped();
        if dropped.all() > 0 {
            let data = json!({ "dropped": dropped });
            served
                .log
                .warn("results were dropped while they could not be sent", data);
        }
        if let Some(health) = served.health.judge(dropped, outbox) {
            served.runner.publish(health);
        }
    }
}

/// Sends a batch and waits for what comes of it, for as long as the other side takes something, or
/// says that it cannot for now. Meanwhile others do not wait in memory.
async fn deliver<L: Link>(
    link: &L,
    served: &Served,
    batch: &Batch,
) -> Result<Vec<usize>, TransportError> {
    let mut delivery = pin!(link.results(&batch.results));
    let mut said = false;
    let mut silent = Duration::ZERO;
    while silent < SEND {
        if let Ok(delivered) = timeout(PATIENCE, &mut delivery).await {
            return delivered;
        }
        served.outbox.stall();
        silent += PATIENCE;
        let Some(why) = link.blocked() else {
            continue;
        };
        silent = Duration::ZERO;
        if !said {
            let data = json!({ "reason": why, "results": "are kept until it does" });
            served.log.warn("the broker takes nothing for now", data);
            said = true;
        }
    }
    Err(TransportError::Silent(SEND))
}

async fn take_requests<R: Requests>(requests: &mut R, served: &Served) -> TransportError {
    let mut subscribed = true;
    loop {
        tokio::select! {
            request = requests.next() => match request {
                Ok(payload) => served.runner.run_request(&payload),
                Err(error) => return error,
            },
            () = served.unsubscribing.uttered(), if subscribed => {
                requests.unsubscribe();
                subscribed = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of the 10 s within which a node is back is for the connection itself.
    #[test]
    fn the_longest_wait_for_the_next_attempt_leaves_2_of_10_seconds() {
        for attempts in 1..100 {
            let wait = pause(attempts);
            assert!(wait <= Duration::from_secs(8), "{wait:?}");
            assert!(wait >= Duration::from_millis(1500), "{wait:?}");
        }
        let waits: Vec<Duration> = (0..100).map(|_| pause(9)).collect();
        assert!(
            waits.iter().min() < waits.iter().max(),
            "a fleet would come at once"
        );
    }
}
