//! How far this node's clock is from the broker's: keepalives are judged by the time in them.

use crate::clock::{self, Offset};
use crate::health::Health;
use crate::log::Log;
use crate::transport::Link;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// When the broker is asked for the first time.
const FIRST: Duration = Duration::from_secs(30);
/// How often it is asked.
const AGAIN: Duration = Duration::from_hours(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Compares the clocks again and again, for ever, and says when they no longer agree. Both waits
/// are up to half as long again, as a fleet asks one broker; a new connection does not ask sooner.
pub(crate) async fn watch<L: Link>(link: &L, health: &Health, log: &Log) -> ! {
    loop {
        let due = match health.clock_due.get() {
            Some(due) => due,
            None => Instant::now() + spread(FIRST),
        };
        health.clock_due.set(Some(due));
        sleep_until(due).await;
        health.clock_due.set(Some(Instant::now() + spread(AGAIN)));
        let before = clock::since_epoch();
        // One that does not tell is asked again.
        let Ok(Some(told)) = timeout(PATIENCE, link.clock()).await else {
            continue;
        };
        let offset = Offset::between(before, told, clock::since_epoch());
        let known = health.clock_offset.replace(Some(offset));
        let was_skewed = known.is_some_and(Offset::is_skewed);
        if offset.is_skewed() && known != Some(offset) {
            let data = json!({
                "offset": format!("{offset} the broker's"),
                "advice": "keepalives are judged by their time: set up NTP",
            });
            log.warn("this node's clock and the broker's do not agree", data);
        } else if was_skewed && !offset.is_skewed() {
            log.warn("this node's clock and the broker's agree again", json!({}));
        }
    }
}

fn spread(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + 0.5 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;
    use crate::transport::{Depth, TransportError};
    use std::cell::Cell;
    use std::rc::Rc;
    use venus_event::CheckResult;

    /// A broker whose clock is set by the test: that of a real one cannot be.
    #[derive(Default)]
    struct Broker {
        ahead: Cell<u64>,
        asked: Cell<u32>,
    }

    impl Link for Broker {
        async fn keepalive(&self, _: &[u8]) -> Result<(), TransportError> {
            Ok(())
        }
        async fn results(&self, _: &[Rc<CheckResult>]) -> Result<Vec<usize>, TransportError> {
            Ok(Vec::new())
        }
        fn blocked(&self) -> Option<&'static str> {
            None
        }
        async fn depth(&self, _: &str) -> Option<Depth> {
            None
        }
        async fn clock(&self) -> Option<Duration> {
            self.asked.set(self.asked.get() + 1);
            Some(clock::since_epoch() + Duration::from_secs(self.ahead.get()))
        }
        async fn close(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn clocks_that_disagree_are_said_once_and_so_is_their_agreement() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = Log::file(Level::Warn, &path).unwrap();
        let (broker, health) = (Broker::default(), Health::default());
        let hours = |count: u32| timeout(count * AGAIN * 3 / 2, watch(&broker, &health, &log));
        broker.ahead.set(300);
        hours(3).await.unwrap_err();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(" s behind the broker's"), "{text}");
        assert!(broker.asked.get() >= 3);

        // Over another connection.
        broker.ahead.set(0);
        hours(2).await.unwrap_err();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.lines().last().unwrap().contains("agree again"),
            "{text}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_does_not_ask_again() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::file(Level::Warn, &dir.path().join("log")).unwrap();
        let (broker, health) = (Broker::default(), Health::default());
        for _ in 0..10 {
            let connection = watch(&broker, &health, &log);
            timeout(2 * FIRST, connection).await.unwrap_err();
        }
        assert_eq!(broker.asked.get(), 1);
    }
}
