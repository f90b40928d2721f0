//! Prometheus' text: `METRIC[{LABEL="VALUE",…}] VALUE [TIME]`, time in milliseconds.

use super::{Sink, cut, filled, unescape};
use crate::lines::{Fault, scaled_time};
use crate::naming::Tag;

const FORM: Fault = Fault::Form("METRIC{LABEL=\"VALUE\"} VALUE TIME");

pub(super) fn convert(output: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) {
    for line in filled(output).filter(|line| !line.starts_with('#')) {
        if convert_line(line, more, sink).is_none() {
            sink.lines.leave_out(line, FORM);
        }
    }
}

fn convert_line(line: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) -> Option<()> {
    let mut tags = more.to_vec();
    let (name, rest) = match line.split_once('{') {
        Some((name, labels)) => {
            let (labels, rest) = cut(labels, '}', true);
            read_labels(labels, &mut tags)?;
            (name, rest?)
        }
        None => line.split_once([' ', '\t'])?,
    };
    let mut words = rest.split_ascii_whitespace();
    let three = [words.next(), words.next(), words.next()];
    let [Some(value), time, None] = three else {
        return None;
    };
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let time = match time {
        None => Ok(sink.now),
        Some(time) => time.parse().map_err(|_| Fault::Time).and_then(scaled_time),
    };
    // These are values there, but none that Graphite has.
    if !matches!(value, "NaN" | "+Inf" | "-Inf" | "Inf") {
        let suffix = sink.naming.suffix(&tags);
        sink.named(line, (name, &suffix), value, time);
    }
    Some(())
}

fn read_labels<'a>(labels: &'a str, tags: &mut Vec<Tag<'a>>) -> Option<()> {
    let mut left = Some(labels.trim());
    while let Some(text) = left.filter(|text| !text.is_empty()) {
        let (label, rest) = cut(text, ',', true);
        let (name, value) = label.split_once('=')?;
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        tags.push((name.trim().into(), unescape(value)));
        left = rest.map(str::trim);
    }
    Some(())
}
