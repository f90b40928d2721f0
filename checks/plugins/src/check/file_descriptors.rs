//! `check-file-descriptors`: how many files are open on the host, of as many as can be.
//!
//! Reads `PROC/sys/fs/file-nr`.

use clap::ArgMatches;
use venus_collectors::source::text;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::status::{Limits, Outcome};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-file-descriptors",
    title: "CheckFileDescriptors",
    about: "Whether the host has file descriptors left",
    example: "-w 80 -c 90",
    arguments: || {
        limits::arguments(
            "Percent used that are worth a warning [default: 80]",
            "Percent used that are critical [default: 90]",
        )
        .into()
    },
    looks_at: |_, context| {
        vec![
            context
                .roots
                .proc
                .join("sys/fs/file-nr")
                .display()
                .to_string(),
        ]
    },
    run,
};

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(80.0), Some(90.0)])?;
    let path = context.roots.proc.join("sys/fs/file-nr");
    let what = "it is not three numbers, the second no more than the first, the last above 0";
    let malformed = || Failure::malformed(&path, what);
    let bytes = context.read(&path)?;
    let line = text::only_line(&bytes).map_err(|error| Failure::malformed(&path, error))?;
    let numbers: Option<Vec<u64>> = text::fields(line).map(text::decimal).collect();
    // Allocated, of these not used (0 since Linux 2.6), and the most there can be.
    let [allocated, unused, most] = numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(malformed)?;
    if most == 0 {
        return Err(malformed());
    }
    let used = u64::checked_sub(allocated, unused).ok_or_else(malformed)?;
    Ok(limits::share(&limits, used, most, "file descriptors"))
}
