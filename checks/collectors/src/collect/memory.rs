//! `metrics-memory`: memory and swap in bytes.
//!
//! Source `PROC/meminfo`, kept open. Any Linux since 2.6; `available` since 3.14. One read.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::kernel_file::KernelFile;
use crate::source::meminfo::MemInfo;
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

struct Memory {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Memory {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("meminfo")),
        buffer: Vec::new(),
    }))
}

impl Collector for Memory {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        let memory = MemInfo::parse(text)
            .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))?;
        graphite::write(out, now, |lines| {
            let mut number = |name: &str, value: u64| {
                lines.number(&[&self.prefix, name.as_bytes()], value);
            };
            number("total", memory.total);
            number("free", memory.free);
            if let Some(available) = memory.available {
                number("available", available);
            }
            number("buffers", memory.buffers);
            number("cached", memory.cached);
            number("swapTotal", memory.swap_total);
            number("swapFree", memory.swap_free);
            number("dirty", memory.dirty);
            for (metric, value, what) in derived(&memory) {
                match value {
                    Some(value) => number(metric, value),
                    None => problems.push(CollectError::Contradiction {
                        path: self.file.path().to_owned(),
                        what,
                        metric,
                    }),
                }
            }
            Ok(Presence::Here)
        })
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}

/// What is computed from the kernel's fields: its name, its value unless they contradict each
/// other, and how they then do. `WOBuffersCaches` is without buffers and caches: where the kernel
/// says what is available, that is what would be free without them.
fn derived(memory: &MemInfo) -> [(&'static str, Option<u64>, &'static str); 4] {
    let free_without = memory.available.or_else(|| {
        memory
            .free
            .checked_add(memory.buffers)?
            .checked_add(memory.cached)
    });
    [
        (
            "swapUsed",
            memory.swap_total.checked_sub(memory.swap_free),
            "SwapFree exceeds SwapTotal",
        ),
        (
            "used",
            memory.total.checked_sub(memory.free),
            "MemFree exceeds MemTotal",
        ),
        (
            "usedWOBuffersCaches",
            free_without.and_then(|free| memory.total.checked_sub(free)),
            "what is free without buffers and caches exceeds MemTotal",
        ),
        (
            "freeWOBuffersCaches",
            free_without,
            "MemFree, Buffers and Cached together exceed any memory",
        ),
    ]
}
