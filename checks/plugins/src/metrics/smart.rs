//! What disks say of themselves, by smartctl.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::source::smartctl;

/// See `docs/metrics/metrics-smart.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-smart",
    about: "Health, lost sectors, wear and temperature of disks, by smartctl",
    scheme_suffix: "smart",
    example: "",
    arguments: || smartctl::arguments().into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let disks = smartctl::disks(matches, context)?;
    if disks.is_empty() {
        figures.problem("smartctl finds no disk that it could ask");
    }
    for disk in &disks {
        let name = disk.to_string();
        let report = match smartctl::report(disk, matches, context) {
            Ok(report) => report,
            Err(failure) => {
                figures.problem(format!("{name}: {failure}"));
                continue;
            }
        };
        if let Some(why) = report.silence() {
            figures.problem(format!("{name}: {why}"));
            continue;
        }
        figures.add(&[&name, "healthy"], u8::from(!report.is_failing()));
        for (what, count) in report.defects() {
            figures.add(&[&name, &what.replace(' ', "_")], count);
        }
        for (what, value) in [("wear", report.wear()), ("spare", report.spare())] {
            if let Some(value) = value {
                figures.add(&[&name, what], value);
            }
        }
        if let Some(degrees) = report.temperature() {
            figures.add(&[&name, "temperature"], degrees);
        }
    }
    Ok(())
}
