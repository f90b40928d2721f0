//! `metrics-cpu`: ticks of each processor and all together, and counters of the kernel.
//!
//! Source `PROC/stat`, kept open. Ticks are 1/100 s since boot. Any Linux since 2.6. One read.

use crate::collect::proc_file::{self, Page};
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::stat::{self, Entry, Ticks};
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-cpu",
    about: "Ticks of each processor, interrupts, context switches and processes",
    scheme_suffix: "cpu",
    builtin: Some(Builtin {
        check: "cpu_metrics",
        subscription: "physical",
    }),
    options: &[],
    build,
};

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    // The scheme and a processor with the dot after it.
    let mut node = Vec::new();
    Ok(proc_file::collector(setup, "stat", move |text, page| {
        let mut ticks_of = |page: &mut Page<'_, '_>, name: &str, ticks: Ticks| {
            node.clear();
            for part in [page.prefix, name.as_bytes(), b"."] {
                node.extend_from_slice(part);
            }
            for (what, value) in Ticks::NAMES.iter().zip(ticks.iter()) {
                page.lines.number(&[&node, what.as_bytes()], value);
            }
        };
        let mut count = 0;
        stat::parse(text, |entry| match entry {
            Entry::Total(ticks) => ticks_of(page, "total", ticks),
            Entry::Cpu(name, ticks) => {
                count += 1;
                ticks_of(page, name, ticks);
            }
            Entry::Number(name, value) => page.number(name, value),
        })?;
        page.number("cpu_count", count);
        Ok(())
    }))
}
