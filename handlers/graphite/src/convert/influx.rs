//! `InfluxDB`'s line protocol: `MEASUREMENT[,TAG=VALUE…] FIELD=VALUE[,FIELD=VALUE…] [TIME]`.

use super::{Sink, cut, filled, unescape};
use crate::lines::{Fault, scaled_time};
use crate::naming::Tag;

const FORM: Fault = Fault::Form("MEASUREMENT,TAG=VALUE FIELD=VALUE TIME");

pub(super) fn convert(output: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) {
    for line in filled(output).filter(|line| !line.starts_with('#')) {
        if convert_line(line, more, sink).is_none() {
            sink.lines.leave_out(line, FORM);
        }
    }
}

/// `None` where it is not of this form at all; a bad field costs only itself.
fn convert_line(line: &str, more: &[Tag<'_>], sink: &mut Sink<'_>) -> Option<()> {
    let (series, rest) = cut(line, ' ', false);
    let (fields, time) = cut(rest?.trim_start(), ' ', true);
    let (measurement, mut left) = cut(series, ',', false);
    let measurement = unescape(measurement);
    if measurement.is_empty() {
        return None;
    }
    let mut tags = more.to_vec();
    while let Some(text) = left {
        let (tag, rest) = cut(text, ',', false);
        let (name, value) = cut(tag, '=', false);
        tags.push((unescape(name), unescape(value?)));
        left = rest;
    }
    let time = match time.map(str::trim) {
        None | Some("") => Ok(sink.now),
        Some(time) => time.parse().map_err(|_| Fault::Time).and_then(scaled_time),
    };
    let suffix = sink.naming.suffix(&tags);
    let mut left = Some(fields);
    while let Some(text) = left {
        let (field, rest) = cut(text, ',', true);
        let (name, value) = cut(field, '=', false);
        let (name, value) = (unescape(name), value?);
        if name.is_empty() {
            return None;
        }
        if let Some(number) = number(value) {
            let name = format!("{measurement}.{name}");
            sink.named(line, (&name, &suffix), number, time);
        }
        left = rest;
    }
    Some(())
}

/// A value as a number; a text is none.
fn number(value: &str) -> Option<&str> {
    match value {
        "t" | "T" | "true" | "True" | "TRUE" => Some("1"),
        "f" | "F" | "false" | "False" | "FALSE" => Some("0"),
        text if text.starts_with('"') => None,
        number => Some(number.strip_suffix(['i', 'u']).unwrap_or(number)),
    }
}
