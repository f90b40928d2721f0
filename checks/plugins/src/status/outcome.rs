//! What a check found, and how that is printed.

use crate::status::{Perfdata, Status};

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
        let (status, what) = (self.status, plain(&self.what));
        text.push_str(&format!(" {status}{separator} {what}"));
        if with_perfdata && !self.perfdata.is_empty() {
            text.push_str(" |");
            for figure in &self.perfdata {
                text.push(' ');
                text.push_str(&figure.to_string());
            }
        }
        text.push('\n');
        for line in &self.details {
            text.push_str(&plain(line));
            text.push('\n');
        }
        text
    }
}

/// Whether a check with this title answers as one of the community's shell scripts does.
pub(crate) fn is_of_a_script(title: &str) -> bool {
    !title.chars().any(char::is_lowercase)
}

/// One line without what begins figures: control characters become blanks, `|` becomes `/`.
fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .map(|character| match character {
            '|' => '/',
            '\u{2028}' | '\u{2029}' => ' ',
            other if other.is_control() => ' ',
            other => other,
        })
        .collect()
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
    }
}
