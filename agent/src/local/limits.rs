//! What local sockets may cost the rest of the agent.

use crate::outbox::Outbox;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use venus_event::CheckResult;

/// For how many seconds a socket may save up what it does not take.
const SAVED: f64 = 20.0;

/// So many results a second.
pub(super) struct Rate {
    per_second: f64,
    /// Below zero what was taken too much is owed.
    left: Cell<f64>,
    at: Cell<Instant>,
}

impl Rate {
    pub(super) fn new(rate: u32) -> Self {
        let rate = f64::from(rate);
        Self {
            per_second: rate,
            left: Cell::new(SAVED * rate),
            at: Cell::new(Instant::now()),
        }
    }

    /// Takes so many, all of them if one is left; or says how long none is.
    pub(super) fn take(&self, results: usize) -> Result<(), Duration> {
        let now = Instant::now();
        let since = (now - self.at.replace(now)).as_secs_f64();
        let left = (self.left.get() + since * self.per_second).min(SAVED * self.per_second);
        self.left.set(left);
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / self.per_second));
        }
        #[expect(clippy::cast_precision_loss, reason = "a message is small")]
        self.left.set(left - results as f64);
        Ok(())
    }

    /// Takes so many, when it is their turn.
    pub(super) async fn wait_for(&self, results: usize) {
        while let Err(wait) = self.take(results) {
            sleep(wait).await;
        }
    }
}

/// Why a result is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There may be room in a moment.
    Memory,
    Spool,
}

/// How much of what waits on the disk is from whoever this is the share of: the rest is for the
/// node's own checks.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Bytes since there was nothing.
    taken: Cell<u64>,
}

impl Share {
    /// Whether a result of so many bytes may go to the outbox, which may have `most` bytes on the
    /// disk. Half of that, and of the memory, is not for it.
    pub(super) fn admit(
        &self,
        outbox: &Outbox,
        result: &CheckResult,
        bytes: usize,
        most: u64,
    ) -> Result<(), Full> {
        if !outbox.leaves_half(result) {
            return Err(Full::Memory);
        }
        if !outbox.would_wait(result) {
            if outbox.on_disk().results == 0 {
                self.taken.set(0);
            }
            return Ok(());
        }
        let taken = self.taken.get() + u64::try_from(bytes).unwrap_or(u64::MAX);
        if taken > most / 2 {
            return Err(Full::Spool);
        }
        self.taken.set(taken);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn a_socket_saves_up_for_a_burst_and_owes_what_it_takes_too_much() {
        let rate = Rate::new(10);
        assert_eq!(rate.take(199), Ok(()));
        // One is left, and with it a large message.
        assert_eq!(rate.take(101), Ok(()));
        let wait = rate.take(1).unwrap_err();
        assert!((10.0..10.2).contains(&wait.as_secs_f64()), "{wait:?}");
        let begun = Instant::now();
        rate.wait_for(1).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
        sleep(Duration::from_hours(1)).await;
        let burst = (0..1000).take_while(|_| rate.take(1).is_ok());
        assert_eq!(burst.count(), 200);
    }
}
