//! Many things looked at by one check, and one answer for all of them.

use crate::status::{Outcome, Status};

/// How many are named in the first line; they follow below it if there are more.
const NAMED: usize = 5;

/// What is wrong with the things that a check looks at, each with how bad it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<(Status, String)>);

impl Findings {
    /// Adds one. What is `Ok` is none.
    pub fn add(&mut self, status: Status, what: impl Into<String>) {
        if status != Status::Ok {
            self.0.push((status, what.into()));
        }
    }

    /// How it stands with all of them together.
    #[must_use]
    pub fn worst(&self) -> Status {
        self.0
            .iter()
            .fold(Status::Ok, |worst, (status, _)| worst.worst(*status))
    }

    /// One line for all of them, the worst first; `all_right` if there are none.
    #[must_use]
    pub fn outcome(self, all_right: impl Into<String>) -> Outcome {
        let worst = self.worst();
        let mut found = self.0;
        if found.is_empty() {
            return Outcome::new(Status::Ok, all_right);
        }
        // Stable, so that those of one status stay in the order in which they were found.
        found.sort_by_key(|(status, _)| std::cmp::Reverse(status.rank()));
        let named: Vec<&str> = found
            .iter()
            .take(NAMED)
            .map(|(_, what)| what.as_str())
            .collect();
        let mut what = named.join("; ");
        let mut details = Vec::new();
        if found.len() > NAMED {
            what.push_str(&format!("; and {} more, below", found.len() - NAMED));
            details = found
                .iter()
                .map(|(status, what)| format!("{status}: {what}"))
                .collect();
        }
        Outcome {
            details,
            ..Outcome::new(worst, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_decides() {
        let mut findings = Findings::default();
        findings.add(Status::Ok, "never seen");
        assert_eq!(
            findings.clone().outcome("fine"),
            Outcome::new(Status::Ok, "fine")
        );
        for (status, what) in [
            (Status::Unknown, "a"),
            (Status::Warning, "b"),
            (Status::Critical, "c"),
            (Status::Critical, "d"),
        ] {
            findings.add(status, what);
        }
        assert_eq!(
            findings.clone().outcome("fine"),
            Outcome::new(Status::Critical, "c; d; b; a")
        );
        findings.add(Status::Warning, "e");
        findings.add(Status::Warning, "f");
        let outcome = findings.outcome("fine");
        assert_eq!(outcome.what, "c; d; b; e; f; and 1 more, below");
        assert_eq!(outcome.details.len(), 6);
        assert_eq!(outcome.details.last().unwrap(), "UNKNOWN: a");
    }
}
