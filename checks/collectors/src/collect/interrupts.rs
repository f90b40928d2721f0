//! `metrics-interrupts`: interrupts since boot, by number or by the kernel's name.
//!
//! Source `PROC/interrupts`, kept open; what all processors counted is added up. Any Linux. One read,
//! long on hosts with many processors.

use crate::collect::proc_file::{self, Page};
use crate::collector::Collector;
use crate::options::OptionError;
use crate::source::counts;
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

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(proc_file::collector(setup, "interrupts", write))
}

fn write(text: &[u8], page: &mut Page<'_, '_>) -> Result<(), Malformed> {
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
        page.lines.number(&[page.prefix, name], sum);
    }
    Ok(())
}
