//! `metrics-cpu`: ticks of each processor and all together, and counters of the kernel.
//!
//! Source `PROC/stat`, kept open. Ticks are 1/100 s since boot. Any Linux since 2.6. One read.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::kernel_file::KernelFile;
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

struct Cpu {
    /// With the dot after it.
    scheme: Vec<u8>,
    /// The scheme and a processor with the dot after it.
    node: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Cpu {
        scheme: setup.scheme.prefix(),
        node: Vec::new(),
        file: KernelFile::new(setup.roots.proc.join("stat")),
        buffer: Vec::new(),
    }))
}

impl Collector for Cpu {
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
        let (scheme, node) = (self.scheme.as_slice(), &mut self.node);
        graphite::write(out, now, |lines| {
            let mut ticks_of = |lines: &mut graphite::Lines<'_>, name: &str, ticks: Ticks| {
                node.clear();
                for part in [scheme, name.as_bytes(), b"."] {
                    node.extend_from_slice(part);
                }
                for (what, value) in Ticks::NAMES.iter().zip(ticks.iter()) {
                    lines.number(&[node, what.as_bytes()], value);
                }
            };
            let mut count = 0_u32;
            stat::parse(text, |entry| match entry {
                Entry::Total(ticks) => ticks_of(lines, "total", ticks),
                Entry::Cpu(name, ticks) => {
                    count += 1;
                    ticks_of(lines, name, ticks);
                }
                Entry::Number(name, value) => lines.number(&[scheme, name.as_bytes()], value),
            })?;
            lines.number(&[scheme, b"cpu_count"], count);
            Ok(Presence::Here)
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}
