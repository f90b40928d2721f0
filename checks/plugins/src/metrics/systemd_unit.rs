//! Whether units of systemd are active, and how often they were restarted.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::source::systemd;

/// See `docs/metrics/metrics-systemd-unit.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-systemd-unit",
    about: "Units of systemd: whether they are active, and how often they were restarted",
    scheme_suffix: "systemd",
    example: "--unit ssh.service",
    arguments: || {
        let units = systemd::arguments("This one; may be repeated [default: those that failed]");
        units.into()
    },
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    for unit in systemd::units(matches, context)? {
        let is_active = unit.active == "active";
        figures.add(&[&unit.name, "active"], u8::from(is_active));
        if let Some(restarts) = unit.restarts {
            figures.add(&[&unit.name, "restarts"], restarts);
        }
    }
    Ok(())
}
