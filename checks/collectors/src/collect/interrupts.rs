//! `metrics-interrupts`: interrupts since boot, by number or by the kernel's name.
//!
//! Source `PROC/interrupts`, kept open; what all processors counted is added up. Any Linux. One read,
//! long on hosts with many processors.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::counts;
use crate::source::kernel_file::KernelFile;
use crate::source::text::{self, Malformed};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-interrupts",
    about: "Interrupts since boot, by their source, of all processors together",
    scheme_suffix: "interrupts",
    builtin: None,
    options: &[],
    build,
};

struct Interrupts {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Interrupts {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("interrupts")),
        buffer: Vec::new(),
    }))
}

impl Collector for Interrupts {
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
            let mut rows = text::lines(text);
            let (_, head) = rows.next().ok_or(Malformed::Missing("the head"))??;
            let processors = text::fields(head).count();
            for row in rows {
                let (line, bytes) = row?;
                let mut columns = text::fields(bytes);
                let name = columns.next().and_then(|name| name.strip_suffix(b":"));
                let name = name
                    .filter(|name| counts::is_name(name))
                    .ok_or(Malformed::Line {
                        line,
                        what: "has no name with a colon",
                    })?;
                // Fewer where it is not counted by processor, as with ERR.
                let numbers = columns.map_while(text::decimal).take(processors);
                let sum = numbers.fold(0_u64, u64::wrapping_add);
                lines.number(&[&self.prefix, name], sum);
            }
            Ok(Presence::Here)
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}
