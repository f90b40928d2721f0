//! Single numbers that the kernel tells of the host.

use std::time::Duration;

use venus_collectors::source::{process, text};

use crate::context::{Context, Failure};

/// How long ago this host was booted, in seconds. `PROC/uptime`.
pub(crate) fn uptime(context: &Context) -> Result<u64, Failure> {
    let path = context.roots.proc.join("uptime");
    let seconds =
        process::uptime(&context.read(&path)?).map_err(|error| Failure::malformed(&path, error))?;
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Failure::malformed(&path, "nothing is up for so long"))?;
    Ok(time.as_secs())
}

/// How much is used of how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) used: u64,
    pub(crate) all: u64,
}

/// Below procfs.
pub(crate) const FILES: &str = "sys/fs/file-nr";

/// File descriptors, of at least 1. `PROC/sys/fs/file-nr`.
pub(crate) fn file_descriptors(context: &Context) -> Result<Share, Failure> {
    let path = context.roots.proc.join(FILES);
    let what = "it is not three numbers, the second no more than the first, the last above 0";
    let malformed = || Failure::malformed(&path, what);
    let bytes = context.read(&path)?;
    let line = text::only_line(&bytes).map_err(|error| Failure::malformed(&path, error))?;
    let numbers: Option<Vec<u64>> = text::fields(line).map(text::decimal).collect();
    // Allocated, of these not used (0 since Linux 2.6), and the most there can be.
    let [allocated, unused, all] = numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(malformed)?;
    let used = u64::checked_sub(allocated, unused).ok_or_else(malformed)?;
    if all == 0 {
        return Err(malformed());
    }
    Ok(Share { used, all })
}

/// Below procfs.
pub(crate) const ENTROPY: &str = "sys/kernel/random/entropy_avail";

/// Bits of randomness at hand. `PROC/sys/kernel/random/entropy_avail`.
pub(crate) fn entropy(context: &Context) -> Result<u64, Failure> {
    context.number(&context.roots.proc.join(ENTROPY))
}

/// Huge pages of the default size. `HugePages_` of `PROC/meminfo`.
pub(crate) fn hugepages(context: &Context) -> Result<Share, Failure> {
    let path = context.roots.proc.join("meminfo");
    let bytes = context.read(&path)?;
    let field = |name: &'static str| {
        let lines = text::lines(&bytes).filter_map(Result::ok);
        let mut columns = lines.map(|(_, line)| text::fields(line));
        columns
            .find_map(|mut columns| {
                let is_it = columns.next()? == name.as_bytes();
                is_it.then(|| columns.next().and_then(text::decimal))?
            })
            .ok_or_else(|| Failure::malformed(&path, format!("it has no {name}")))
    };
    let (all, free) = (field("HugePages_Total:")?, field("HugePages_Free:")?);
    let used = all
        .checked_sub(free)
        .ok_or_else(|| Failure::malformed(&path, "more huge pages are free than there are"))?;
    Ok(Share { used, all })
}
