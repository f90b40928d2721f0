//! `metrics-memory-percent`: memory and swap in percent.
//!
//! Source `PROC/meminfo`, kept open; see `metrics-memory`. Any Linux since 2.6; `available` since
//! 3.14. One read.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::kernel_file::KernelFile;
use crate::source::meminfo::MemInfo;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-memory-percent",
    about: "Memory and swap in percent: free, available, cached",
    scheme_suffix: "memory_percent",
    builtin: None,
    options: &[],
    build,
};

struct MemoryPercent {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(MemoryPercent {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("meminfo")),
        buffer: Vec::new(),
    }))
}

impl Collector for MemoryPercent {
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
        let contradiction = |what, metric| CollectError::Contradiction {
            path: self.file.path().to_owned(),
            what,
            metric,
        };
        if memory.total == 0 {
            return Err(contradiction("MemTotal is 0", "all"));
        }
        graphite::write(out, now, |lines| {
            let mut percent = |name: &str, bytes: u64, all: u64| {
                lines.real(&[&self.prefix, name.as_bytes()], percent(bytes, all));
            };
            percent("free", memory.free, memory.total);
            if let Some(available) = memory.available {
                percent("available", available, memory.total);
            }
            percent("buffers", memory.buffers, memory.total);
            percent("cached", memory.cached, memory.total);
            percent("dirty", memory.dirty, memory.total);
            match memory.swap_total.checked_sub(memory.swap_free) {
                // Without swap space none of it is used.
                Some(used) => percent("swapUsed", used, memory.swap_total.max(1)),
                None => problems.push(contradiction("SwapFree exceeds SwapTotal", "swapUsed")),
            }
            let free = memory
                .available
                .unwrap_or_else(|| memory.free.saturating_add(memory.buffers + memory.cached));
            match memory.total.checked_sub(free) {
                Some(used) => {
                    percent("usedWOBuffersCaches", used, memory.total);
                    percent("freeWOBuffersCaches", free, memory.total);
                }
                None => problems.push(contradiction(
                    "what is free without buffers and caches exceeds MemTotal",
                    "usedWOBuffersCaches",
                )),
            }
            Ok(Presence::Here)
        })
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage is no exact number"
)]
fn percent(bytes: u64, all: u64) -> f64 {
    100.0 * bytes as f64 / all as f64
}
