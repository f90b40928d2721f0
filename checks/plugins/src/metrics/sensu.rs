//! What waits for a Sensu server, and who takes it.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::http::{self, Http};
use crate::service::sensu;

/// See `docs/metrics/metrics-sensu.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-sensu",
    about: "Sensu's queues and connections, from its API",
    scheme_suffix: "sensu",
    example: "--url http://127.0.0.1:4567",
    arguments: || http::arguments("http://127.0.0.1:4567").into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let info = sensu::info(&Http::of(matches, context)?, context)?;
    figures.add(
        &["transport", "connected"],
        u8::from(info.transport.connected),
    );
    for (name, queue) in info.transport.queues() {
        if let Some(messages) = queue.messages {
            figures.add(&["transport", name, "messages"], messages);
        }
        if let Some(consumers) = queue.consumers {
            figures.add(&["transport", name, "consumers"], consumers);
        }
    }
    figures.add(&["redis", "connected"], u8::from(info.redis.connected));
    Ok(())
}
