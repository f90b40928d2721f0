//! `metrics-memory-vmstat`: what the kernel counts of virtual memory, all of it.
//!
//! Source `PROC/vmstat`, kept open. Pages, and events since boot, by the kernel's names, which are
//! more with each version. One read.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::counts;
use crate::source::kernel_file::KernelFile;
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-memory-vmstat",
    about: "What the kernel counts of virtual memory: faults, swapping, pages",
    scheme_suffix: "vmstat",
    builtin: None,
    options: &[],
    build,
};

struct Vmstat {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Vmstat {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("vmstat")),
        buffer: Vec::new(),
    }))
}

impl Collector for Vmstat {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        _problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        graphite::write(out, now, |lines| {
            counts::parse(text, |name, value| {
                lines.number(&[&self.prefix, name.as_bytes()], value);
            })?;
            Ok(Presence::Here)
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}
