//! `metrics-memory-vmstat`: what the kernel counts of virtual memory, all of it.
//!
//! Source `PROC/vmstat`, kept open. Pages, and events since boot, by the kernel's names, which are
//! more with each version. One read.

use crate::collect::proc_file;
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::counts;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-memory-vmstat",
    about: "What the kernel counts of virtual memory: faults, swapping, pages",
    scheme_suffix: "vmstat",
    builtin: None,
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(proc_file::collector(setup, "vmstat", |text, page| {
        counts::parse(text, |name, value| page.number(name, value))
    }))
}
