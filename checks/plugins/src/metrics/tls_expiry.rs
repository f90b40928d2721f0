//! How many days certificates are still valid.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::expiry::{self, Place};

/// See `docs/metrics/metrics-tls-expiry.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-tls-expiry",
    about: "Days that certificates of a server or in a file are still valid",
    scheme_suffix: "tls",
    example: "--server 127.0.0.1:443",
    arguments: || expiry::arguments().into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let chain = match expiry::place(matches) {
        Place::File(_) => expiry::read(matches, context)?,
        // Whether it is trusted is for the check to say: days are days.
        Place::Server(server) => expiry::ask(&server, matches, context)??.chain,
    };
    let days = chain.iter().map(|one| one.days_left(context.now));
    let days: Vec<i64> = days.collect();
    if let (Some(own), Some(least)) = (days.first(), days.iter().min()) {
        figures.add(&["days_left"], *own);
        figures.add(&["chain_days_left"], *least);
    }
    Ok(())
}
