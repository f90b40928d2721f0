//! How many members the arrays of Linux software RAID have, and how many work.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::source::mdstat;

/// See `docs/metrics/metrics-mdraid.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-mdraid",
    about: "Members of each software RAID array: there to be, working, failed",
    scheme_suffix: "mdraid",
    example: "",
    arguments: Vec::new,
    run,
};

fn run(_: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let path = context.roots.proc.join("mdstat");
    // It comes with the driver.
    if !path.exists() {
        return Ok(());
    }
    let bytes = context.read(&path)?;
    let text = String::from_utf8_lossy(&bytes);
    for array in mdstat::parse(&text)
        .iter()
        .filter(|array| !array.is_container)
    {
        figures.add(&[array.name, "active"], u8::from(array.is_active));
        figures.add(&[array.name, "failed"], array.failed.len());
        if let Some((wanted, working)) = array.members {
            figures.add(&[array.name, "members"], wanted);
            figures.add(&[array.name, "working"], working);
        }
    }
    Ok(())
}
