//! `metrics-disk`: what each block device did since boot.
//!
//! Source `PROC/diskstats`, kept open. Requests, sectors of 512 bytes, and milliseconds. Any Linux since
//! 2.6; what newer ones count beside (discards, flushes) is not shown. One read.

use regex_lite::Regex;

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::counts;
use crate::source::kernel_file::KernelFile;
use crate::source::text::{self, Malformed};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-disk",
    about: "Requests, sectors and times of each block device",
    scheme_suffix: "disk",
    builtin: None,
    options: &[
        OptionSpec {
            name: "include-device",
            short: Some('i'),
            kind: Kind::Regex,
            value_name: "REGEX",
            help: "Show only devices whose name has a match",
        },
        OptionSpec {
            name: "ignore-device",
            short: Some('I'),
            kind: Kind::Regex,
            value_name: "REGEX",
            help: "Leave out devices whose name has a match, even if included",
        },
    ],
    build,
};

/// What a line has after the name, in the kernel's order, by the community's names.
const NAMES: [&str; 11] = [
    "reads",
    "readsMerged",
    "sectorsRead",
    "readTime",
    "writes",
    "writesMerged",
    "sectorsWritten",
    "writeTime",
    "ioInProgress",
    "ioTime",
    "ioTimeWeighted",
];

struct Disk {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
    include: Option<Regex>,
    ignore: Option<Regex>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Disk {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("diskstats")),
        buffer: Vec::new(),
        include: setup.given.regex("include-device").cloned(),
        ignore: setup.given.regex("ignore-device").cloned(),
    }))
}

impl Collector for Disk {
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
        let shows = |name: &str| {
            self.include
                .as_ref()
                .is_none_or(|regex| regex.is_match(name))
                && !self
                    .ignore
                    .as_ref()
                    .is_some_and(|regex| regex.is_match(name))
        };
        let before = out.len();
        graphite::write(out, now, |lines| {
            for line in text::lines(text) {
                let (line, bytes) = line?;
                let malformed = Malformed::Line {
                    line,
                    what: "is not two numbers, a device and 11 numbers",
                };
                let (name, values) = device(bytes).ok_or(malformed)?;
                if shows(name) {
                    for (what, value) in NAMES.iter().zip(values) {
                        let path = [&self.prefix, name.as_bytes(), b".", what.as_bytes()];
                        lines.number(&path, value);
                    }
                }
            }
            Ok(())
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))?;
        if out.len() == before {
            return Ok(Presence::Absent(format!(
                "no block device to show in {}",
                self.file.path().display()
            )));
        }
        Ok(Presence::Here)
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("all from {}", self.file.path().display())]
    }
}

/// The name, which can stand in a path, and what was counted.
fn device(line: &[u8]) -> Option<(&str, [u64; NAMES.len()])> {
    let mut columns = text::fields(line);
    text::decimal(columns.next()?)?;
    text::decimal(columns.next()?)?;
    // Names such as cciss/c0d0 have a `!` here or, in old kernels, a slash.
    let name = columns.next().filter(|name| counts::is_name(name))?;
    let mut values = [0; NAMES.len()];
    for value in &mut values {
        *value = text::decimal(columns.next()?)?;
    }
    Some((str::from_utf8(name).ok()?, values))
}
