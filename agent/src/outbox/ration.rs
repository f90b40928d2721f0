//! How fast what has waited is sent again.

use std::time::Duration;
use tokio::time::Instant;

/// So many a second, where nothing else was set.
pub(super) const RATE: u32 = 20;
/// How much of a second's ration is saved up while nothing is sent.
const SAVED: f64 = 1.0;
/// Batches a second, at most, where the ration is short.
const BATCHES: f64 = 4.0;

/// So many results a second, in a few batches.
#[derive(Debug)]
pub(super) struct Ration {
    rate: f64,
    left: f64,
    at: Option<Instant>,
}

impl Default for Ration {
    fn default() -> Self {
        Self {
            rate: RATE.into(),
            left: 0.0,
            at: None,
        }
    }
}

impl Ration {
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate.into();
    }

    /// How many of these may be sent now, or how long to wait before asking again.
    pub(super) fn ready(&mut self, wanted: usize) -> Result<usize, Duration> {
        let now = Instant::now();
        let since = self.at.map_or(1.0, |at| (now - at).as_secs_f64());
        self.at = Some(now);
        self.left = (self.left + since * self.rate)
            .min(SAVED * self.rate)
            .max(-self.rate);
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let worth_it = (wanted as f64).min((self.rate / BATCHES).max(1.0));
        if self.left < worth_it {
            let wait = (worth_it - self.left) / self.rate;
            return Err(Duration::from_secs_f64(wait.max(0.01)));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1, and no more than the rate"
        )]
        let allowed = self.left as usize;
        Ok(allowed.min(wanted))
    }

    /// So many were sent.
    pub(super) fn take(&mut self, sent: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let sent = sent as f64;
        self.left -= sent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_is_sent_and_no_less() {
        let mut ration = Ration::default();
        ration.set_rate(100);
        let start = Instant::now();
        let (mut sent, mut batches) = (0, 0);
        while sent < 1000 {
            match ration.ready(64) {
                Ok(count) => {
                    ration.take(count);
                    sent += count;
                    batches += 1;
                }
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        // The first second's ration is there at once.
        assert!((8.5..10.5).contains(&seconds), "{seconds}");
        assert!(batches <= 44, "{batches}");
    }
}
