//! `metrics-load`: load averages, as the kernel has them or per processor.
//!
//! Source `PROC/loadavg`, kept open; with `--per-core` also `SYS/devices/system/cpu/online`. The
//! unit is tasks that run or wait uninterruptibly. Any Linux. One read, or two.

use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use crate::collector::{CollectError, Collector, Presence, Roots};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::kernel_file::{ATTRIBUTE_BYTES, KernelFile};
use crate::source::{cpu_online, loadavg};
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-load",
    about: "Load averages over 1, 5 and 15 minutes",
    scheme_suffix: "",
    builtin: Some(Builtin {
        check: "load_metrics",
        subscription: "physical",
    }),
    options: &[OptionSpec {
        name: "per-core",
        short: None,
        kind: Kind::Flag,
        value_name: "",
        help: "Divide by the number of processors, rounded to two places",
    }],
    build,
};

/// What the averages are called, in the kernel's order.
const NAMES: [&str; 3] = ["load_avg.one", "load_avg.five", "load_avg.fifteen"];

struct Load {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: [u8; ATTRIBUTE_BYTES],
    /// The list of processors, if the averages are to be divided.
    per_core: Option<Cores>,
    quotient: Vec<u8>,
}

/// How many processors are in use.
#[derive(Debug)]
pub struct Cores {
    online: KernelFile,
    buffer: Vec<u8>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Load {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("loadavg")),
        buffer: [0; ATTRIBUTE_BYTES],
        per_core: setup
            .given
            .flag("per-core")
            .then(|| Cores::new(setup.roots)),
        quotient: Vec::new(),
    }))
}

impl Collector for Load {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        _problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let cores = self.per_core.as_mut().map(Cores::count).transpose()?;
        let text = match self.file.read_attribute(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        let averages = loadavg::parse(text)
            .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))?;
        graphite::write(out, now, |lines| {
            for (name, average) in NAMES.iter().zip(averages) {
                let value = match cores {
                    None => average.text,
                    Some(cores) => {
                        let quotient = round(average.tasks / f64::from(cores));
                        self.quotient.clear();
                        // The shortest text that reads back as the same number: 0.2, 6.0.
                        write!(self.quotient, "{quotient:?}")
                            .map_err(|error| CollectError::read(self.file.path(), error))?;
                        &self.quotient
                    }
                };
                lines.text(&[&self.prefix, name.as_bytes()], value);
            }
            Ok(Presence::Here)
        })
    }

    fn explain(&self) -> Vec<String> {
        let averages = format!("averages from {}", self.file.path().display());
        let cores = self.per_core.as_ref().map(|cores| {
            let path = cores.online.path().display();
            format!("the number of processors from {path}")
        });
        [Some(averages), cores].into_iter().flatten().collect()
    }
}

/// Rounds to two places, half up, to the digit as Ruby's `Float#round(2)`: a quotient such as
/// 0.205 is a hair less than its digits say, and is still rounded up.
#[must_use]
pub fn round(value: f64) -> f64 {
    let rounded = (value * 100.0).round();
    if (rounded + 0.5) / 100.0 <= value {
        (rounded + 1.0) / 100.0
    } else {
        rounded / 100.0
    }
}

impl Cores {
    /// Those of the host whose sysfs is below this root.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        Self {
            online: KernelFile::new(roots.sys.join("devices/system/cpu/online")),
            buffer: Vec::new(),
        }
    }

    /// As sysfs lists them or, where it cannot be read, as many as this process may use.
    pub fn count(&mut self) -> Result<u32, CollectError> {
        match self.online.read(&mut self.buffer) {
            Ok(text) => cpu_online::parse(text)
                .map_err(|malformed| CollectError::malformed(self.online.path(), malformed)),
            Err(_) => thread::available_parallelism()
                .map(NonZero::get)
                .and_then(|count| u32::try_from(count).map_err(io::Error::other))
                .map_err(|error| CollectError::read(self.online.path(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_prints_as_ruby_does() {
        for (load, cores, text) in [
            (0.39, 2.0, "0.2"),
            (0.41, 2.0, "0.21"),
            (75.64, 2.0, "37.82"),
            (1.18, 2.0, "0.59"),
            (12.0, 2.0, "6.0"),
            (0.0, 2.0, "0.0"),
            (0.01, 4.0, "0.0"),
            (0.02, 4.0, "0.01"),
            (1.0, 3.0, "0.33"),
            (2.0, 3.0, "0.67"),
            (123_456.78, 1.0, "123456.78"),
        ] {
            assert_eq!(
                format!("{:?}", round(load / cores)),
                text,
                "{load} / {cores}"
            );
        }
    }
}
