//! `check-uptime`: how long ago the host was booted.
//!
//! Reads `PROC/uptime`.

use std::time::Duration;

use clap::ArgMatches;
use venus_collectors::source::process::uptime;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Unit, duration};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-uptime",
    title: "CheckUptime",
    about: "Whether the host has been up for a while",
    example: "-w 600",
    arguments: || {
        limits::arguments(
            "Seconds since boot that are worth a warning, or fewer [default: 300]",
            "Seconds since boot that are critical, or fewer [default: none]",
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
    let path = context.roots.proc.join("uptime");
    let seconds =
        uptime(&context.read(&path)?).map_err(|error| Failure::malformed(&path, error))?;
    let seconds = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::malformed(&path, "nothing is up for so long"))?
        .as_secs();
    let figure = Perfdata::new("uptime", seconds, Unit::Seconds);
    Ok(Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(
            limits.judge(seconds),
            format!("up for {}", duration(seconds)),
        )
    })
}
