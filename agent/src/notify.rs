//! What systemd is told (`sd_notify(3)`): that the agent is ready, works on, reads its settings
//! again, or stops. Elsewhere nobody is told.

use sd_notify::NotifyState;
use std::cell::Cell;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// By which it is found; not for those whom the agent starts.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The agent is ready.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The settings are read again, until it is [`ready`].
pub(crate) fn reloading() {
    // Without the time systemd would take it for a failure.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The agent stops.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Who starts the agent anew when nothing is heard of it.
#[derive(Debug)]
pub(crate) struct Watchdog {
    /// How often it is to hear that the agent works on: twice as often as it would wait
    /// (`WATCHDOG_USEC`).
    every: Option<Duration>,
    due: Cell<Instant>,
}

impl Watchdog {
    /// As the environment names it.
    pub(crate) fn find() -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|patience| patience / 2),
            due: Cell::new(Instant::now()),
        }
    }

    /// Waits until it is to hear that the agent works on. Safe to cancel.
    pub(crate) async fn wants_to_hear(&self) {
        match self.every {
            Some(_) => sleep_until(self.due.get()).await,
            None => pending().await,
        }
    }

    /// Tells it that whoever calls this works on, where that is due.
    pub(crate) fn works_on(&self) {
        let now = Instant::now();
        if let Some(every) = self.every
            && self.due.get() <= now
        {
            tell(&[NotifyState::Watchdog]);
            self.due.set(now + every);
        }
    }
}

/// A manager that does not listen misses it, and will say so itself.
fn tell(what: &[NotifyState<'_>]) {
    sd_notify::notify(what).unwrap_or_default();
}
