//! How right this host's clock is, by the kernel and by NTP servers.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::ntp;
use crate::source::adjtimex;

/// See `docs/metrics/metrics-clock.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-clock",
    about: "How right the clock is, by the kernel and by NTP servers",
    scheme_suffix: "clock",
    example: "",
    arguments: || vec![ntp::argument()],
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let clock = adjtimex::read()?;
    figures.add(&["synchronised"], u8::from(clock.is_synchronised));
    for (name, value) in [
        ("offset", clock.offset),
        ("max_error", clock.most_error),
        ("est_error", clock.likely_error),
        ("frequency", clock.frequency),
    ] {
        figures.add(&[name], value);
    }
    for (server, answer) in ntp::ask_all(matches, context) {
        let server = server.to_string();
        match answer {
            Ok(answer) => {
                figures.add(&["ntp", &server, "offset"], answer.offset);
                figures.add(&["ntp", &server, "delay"], answer.delay);
                figures.add(&["ntp", &server, "stratum"], answer.stratum);
            }
            Err(error) => figures.problem(error.to_string()),
        }
    }
    Ok(())
}
