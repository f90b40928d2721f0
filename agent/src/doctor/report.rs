//! What was found.

use serde::Serialize;
use serde_json::json;

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    area: String,
    verdict: Verdict,
    what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Somebody should have a look; the agent works.
    Warn,
    /// Something that the settings ask for does not work.
    Fail,
}

impl Report {
    pub(super) fn ok(&mut self, area: &str, what: impl Into<String>) {
        self.add(area, Verdict::Ok, what.into());
    }

    pub(super) fn warn(&mut self, area: &str, what: impl Into<String>) {
        self.add(area, Verdict::Warn, what.into());
    }

    pub(super) fn fail(&mut self, area: &str, what: impl Into<String>) {
        self.add(area, Verdict::Fail, what.into());
    }

    fn add(&mut self, area: &str, verdict: Verdict, what: String) {
        self.findings.push(Finding {
            area: area.to_owned(),
            verdict,
            what,
        });
    }

    /// Whether nothing is wrong.
    pub(super) fn is_healthy(&self) -> bool {
        let mut all = self.findings.iter();
        all.all(|finding| finding.verdict != Verdict::Fail)
    }

    /// `{"healthy", "findings": [{"area", "verdict", "what"}, …]}`
    pub(super) fn to_json(&self) -> String {
        let whole = json!({ "healthy": self.is_healthy(), "findings": self.findings });
        format!("{whole:#}\n")
    }

    /// A line for each finding, below the name of its area.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut area = "";
        for finding in &self.findings {
            if finding.area != area {
                area = &finding.area;
                text.push_str(&format!("{area}\n"));
            }
            let verdict = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "WARN",
                Verdict::Fail => "FAIL",
            };
            text.push_str(&format!("  {verdict}  {}\n", finding.what));
        }
        let failures = self.findings.iter();
        let failures = failures.filter(|finding| finding.verdict == Verdict::Fail);
        text.push_str(&match failures.count() {
            0 => "Nothing is wrong.\n".to_owned(),
            1 => "1 thing is wrong.\n".to_owned(),
            count => format!("{count} things are wrong.\n"),
        });
        text
    }
}
