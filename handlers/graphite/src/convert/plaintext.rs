//! Graphite's own lines: checked, and given their prefix.

use super::{Sink, filled};
use crate::lines::{Fault, read_time};
use crate::naming::Tag;
use std::borrow::Cow;

pub(super) fn convert(output: &str, tags: &[Tag<'_>], sink: &mut Sink<'_>) {
    let now = sink.now;
    let suffix = sink.naming.suffix(tags);
    for line in filled(output) {
        let mut words = line.split_ascii_whitespace();
        let four = [words.next(), words.next(), words.next(), words.next()];
        let [Some(path), Some(value), Some(time), None] = four else {
            sink.lines.leave_out(line, Fault::Form("PATH VALUE TIME"));
            continue;
        };
        let path = tagged(path, &suffix);
        sink.plain(line, &path, value, read_time(time, now));
    }
}

/// The path with more tags. What they add to the path itself comes before the tags that it has.
pub(super) fn tagged<'a>(path: &'a str, suffix: &str) -> Cow<'a, str> {
    if suffix.is_empty() {
        return path.into();
    }
    match path.split_once(';') {
        Some((name, tags)) => format!("{name}{suffix};{tags}").into(),
        None => format!("{path}{suffix}").into(),
    }
}
