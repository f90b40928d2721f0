//! `metrics-memory-percent`: memory and swap in percent.
//!
//! Source `PROC/meminfo`, kept open; see `metrics-memory`. Any Linux since 2.6; `available` since
//! 3.14. One read.

use crate::collect::proc_file::{self, Page};
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::meminfo::MemInfo;
use crate::source::text::Malformed;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-memory-percent",
    about: "Memory and swap in percent: free, available, cached",
    scheme_suffix: "memory_percent",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(proc_file::collector(setup, "meminfo", write))
}

fn write(text: &[u8], page: &mut Page<'_, '_>) -> Result<(), Malformed> {
    let memory = MemInfo::parse(text)?;
    if memory.total == 0 {
        return Err(Malformed::Missing("MemTotal above 0"));
    }
    let all = memory.total;
    let swap = memory.swap_total.max(1);
    for (metric, value, of) in [
        ("free", Some(Ok(memory.free)), all),
        ("available", memory.available.map(Ok), all),
        ("buffers", Some(Ok(memory.buffers)), all),
        ("cached", Some(Ok(memory.cached)), all),
        ("dirty", Some(Ok(memory.dirty)), all),
        // Without swap space none of it is used.
        ("swapUsed", Some(memory.swap_used()), swap),
        (
            "usedWOBuffersCaches",
            Some(memory.used_without_caches()),
            all,
        ),
        (
            "freeWOBuffersCaches",
            Some(memory.free_without_caches()),
            all,
        ),
    ] {
        match value {
            Some(Ok(value)) => {
                let path = [page.prefix, metric.as_bytes()];
                page.lines.real(&path, percent(value, of));
            }
            Some(Err(what)) => page.leave_out(metric, what),
            None => {}
        }
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage is no exact number"
)]
fn percent(bytes: u64, all: u64) -> f64 {
    100.0 * bytes as f64 / all as f64
}
