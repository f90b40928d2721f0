//! What all brokers have in common: a name, an address, a clock.

use super::report::Report;
use crate::clock::Offset;
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long anything at a broker may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the host has an address, and something listens at one of them.
pub(super) async fn reach(host: &str, port: u16, area: &str, report: &mut Report) -> bool {
    let asked = timeout(PATIENCE, lookup_host((host, port))).await;
    let found = asked.unwrap_or_else(|_| Err(io::Error::other("no answer")));
    let found = match found {
        Ok(found) => found.collect::<Vec<_>>(),
        Err(error) => {
            let advice = "see host in the settings, and the name service of this node";
            report.fail(
                area,
                format!("name: {host} is not found ({error}): {advice}"),
            );
            return false;
        }
    };
    let list = found.iter().map(|address| address.ip().to_string());
    let list = list.collect::<Vec<_>>().join(", ");
    report.ok(area, format!("name: {host} is {list}"));
    let mut reached = false;
    let mut unreached = Vec::new();
    for address in found {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                report.ok(area, format!("address: {address} is reached"));
                reached = true;
            }
            Ok(Err(error)) => unreached.push(format!("{address}: {error}")),
            Err(_) => unreached.push(format!("{address}: no answer, is a firewall between?")),
        }
    }
    for what in unreached {
        if reached {
            report.warn(area, format!("address: {what}"));
        } else {
            let advice = "is the broker running and listening there?";
            report.fail(area, format!("address: {what}; {advice}"));
        }
    }
    reached
}

/// Compares this node's clock with the broker's, which tells whole seconds:
/// `broker` was read between `before` and `after` (since the epoch).
pub(super) fn compare_clocks(
    before: Duration,
    broker: Duration,
    after: Duration,
    area: &str,
    report: &mut Report,
) {
    let offset = Offset::between(before, broker, after);
    let what = format!("clock: {offset} the broker's");
    let advice = "keepalives are judged by their time: set up NTP";
    if offset.looks_dead() {
        report.fail(area, format!("{what}; {advice}"));
    } else if offset.is_skewed() {
        report.warn(area, format!("{what}; {advice}"));
    } else {
        report.ok(area, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_when_keepalives_look_old() {
        for (broker, healthy, says) in [
            (1000.0, true, "ok    clock: the same as the broker's"),
            (999.0, true, "ok    clock: the same as the broker's"),
            (1003.0, true, "ok    clock: 2 s behind the broker's"),
            (990.0, true, "WARN  clock: 9 s ahead of the broker's"),
            (1020.0, true, "WARN  clock: 19 s behind the broker's"),
            (
                1200.0,
                false,
                "FAIL  clock: 199 s behind the broker's; keepalives",
            ),
            (
                700.0,
                false,
                "FAIL  clock: 299 s ahead of the broker's; keepalives",
            ),
        ] {
            let mut report = Report::default();
            let [before, broker, after] = [1000.2, broker, 1000.4].map(Duration::from_secs_f64);
            compare_clocks(before, broker, after, "broker", &mut report);
            assert_eq!(report.is_healthy(), healthy);
            let text = report.to_text();
            assert!(text.contains(says), "{says} in {text}");
        }
    }
}
