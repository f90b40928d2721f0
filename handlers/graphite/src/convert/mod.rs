//! What checks print, as lines for Carbon. One file for each format.
//!
//! Each line of an output stands for itself: what is wrong with one costs none of the others.
//! What a format calls "no value" (`U`, a text, Prometheus' NaN) is passed over silently, as it
//! is no mistake.

mod influx;
mod opentsdb;
mod perfdata;
mod plaintext;
mod prometheus;

use crate::lines::{Fault, Lines, check_value};
use crate::naming::{Naming, Tag};
use crate::path::{self, PathFault};
use std::borrow::Cow;

/// How a check prints its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `PATH VALUE TIME`
    Graphite,
    /// `TEXT | 'LABEL'=VALUE[UNIT];WARN;CRIT;MIN;MAX …`
    Perfdata,
    /// `MEASUREMENT,TAG=VALUE FIELD=VALUE TIME`
    Influx,
    /// `[put] METRIC TIME VALUE TAG=VALUE …`
    OpenTsdb,
    /// `METRIC{LABEL="VALUE"} VALUE [TIME]`
    Prometheus,
}

/// The names that checks may give, as an error lists them.
pub(crate) const NAMES: &str =
    "graphite_plaintext, nagios_perfdata, influxdb_line, opentsdb_line, prometheus_text";

impl Format {
    /// By Sensu Go's name, or that of Sensu Enterprise and `WizardVan`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "graphite_plaintext" | "graphite" => Self::Graphite,
            "nagios_perfdata" | "nagios" => Self::Perfdata,
            "influxdb_line" | "influxdb" => Self::Influx,
            "opentsdb_line" | "opentsdb" => Self::OpenTsdb,
            "prometheus_text" | "prometheus" => Self::Prometheus,
            _ => return None,
        })
    }

    /// Converts an output. `tags` are those of the check, for each line.
    pub(crate) fn convert(self, output: &str, tags: &[Tag<'_>], sink: &mut Sink<'_>) {
        match self {
            Self::Graphite => plaintext::convert(output, tags, sink),
            Self::Perfdata => perfdata::convert(output, sink),
            Self::Influx => influx::convert(output, tags, sink),
            Self::OpenTsdb => opentsdb::convert(output, tags, sink),
            Self::Prometheus => prometheus::convert(output, tags, sink),
        }
    }
}

/// Where converted lines go.
pub(crate) struct Sink<'a> {
    pub(crate) naming: &'a Naming,
    /// The time of what has none of its own: when the check ran.
    pub(crate) now: u64,
    pub(crate) lines: Lines,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(naming: &'a Naming, now: u64) -> Self {
        Self {
            naming,
            now,
            lines: Lines::default(),
        }
    }

    /// A line with a path of its own. `text` is what is shown where it is bad.
    fn plain(&mut self, text: &str, path: &str, value: &str, time: Result<u64, Fault>) {
        let naming = self.naming;
        self.push(text, naming.plain(path), value, time);
    }

    /// A measurement below the client: its name, and what its tags add to that.
    fn named(
        &mut self,
        text: &str,
        (name, suffix): (&str, &str),
        value: &str,
        time: Result<u64, Fault>,
    ) {
        let (naming, name) = (self.naming, path::nodes(name));
        self.push(text, naming.converted(&name, suffix), value, time);
    }

    /// A measurement below the check.
    fn of_check(&mut self, text: &str, name: &str, value: &str, time: Result<u64, Fault>) {
        let (naming, name) = (self.naming, path::nodes(name));
        self.push(text, naming.of_check(&name), value, time);
    }

    /// A measurement that was read from an output of this format by somebody else.
    pub(crate) fn point(
        &mut self,
        format: Option<Format>,
        (name, tags): (&str, &[Tag<'_>]),
        value: &str,
        time: Result<u64, Fault>,
    ) {
        let suffix = self.naming.suffix(tags);
        match format {
            Some(Format::Graphite) => {
                let path = plaintext::tagged(name, &suffix);
                self.plain(name, &path, value, time);
            }
            Some(Format::Perfdata) => {
                let path = path::nodes(name) + &suffix;
                let naming = self.naming;
                self.push(name, naming.of_check(&path), value, time);
            }
            Some(Format::Influx | Format::OpenTsdb | Format::Prometheus) | None => {
                self.named(name, (name, &suffix), value, time);
            }
        }
    }

    fn push(
        &mut self,
        text: &str,
        path: Result<[&str; 3], PathFault>,
        value: &str,
        time: Result<u64, Fault>,
    ) {
        let checked = || -> Result<_, Fault> {
            let path = path?;
            check_value(value)?;
            Ok((path, time?))
        };
        match checked() {
            Ok((path, time)) => self.lines.push(&path, value, time),
            Err(fault) => self.lines.leave_out(text, fault),
        }
    }
}

/// The lines of an output that say something.
fn filled(output: &str) -> impl Iterator<Item = &str> {
    output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
}

/// What stands before the first separator that is neither escaped by `\` nor, where quotes
/// count, between two of them; and what follows it.
fn cut(text: &str, separator: char, quotes: bool) -> (&str, Option<&str>) {
    let (mut escaped, mut inside) = (false, false);
    let at = text.find(|character| {
        if escaped {
            escaped = false;
            return false;
        }
        match character {
            '\\' => escaped = true,
            '"' if quotes => inside = !inside,
            character => return character == separator && !inside,
        }
        false
    });
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((before, after)) => (before, after.strip_prefix(separator)),
        None => (text, None),
    }
}

/// Without the `\` before a character that has a meaning.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next().unwrap_or('\\')),
            character => plain.push(character),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests;
