//! `metrics-disk`: what each block device did since boot.
//!
//! Source `PROC/diskstats`, kept open. Requests, sectors of 512 bytes, and milliseconds. Any Linux since
//! 2.6; what newer ones count beside (discards, flushes) is not shown. One read.

use crate::collect::filter::{self, Filter};
use crate::collect::proc_file;
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::counts;
use crate::source::text::{self, Malformed};
use crate::spec::{Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-disk",
    about: "Requests, sectors and times of each block device",
    scheme_suffix: "disk",
    builtin: None,
    options: &[filter::INCLUDE, filter::IGNORE],
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

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let filter = Filter::given(setup.given);
    let collector = proc_file::collector(setup, "diskstats", move |text, page| {
        for line in text::lines(text) {
            let (line, bytes) = line?;
            let (name, values) = device(bytes).ok_or(Malformed::Line {
                line,
                what: "is not two numbers, a device and 11 numbers",
            })?;
            if filter.shows(name) {
                for (what, value) in NAMES.iter().zip(values) {
                    let path = [page.prefix, name.as_bytes(), b".", what.as_bytes()];
                    page.lines.number(&path, value);
                }
            }
        }
        Ok(())
    });
    Ok(collector)
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
