//! `metrics-sockstat`: sockets by protocol.
//!
//! Source `PROC/net/sockstat`, kept open: counts of sockets; `mem` in pages, `memory` in bytes. Any
//! Linux. One read.

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::OptionError;
use crate::source::counts;
use crate::source::kernel_file::KernelFile;
use crate::source::text::{self, Malformed};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-sockstat",
    about: "Sockets in use, by protocol, and their memory",
    scheme_suffix: "sockstat",
    builtin: None,
    options: &[],
    build,
};

struct Sockstat {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Sockstat {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("net/sockstat")),
        buffer: Vec::new(),
    }))
}

impl Collector for Sockstat {
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
        let malformed = |line| Malformed::Line {
            line,
            what: "is not a protocol, a colon, and names with numbers",
        };
        graphite::write(out, now, |lines| {
            for line in text::lines(text) {
                let (line, bytes) = line?;
                let mut columns = text::fields(bytes);
                let protocol = columns.next().and_then(|name| name.strip_suffix(b":"));
                let protocol = protocol.filter(|name| counts::is_name(name));
                let protocol = protocol.ok_or_else(|| malformed(line))?;
                while let Some(name) = columns.next() {
                    let value = columns.next().and_then(text::decimal);
                    let value = value.filter(|_| counts::is_name(name));
                    let value = value.ok_or_else(|| malformed(line))?;
                    lines.number(&[&self.prefix, protocol, b".", name], value);
                }
            }
            Ok(Presence::Here)
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}
