//! `check-entropy`: whether the kernel has randomness at hand.
//!
//! Reads `PROC/sys/kernel/random/entropy_avail`; always 256 bits since Linux 5.18.

use clap::ArgMatches;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::kernel::{self, ENTROPY};
use crate::status::{Limits, Outcome, Perfdata, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-entropy",
    title: "CheckEntropy",
    about: "Whether the kernel has randomness at hand",
    example: "-w 128 -c 64",
    arguments: || {
        limits::arguments(
            "Bits that are worth a warning, or fewer [default: 128]",
            "Bits that are critical, or fewer [default: 64]",
        )
        .into()
    },
    looks_at: |_, context| vec![context.roots.proc.join(ENTROPY).display().to_string()],
    run,
};

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    let limits = limits::given(matches, Limits::at_most, [Some(128.0), Some(64.0)])?;
    let bits = kernel::entropy(context)?;
    let figure = Perfdata::new("entropy", bits, Unit::None);
    Ok(Outcome {
        perfdata: vec![figure.thresholds(limits.thresholds()).min(0)],
        ..Outcome::new(
            limits.judge(bits),
            format!(
                "{bits} bits of entropy at hand{}",
                limits::reached(&limits, limits.judge(bits))
            ),
        )
    })
}
