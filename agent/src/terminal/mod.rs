//! What a person or a pipe sees of an agent without a broker.

mod summary;

use crate::clock;
use crate::log::Log;
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use summary::Summary;
use venus_event::{CheckResult, Severity};

/// Metric lines to standard output, news of checks to the log.
pub struct Terminal {
    log: Log,
    /// Whether standard output is a terminal: then the same lines in colours,
    /// and a summary below them.
    colours: bool,
    severities: RefCell<HashMap<String, Severity>>,
    summary: RefCell<Summary>,
}

impl Terminal {
    /// A terminal that says on `log` how checks are.
    #[must_use]
    pub fn new(log: Log, colours: bool) -> Self {
        Self {
            log,
            colours,
            severities: RefCell::default(),
            summary: RefCell::default(),
        }
    }

    /// Shows results that came together.
    pub fn show(&self, results: &[Rc<CheckResult>]) -> io::Result<()> {
        let mut text = String::new();
        let mut summary = self.summary.borrow_mut();
        for result in results {
            if !result.is_metric() || result.severity() != Severity::Ok {
                self.tell(result);
            } else if self.colours {
                summary.take(result);
                let lines = result.output().lines();
                lines.for_each(|line| paint(line, &mut text));
            } else {
                text.push_str(result.output());
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.colours {
            let time = clock::local_now().format("%H:%M:%S");
            let facts = summary.finish();
            text.push_str(&format!("\x1b[7m {time}  {facts} \x1b[0m\n"));
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Says how a check is, when that is news.
    fn tell(&self, result: &CheckResult) {
        let severity = result.severity();
        let name = result.name().to_owned();
        if self.severities.borrow_mut().insert(name, severity) == Some(severity) {
            return;
        }
        let message = format!("{severity}: {}", result.name());
        let data = json!({ "output": result.output().trim_end() });
        match severity {
            Severity::Ok => self.log.info(&message, data),
            Severity::Warning => self.log.warn(&message, data),
            Severity::Unknown | Severity::Critical => self.log.error(&message, data),
        }
    }
}

/// `PATH VALUE EPOCH` with the last node of the path and the value standing out.
fn paint(line: &str, text: &mut String) {
    let mut words = line.splitn(3, ' ');
    let (Some(path), Some(value), Some(time)) = (words.next(), words.next(), words.next()) else {
        text.push_str(line);
        text.push('\n');
        return;
    };
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let dot = if parent.is_empty() { "" } else { "." };
    text.push_str(&format!(
        "\x1b[2m{parent}{dot}\x1b[0m{name} \x1b[1;36m{value}\x1b[0m \x1b[2m{time}\x1b[0m\n"
    ));
}
