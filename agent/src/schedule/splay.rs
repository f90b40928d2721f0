//! Where in its interval a check runs.

use md5::{Digest, Md5};
use std::time::Duration;

/// How long to wait for the first run of a check, as Sensu computes it.
///
/// `key` is `CLIENT:CHECK`; `now` is the time since the epoch. The phase within
/// the interval depends on the key alone: it survives restarts, and it spreads
/// a fleet.
#[must_use]
pub fn splay(key: &str, interval: Duration, now: Duration) -> Duration {
    let digest = Md5::digest(key.as_bytes());
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(digest) {
        *to = from;
    }
    let phase = i128::from(u64::from_le_bytes(first));
    let milliseconds = |time: Duration| i128::try_from(time.as_millis()).unwrap_or(i128::MAX);
    let wait = (phase - milliseconds(now)).rem_euclid(milliseconds(interval).max(1));
    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8_the_wait_is_sensus() {
        // ruby -rdigest/md5 -e 'p (Digest::MD5.digest("venus001:cpu_metrics")
        //   .unpack("Q<").first - 1453048230123) % 10000'
        let wait = splay(
            "venus001:cpu_metrics",
            Duration::from_secs(10),
            Duration::from_millis(1_453_048_230_123),
        );
        assert_eq!(wait, Duration::from_millis(9227));
    }

    #[test]
    fn f8_the_phase_survives_restarts() {
        let interval = Duration::from_mins(1);
        let phase = |now: u64| {
            let now = Duration::from_millis(now);
            (now + splay("a:b", interval, now)).as_millis() % interval.as_millis()
        };
        assert_eq!(phase(1_453_048_230_123), phase(1_795_468_075_001));
    }

    #[test]
    fn f8_ten_thousand_checks_spread_evenly() {
        let mut per_second = [0_u32; 10];
        for check in 0..10_000 {
            let wait = splay(
                &format!("venus001:check{check}"),
                Duration::from_secs(10),
                Duration::from_secs(1_453_048_230),
            );
            per_second[usize::try_from(wait.as_secs()).unwrap()] += 1;
        }
        assert!(
            per_second.iter().all(|count| (850..1150).contains(count)),
            "{per_second:?}"
        );
    }
}
