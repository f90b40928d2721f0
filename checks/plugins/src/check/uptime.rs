//! `check-uptime`: how long ago the host was booted.
//!
//! Reads `PROC/uptime`.

use std::time::Duration;

use clap::ArgMatches;
use venus_collectors::source::process::uptime;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome, Perfdata, Unit};

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
    let seconds = uptime(&context.read(&path)?)
        .map_err(|error| Failure::malformed(&path, error))?
        .trunc();
    let figure = Perfdata::new("uptime", seconds, Unit::Seconds);
    Ok(Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(limits.judge(seconds), format!("up for {}", words(seconds)))
    })
}

/// `4 d 1 h 25 min`
fn words(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds)
        .unwrap_or_default()
        .as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (_, _, _) => format!("{days} d {hours} h {minutes} min"),
    }
}
