//! The counters of one port, at this end of the cable or the other: where each is read, and its line.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::collect::infiniband::names::{DRIVER, Name, name_of, of_ibta};
use crate::collect::infiniband::totals::Totals;
use crate::collector::CollectError;
use crate::graphite;
use crate::source::infiniband::fabric::{self, Address, Answers, Offer};
use crate::source::infiniband::performance::{Field, Kind, short_field};
use crate::source::infiniband::sysfs::{self, Failure, Folder};
use crate::source::infiniband::umad::Umad;
use crate::source::kernel_file::{self, ATTRIBUTE_BYTES, KernelFile};
use crate::source::text::only_decimal;

/// The counters of a port.
pub(super) struct Counters {
    /// How messages call the port.
    label: String,
    lines: Vec<Line>,
    /// Which attributes have to be asked for.
    kinds: Vec<Kind>,
    answers: Answers,
    /// Which of the lines are at the end of what they can count.
    saturated: Vec<usize>,
}

/// One counter as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// IBTA's name, or the driver's.
    pub name: String,
    /// Its value; of data in octets divided by 4.
    pub value: u64,
    /// How wide it is where it was read; 64 where that is not known.
    pub bits: u8,
}

struct Line {
    /// The whole path.
    path: Vec<u8>,
    name: String,
    /// By which its total is known.
    key: String,
    bits: u8,
    from: From,
    /// Whether it was said that it is at its end.
    is_said: bool,
}

enum From {
    File(KernelFile),
    /// A field of an answer, and the file that has the same one, for when nobody can answer.
    Answer(&'static Field, Option<KernelFile>),
}

/// Which source a counter is taken from that both have with as many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    Files,
    Agent,
}

/// Whether all files that were listed are still there.
#[derive(PartialEq, Eq)]
pub(super) enum Files {
    AsListed,
    Changed,
}

/// What the files of a port have, none for one of another node, by their place in the order of the lines.
#[derive(Default)]
pub(super) struct Listed {
    files: BTreeMap<(usize, String), (From, u8)>,
}

impl Listed {
    /// Lists them. Of two files with the same name the first folder's is taken: a 64-bit counter
    /// in place of its short twin.
    pub(super) fn of(port: &sysfs::Port, failures: &mut Vec<Failure>) -> Self {
        let files = port.counters(failures);
        // Kernels that read 64 bits into `counters/` have these there, too.
        let is_wide = files
            .iter()
            .any(|(folder, name, _)| *folder == Folder::Counters && name.contains("cast_"));
        let mut listed = BTreeMap::new();
        for (folder, file, path) in &files {
            if let Some(Name { place, text }) = name_of(*folder, file) {
                let bits = match folder {
                    Folder::Extended | Folder::Hardware => 64,
                    Folder::Counters => match short_field(text).map(|field| field.bits) {
                        Some(32) if is_wide && text != "PortXmitWait" => 64,
                        bits => bits.unwrap_or(64),
                    },
                };
                listed
                    .entry((place, text.to_owned()))
                    .or_insert_with(|| (From::File(KernelFile::new(path.clone())), bits));
            }
        }
        Self { files: listed }
    }

    /// Leaves only the driver's own, which no agent knows of.
    pub(super) fn keep_driver(&mut self) {
        self.files.retain(|(place, _), _| *place == DRIVER);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Leaves out data and packets of 32 bits.
    pub(super) fn leave_out_narrow(&mut self) {
        self.files.retain(|(_, name), (_, bits)| {
            *bits != 32 || !(name.ends_with("Data") || name.ends_with("Pkts"))
        });
    }

    /// Takes what the agent offers from there: what no file has with more bits, or, where files are
    /// preferred, only what no file has with as many.
    pub(super) fn take_from(&mut self, offer: &Offer, preference: Preference) {
        let prefer_files = preference == Preference::Files && !self.files.is_empty();
        for field in offer.capabilities.fields(&offer.details) {
            let key = (of_ibta(field.name).place, field.name.to_owned());
            let file = match self.files.remove(&key) {
                Some(kept) if kept.1 > field.bits || (prefer_files && kept.1 == field.bits) => {
                    self.files.insert(key, kept);
                    continue;
                }
                Some((From::File(file), bits)) if bits == field.bits => Some(file),
                Some(_) | None => None,
            };
            self.files
                .insert(key, (From::Answer(field, file), field.bits));
        }
    }
}

impl Counters {
    /// Those that are listed, with paths and keys that begin so.
    pub(super) fn new(label: String, (prefix, key): (&[u8], &str), listed: Listed) -> Self {
        let lines = listed.files.into_iter().map(|((_, name), (from, bits))| {
            let path = [prefix, graphite::sanitise(&name).as_bytes()].concat();
            Line {
                path,
                key: format!("{key}:{name}"),
                name,
                bits,
                from,
                is_said: false,
            }
        });
        let lines: Vec<Line> = lines.collect();
        let is_in = |kind: &Kind| {
            let is_of =
                |line: &Line| matches!(&line.from, From::Answer(field, _) if field.kind == *kind);
            lines.iter().any(is_of)
        };
        Self {
            label,
            kinds: Kind::ALL.into_iter().filter(is_in).collect(),
            lines,
            answers: Answers::default(),
            saturated: Vec::new(),
        }
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether some of them are asked for.
    pub(super) fn are_asked(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Asks for those that are asked for. Where that fails, the files that have the same are read,
    /// and the others left out.
    pub(super) fn ask(
        &mut self,
        umad: &mut Umad,
        address: Address,
        deadline: Instant,
    ) -> Result<(), CollectError> {
        let answers = &mut self.answers;
        fabric::read(umad, address, &self.kinds, answers, deadline).map_err(|source| {
            CollectError::Fabric {
                port: self.label.clone(),
                source,
            }
        })
    }

    /// Forgets what was answered.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }

    /// Writes the lines.
    pub(super) fn write(
        &mut self,
        out: &mut graphite::Lines<'_>,
        resets: bool,
        mut totals: Option<&mut Totals>,
        problems: &mut Vec<CollectError>,
    ) -> Files {
        self.read(resets, problems, |line, value| {
            let value = match &mut totals {
                Some(totals) => totals.advance(&line.key, value, line.bits),
                None => value,
            };
            out.number(&[&line.path], value);
        })
    }

    /// Their names, values and widths.
    pub(super) fn values(&mut self, problems: &mut Vec<CollectError>) -> Vec<Counter> {
        let mut counters = Vec::new();
        self.read(false, problems, |line, value| {
            counters.push(Counter {
                name: line.name.clone(),
                value,
                bits: line.bits,
            });
        });
        counters
    }

    /// Reads each, as a file or as answered before, and notes which are at their end.
    fn read(
        &mut self,
        resets: bool,
        problems: &mut Vec<CollectError>,
        mut take: impl FnMut(&Line, u64),
    ) -> Files {
        let mut files = Files::AsListed;
        self.saturated.clear();
        for (number, line) in self.lines.iter_mut().enumerate() {
            let (value, is_file) = match &mut line.from {
                From::File(file) => (read(file, &mut files, problems), true),
                From::Answer(field, file) => match (self.answers.value(field), file) {
                    (Some(value), _) => (Some(value), false),
                    (None, Some(file)) => (read(file, &mut files, problems), true),
                    (None, None) => (None, false),
                },
            };
            let Some(value) = value else {
                continue;
            };
            let is_saturated = is_saturated(value, line.bits, is_file);
            if is_saturated {
                self.saturated.push(number);
            }
            if is_saturated && !line.is_said {
                problems.push(CollectError::Saturated {
                    port: self.label.clone(),
                    counter: line.name.clone(),
                    bits: line.bits,
                    resets: resets && short_field(&line.name).is_some(),
                });
            }
            line.is_said = is_saturated;
            take(line, value);
        }
        files
    }

    /// Sets those that were saturated when the lines were written to 0, and only those.
    pub(super) fn reset_saturated(
        &mut self,
        umad: &mut Umad,
        address: Address,
        deadline: Instant,
        mut totals: Option<&mut Totals>,
    ) -> Result<(), CollectError> {
        for number in self.saturated.drain(..) {
            let Some(line) = self.lines.get(number) else {
                continue;
            };
            let Some(field) = short_field(&line.name) else {
                continue;
            };
            let left = fabric::clear(umad, address, field, deadline).map_err(|source| {
                CollectError::Fabric {
                    port: self.label.clone(),
                    source,
                }
            })?;
            if let (Some(left), Some(totals)) = (left, &mut totals) {
                totals.reset(&line.key, left);
            }
        }
        Ok(())
    }

    /// How many lines come from where.
    pub(super) fn explain(&self) -> String {
        let count = |wanted: &dyn Fn(&Line) -> bool| {
            let of = |wide: bool| {
                let lines = self.lines.iter().filter(|line| wanted(line));
                lines.filter(|line| (line.bits == 64) == wide).count()
            };
            (of(true) + of(false), of(true))
        };
        let (files, wide_files) = count(&|line| matches!(line.from, From::File(_)));
        let (asked, wide_asked) = count(&|line| matches!(line.from, From::Answer(_, _)));
        let describe = |source: &str, all: usize, wide: usize| {
            (all > 0).then(|| format!("{all} counters from {source}, {wide} of them with 64 bits"))
        };
        let parts = [
            describe("sysfs", files, wide_files),
            describe("umad", asked, wide_asked),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.as_slice() {
            [] => format!("{}: no counters", self.label),
            parts => format!("{}: {}", self.label, parts.join("; ")),
        }
    }
}

fn read(file: &mut KernelFile, files: &mut Files, problems: &mut Vec<CollectError>) -> Option<u64> {
    let mut buffer = [0; ATTRIBUTE_BYTES];
    match file.read_attribute(&mut buffer) {
        Ok(text) => match only_decimal(text) {
            Ok(value) => return Some(value),
            Err(malformed) => problems.push(CollectError::malformed(file.path(), malformed)),
        },
        Err(error) => {
            if kernel_file::has_vanished(&error) {
                *files = Files::Changed;
            }
            problems.push(CollectError::read(file.path(), error));
        }
    }
    None
}

/// Whether a counter is in the last sixteenth of what it can count. Of one of 32 bits in a file it
/// is not sure that it has no more, so that it has to be at the very end.
fn is_saturated(value: u64, bits: u8, is_file: bool) -> bool {
    if bits >= 64 {
        return false;
    }
    let largest = (1_u64 << bits) - 1;
    let near = if is_file && bits >= 32 {
        largest
    } else {
        largest - largest / 16
    };
    (near..=largest).contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_saturated_near_its_end() {
        for (bits, near) in [(4, 15), (8, 240), (16, 61_440), (32, 4_026_531_840)] {
            assert!(is_saturated(near, bits, false), "{bits}");
            assert!(!is_saturated(near - 1, bits, false), "{bits}");
            let largest = (1 << bits) - 1;
            assert!(is_saturated(largest, bits, true), "{bits}");
            assert!(!is_saturated(largest + 1, bits, true), "it has more bits");
        }
        assert!(!is_saturated(u64::MAX, 64, false));
        assert!(!is_saturated(4_294_967_294, 32, true));
    }
}
