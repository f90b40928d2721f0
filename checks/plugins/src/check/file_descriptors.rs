//! `check-file-descriptors`: how many files are open on the host, of as many as can be.
//!
//! Reads `PROC/sys/fs/file-nr`.

use clap::ArgMatches;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::kernel::{self, FILES, Share};
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
    looks_at: |_, context| vec![context.roots.proc.join(FILES).display().to_string()],
    run,
};

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_least, [Some(80.0), Some(90.0)])?;
    let Share { used, all } = kernel::file_descriptors(context)?;
    Ok(limits::share(&limits, used, all, "file descriptors"))
}
