//! The numbers that Redis has of itself.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::redis::{self, Failed};

/// See `docs/metrics/metrics-redis.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-redis",
    about: "What Redis counts: memory, clients, commands, replication, keys",
    scheme_suffix: "redis",
    example: "--server 127.0.0.1:6379",
    arguments: redis::arguments,
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let (_, seen) = redis::look(matches, context).map_err(|failed| match failed {
        Failed::Ours(failure) => failure,
        Failed::Its(error) => error.into(),
    })?;
    for (path, number) in seen.info?.numbers() {
        figures.add(&path, number);
    }
    Ok(())
}
