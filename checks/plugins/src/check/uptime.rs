//! `check-uptime`: how long ago the host was booted.
//!
//! Reads `PROC/uptime`.

use clap::ArgMatches;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::kernel;
use crate::status::{Limits, Outcome, Perfdata, Unit, duration};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-uptime",
    title: "CheckUptime",
    about: "Whether the host has been up for a while",
    example: "-w 600",
    arguments: || {
        limits::arguments(
            "How long ago this host was booted, in seconds that are worth a warning, or fewer [default: 300]",
            "How long ago this host was booted, in seconds that are critical, or fewer [default: none]",
        )
        .into()
    },
    looks_at: |_, context| vec![context.roots.proc.join("uptime").display().to_string()],
    run,
};

/// Up for less than this, in seconds, is just booted.
const JUST_BOOTED: f64 = 300.0;

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_most, [Some(JUST_BOOTED), None])?;
    let seconds = kernel::uptime(context)?;
    let figure = Perfdata::new("uptime", seconds, Unit::Seconds);
    Ok(Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(
            limits.judge(seconds),
            format!(
                "up for {}{}",
                duration(seconds),
                limits::reached_in(&limits, limits.judge(seconds), " s")
            ),
        )
    })
}
