//! What a check found, and how that is printed.

use crate::status::{Perfdata, Status};

/// The longest first line, in characters: what is shown in one message anywhere.
const LONGEST_LINE: usize = 4000;
/// The longest of those below it, and how many of them there are.
const LONGEST_DETAIL: usize = 1000;
const MOST_DETAILS: usize = 100;

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it stands.
    pub status: Status,
    /// What of several things it is about, where the title says it: `TOTAL` in `CheckCPU TOTAL OK`;
    /// may be empty.
    pub subject: String,
    /// What it found, in one line that is complete without those below it.
    pub what: String,
    /// More of it, a line each.
    pub details: Vec<String>,
    /// The figures.
    pub perfdata: Vec<Perfdata>,
}

impl Outcome {
    /// Without details and figures.
    #[must_use]
    pub fn new(status: Status, what: impl Into<String>) -> Self {
        Self {
            status,
            subject: String::new(),
            what: what.into(),
            details: Vec::new(),
            perfdata: Vec::new(),
        }
    }

    /// The lines to print: `TITLE STATUS: what`, the figures after a `|` where they are wanted,
    /// then the details. A title in capitals is that of one of the community's shell scripts, which
    /// write `MEM STATUS - what`. What is between comes partly from outside, and can forge neither a line
    /// nor figures.
    #[must_use]
    pub fn text(&self, title: &str, with_perfdata: bool) -> String {
        let mut text = title.to_owned();
        if !self.subject.is_empty() {
            text.push_str(&format!(" {}", plain(&self.subject)));
        }
        let separator = if is_of_a_script(title) { " -" } else { ":" };
        let (status, what) = (self.status, cut(&plain(&self.what), LONGEST_LINE));
        text.push_str(&format!(" {status}{separator} {what}"));
        if with_perfdata && !self.perfdata.is_empty() {
            text.push_str(" |");
            for figure in &self.perfdata {
                text.push(' ');
                text.push_str(&figure.to_string());
            }
        }
        text.push('\n');
        for line in self.details.iter().take(MOST_DETAILS) {
            text.push_str(&cut(&plain(line), LONGEST_DETAIL));
            text.push('\n');
        }
        match self.details.len().saturating_sub(MOST_DETAILS) {
            0 => {}
            more => text.push_str(&format!("and {more} more\n")),
        }
        text
    }
}

/// Whether a check with this title answers as one of the community's shell scripts does.
pub(crate) fn is_of_a_script(title: &str) -> bool {
    !title.chars().any(char::is_lowercase)
}

/// One line without what begins figures: control characters, and those that change what is read
/// without being seen, become blanks, `|` becomes `/`.
fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .map(|character| match character {
            '|' => '/',
            other if other.is_control() || is_unseen(other) => ' ',
            other => other,
        })
        .collect()
}

/// Separators of lines, and what has no width or turns the direction of writing.
pub(super) fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// At most this many characters.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => {
            let (kept, _) = text.split_at(end);
            format!("{kept} … (cut)")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Unit;

    #[test]
    fn one_line_then_details() {
        let mut outcome = Outcome::new(Status::Warning, "1 port is Down");
        assert_eq!(
            outcome.text("CheckX", true),
            "CheckX WARNING: 1 port is Down\n"
        );
        outcome.details = vec!["mlx4_0 port 1: Down".to_owned()];
        outcome.perfdata = vec![
            Perfdata::new("ports", 2, Unit::None),
            Perfdata::new("active", 1, Unit::None),
        ];
        assert_eq!(
            outcome.text("CheckX", true),
            "CheckX WARNING: 1 port is Down | 'ports'=2 'active'=1\nmlx4_0 port 1: Down\n"
        );
        assert_eq!(
            outcome.text("CheckX", false),
            "CheckX WARNING: 1 port is Down\nmlx4_0 port 1: Down\n"
        );
    }

    #[test]
    fn words_are_those_of_the_community() {
        let mut outcome = Outcome::new(Status::Ok, "total=0.5");
        assert_eq!(outcome.text("MEM", false), "MEM OK - total=0.5\n");
        outcome.subject = "TOTAL".to_owned();
        assert_eq!(
            outcome.text("CheckCPU", false),
            "CheckCPU TOTAL OK: total=0.5\n"
        );
    }

    #[test]
    fn text_from_outside_forges_nothing() {
        let mut outcome = Outcome::new(
            Status::Ok,
            "a | 'b'=1\r\nCheckX OK:\u{2028}c\u{85}\u{1b}[1m\n",
        );
        outcome.details = vec!["x\ny | z=1".to_owned()];
        let text = outcome.text("CheckX", false);
        assert_eq!(text, "CheckX OK: a / 'b'=1  CheckX OK: c  [1m\nx y / z=1\n");
        let turned = Outcome::new(Status::Ok, "a\u{202e}b\u{200b}c");
        assert_eq!(turned.text("CheckX", false), "CheckX OK: a b c\n");
    }

    #[test]
    fn there_is_an_end_to_what_is_said() {
        let mut outcome = Outcome::new(Status::Ok, "x".repeat(1 << 20));
        outcome.details = vec!["y".repeat(5000); 1000];
        let text = outcome.text("CheckX", false);
        assert!(text.len() < 110_000, "{}", text.len());
        assert!(text.starts_with("CheckX OK: xxx") && text.ends_with("\nand 900 more\n"));
        assert_eq!(text.lines().count(), 102);
    }
}
