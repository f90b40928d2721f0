//! `OpenTSDB`'s lines: `[put] METRIC TIME VALUE [TAG=VALUE …]`.

use super::{Sink, filled};
use crate::lines::{Fault, scaled_time};
use crate::naming::Tag;

const FORM: Fault = Fault::Form("METRIC TIME VALUE TAG=VALUE");

pub(super) fn convert(output: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) {
    for line in filled(output) {
        if convert_line(line, more, sink).is_none() {
            sink.lines.leave_out(line, FORM);
        }
    }
}

fn convert_line(line: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) -> Option<()> {
    let words = line.strip_prefix("put ").unwrap_or(line);
    let mut words = words.split_ascii_whitespace();
    let (metric, time, value) = (words.next()?, words.next()?, words.next()?);
    let mut tags = more.to_vec();
    for tag in words {
        let (name, value) = tag.split_once('=')?;
        tags.push((name.into(), value.into()));
    }
    let time = time.parse().map_err(|_| Fault::Time).and_then(scaled_time);
    let suffix = sink.naming.suffix(&tags);
    sink.named(line, (metric, &suffix), value, time);
    Some(())
}
