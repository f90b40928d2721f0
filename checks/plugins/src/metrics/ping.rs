//! How fast a host answers to ICMP echo, under the names of the community's metrics-ping.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::ping;

/// See `docs/metrics/metrics-ping.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-ping",
    about: "Answers of a host to ICMP echo (ping): how many, and how fast",
    scheme_suffix: "ping",
    example: "--host 127.0.0.1",
    arguments: || ping::arguments().into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let pings = ping::ping(matches, context)?;
    figures.add(&["packets_transmitted"], pings.sent);
    figures.add(&["packets_received"], pings.times.len());
    figures.add(&["packet_loss"], pings.loss());
    figures.add(&["time"], pings.took.as_secs_f64() * 1000.0);
    let least = pings.times.iter().copied().reduce(f64::min);
    let most = pings.times.iter().copied().reduce(f64::max);
    for (name, time) in [
        ("min", least),
        ("avg", pings.average()),
        ("max", most),
        ("mdev", pings.deviation()),
    ] {
        if let Some(time) = time {
            // To the microsecond.
            figures.add(&[name], (time * 1000.0).round() / 1000.0);
        }
    }
    Ok(())
}
