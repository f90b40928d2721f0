//! Graphite's plaintext form: which characters a path may have, and how a line is written.

use std::fmt;
use std::io::Write;

/// Whether a character can stand in a path: printable ASCII, save what Carbon ends a path or a
/// tag at, takes for a folder, or graphite-web's targets give a meaning.
#[must_use]
pub fn is_allowed(character: char) -> bool {
    character.is_ascii_graphic() && !r#"(){},'"\|*?[];/"#.contains(character)
}

/// A name of the kernel's or an admin's as part of a path: what cannot stand there becomes `_`,
/// dots stay. An empty name becomes `_`, so that no node of a path is empty.
#[must_use]
pub fn sanitise(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    name.chars()
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '_'
            }
        })
        .collect()
}

/// What each path of a collector begins with: a literal prefix of allowed characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme(String);

impl Scheme {
    /// Takes a scheme that somebody gave, and refuses what Graphite cannot take.
    pub fn new(given: &str) -> Result<Self, SchemeError> {
        if given.is_empty() {
            return Err(SchemeError::Empty);
        }
        match given
            .chars()
            .zip(1..)
            .find(|(character, _)| !is_allowed(*character))
        {
            Some((character, position)) => Err(SchemeError::Forbidden {
                character,
                position,
            }),
            None => Ok(Self(given.to_owned())),
        }
    }

    /// `HOST.SUFFIX`, or `HOST` where the suffix is empty; what Graphite cannot take becomes `_`.
    #[must_use]
    pub fn default_for(host: &str, suffix: &str) -> Self {
        let mut scheme = sanitise(host);
        if !suffix.is_empty() {
            scheme.push('.');
            scheme.push_str(&sanitise(suffix));
        }
        Self(scheme)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scheme and the dot before whatever follows.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(self.0.len() + 1);
        prefix.extend_from_slice(self.0.as_bytes());
        prefix.push(b'.');
        prefix
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a scheme cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// It has no characters.
    #[error("the scheme is empty; leave it out to have the host name")]
    Empty,
    /// It has a character that Graphite cannot take.
    #[error(
        "the scheme has {character:?} at position {position}, which Graphite cannot take in a path"
    )]
    Forbidden {
        /// The character.
        character: char,
        /// Where, counted in characters from 1.
        position: usize,
    },
}

/// Writes lines that share a time stamp.
pub(crate) struct Lines<'a> {
    out: &'a mut Vec<u8>,
    stamp: Stamp,
}

/// Lets `fill` append lines to `out`; where it fails, what it wrote is taken back.
pub(crate) fn write<T, E>(
    out: &mut Vec<u8>,
    now: u64,
    fill: impl FnOnce(&mut Lines<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let before = out.len();
    let result = fill(&mut Lines::new(out, now));
    if result.is_err() {
        out.truncate(before);
    }
    result
}

impl<'a> Lines<'a> {
    /// Lines of this time, in seconds since the epoch, to be appended to `out`.
    pub(crate) fn new(out: &'a mut Vec<u8>, now: u64) -> Self {
        let stamp = Stamp::new(now);
        Self { out, stamp }
    }

    /// A line with a whole number. The parts of the path follow each other without a dot.
    #[inline]
    pub(crate) fn number(&mut self, path: &[&[u8]], value: impl itoa::Integer) {
        self.text(path, itoa::Buffer::new().format(value).as_bytes());
    }

    /// A line with a real number, in the shortest form that reads back as the same: 0.2, 6.0.
    pub(crate) fn real(&mut self, path: &[&[u8]], value: f64) {
        self.path(path);
        if write!(self.out, "{value:?}").is_err() {
            // Memory takes all that is written to it.
        }
        self.out.extend_from_slice(self.stamp.as_bytes());
    }

    /// A line whose value is already text.
    #[inline]
    pub(crate) fn text(&mut self, path: &[&[u8]], value: &[u8]) {
        self.texts(path, &[value]);
    }

    /// A line whose value is already text, in parts.
    #[inline]
    pub(crate) fn texts(&mut self, path: &[&[u8]], value: &[&[u8]]) {
        self.path(path);
        for part in value {
            self.out.extend_from_slice(part);
        }
        self.out.extend_from_slice(self.stamp.as_bytes());
    }

    #[inline]
    fn path(&mut self, path: &[&[u8]]) {
        for part in path {
            self.out.extend_from_slice(part);
        }
        self.out.push(b' ');
    }
}

/// ` EPOCH\n`, the same for each line of a collection.
struct Stamp {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Stamp {
    /// A blank, the 20 digits of the largest `u64`, a newline.
    const LONGEST: usize = 22;

    fn new(now: u64) -> Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(now).as_bytes();
        let mut bytes = [b' '; Self::LONGEST];
        let end = digits.iter().chain(b"\n");
        for (to, from) in bytes.iter_mut().skip(1).zip(end) {
            *to = *from;
        }
        Self {
            bytes,
            length: digits.len() + 2,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_path_value_and_time() {
        for (now, stamp) in [(0, "0"), (u64::MAX, "18446744073709551615")] {
            let mut out = Vec::new();
            let done: Result<(), ()> = write(&mut out, now, |lines| {
                lines.number(&[b"a.", b"b"], -7);
                lines.text(&[b"a.c"], b"0.20");
                lines.real(&[b"a.d"], 6.0);
                Ok(())
            });
            assert_eq!(done, Ok(()));
            let text = String::from_utf8(out).unwrap();
            assert_eq!(
                text,
                format!("a.b -7 {stamp}\na.c 0.20 {stamp}\na.d 6.0 {stamp}\n")
            );
        }
    }

    #[test]
    fn a_failure_leaves_the_output_as_it_was() {
        let mut out = b"before\n".to_vec();
        let done: Result<(), &str> = write(&mut out, 1, |lines| {
            lines.number(&[b"a"], 1_u64);
            Err("no")
        });
        assert_eq!(done, Err("no"));
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn a_scheme_names_the_character_and_where_it_is() {
        for character in r#" (){},'"\|*?[];/"#
            .chars()
            .chain(['\t', '\n', '\0', 'ü', '\u{7f}'])
        {
            assert_eq!(
                Scheme::new(&format!("a.é{character}").replace('é', "b")),
                Err(SchemeError::Forbidden {
                    character,
                    position: 4
                })
            );
        }
        assert_eq!(
            Scheme::new("fü r").unwrap_err().to_string(),
            "the scheme has 'ü' at position 2, which Graphite cannot take in a path"
        );
        assert_eq!(Scheme::new(""), Err(SchemeError::Empty));
        assert_eq!(Scheme::new("a.b-c_d:e~%").unwrap().as_str(), "a.b-c_d:e~%");
    }

    #[test]
    fn a_default_scheme_is_made_fit() {
        assert_eq!(
            Scheme::default_for("venus001", "cpu").as_str(),
            "venus001.cpu"
        );
        assert_eq!(
            Scheme::default_for("venus001.lan", "").as_str(),
            "venus001.lan"
        );
        assert_eq!(
            Scheme::default_for("my host/1 ü", "net").as_str(),
            "my_host_1__.net"
        );
        assert_eq!(Scheme::default_for("", "net").as_str(), "_.net");
    }
}
