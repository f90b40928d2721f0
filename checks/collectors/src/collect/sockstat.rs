//! `metrics-sockstat`: sockets by protocol.
//!
//! Source `PROC/net/sockstat`, kept open: counts of sockets; `mem` in pages, `memory` in bytes. Any
//! Linux. One read.

use crate::collect::proc_file::{self, Page};
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::counts;
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

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(proc_file::collector(setup, "net/sockstat", write))
}

fn write(text: &[u8], page: &mut Page<'_, '_>) -> Result<(), Malformed> {
    for line in text::lines(text) {
        let (line, bytes) = line?;
        let malformed = Malformed::Line {
            line,
            what: "is not a protocol, a colon, and names with numbers",
        };
        let mut columns = text::fields(bytes);
        let protocol = columns.next().and_then(|name| name.strip_suffix(b":"));
        let protocol = protocol.filter(|name| counts::is_name(name));
        let protocol = protocol.ok_or(malformed)?;
        while let Some(name) = columns.next() {
            let value = columns.next().and_then(text::decimal);
            let value = value.filter(|_| counts::is_name(name)).ok_or(malformed)?;
            page.lines
                .number(&[page.prefix, protocol, b".", name], value);
        }
    }
    Ok(())
}
