//! `metrics-memory`: memory and swap in bytes.
//!
//! Source `PROC/meminfo`, kept open. Any Linux since 2.6; `available` since 3.14. One read.

use crate::collect::proc_file::{self, Page};
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::meminfo::MemInfo;
use crate::source::text::Malformed;
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-memory",
    about: "Memory and swap in bytes: total, free, available, cached, used",
    scheme_suffix: "memory",
    builtin: Some(Builtin {
        check: "mem_metrics",
        subscription: "physical",
    }),
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(proc_file::collector(setup, "meminfo", write))
}

fn write(text: &[u8], page: &mut Page<'_, '_>) -> Result<(), Malformed> {
    let memory = MemInfo::parse(text)?;
    page.number("total", memory.total);
    page.number("free", memory.free);
    if let Some(available) = memory.available {
        page.number("available", available);
    }
    page.number("buffers", memory.buffers);
    page.number("cached", memory.cached);
    page.number("swapTotal", memory.swap_total);
    page.number("swapFree", memory.swap_free);
    page.number("dirty", memory.dirty);
    for (metric, value) in [
        ("swapUsed", memory.swap_used()),
        ("used", memory.used()),
        ("usedWOBuffersCaches", memory.used_without_caches()),
        ("freeWOBuffersCaches", memory.free_without_caches()),
    ] {
        match value {
            Ok(value) => page.number(metric, value),
            Err(what) => page.leave_out(metric, what),
        }
    }
    Ok(())
}
