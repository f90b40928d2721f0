//! The log: one JSON object a line, as Sensu writes it, or words for a person.

use chrono::{DateTime, Local};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use venus_event::redact;

/// How much somebody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What only a developer wants to know: every result, every request.
    Debug,
    /// What happens: started, connected, stopped.
    Info,
    /// What somebody should look at some day.
    Warn,
    /// What went wrong, while the agent goes on.
    Error,
    /// Why the agent does not go on.
    Fatal,
}

impl Level {
    /// All levels by their names on the command line.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("fatal", Self::Fatal),
    ];

    fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, level)| *level == self)
            .map_or("", |(name, _)| name)
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"timestamp":…,"level":…,"message":…, data}`
    Json,
    /// `17:30:03 warn  message  key: value`, in colours or without.
    Words {
        /// Whether to use ANSI colours.
        colours: bool,
    },
}

/// Where the lines go.
#[derive(Debug)]
enum Sink {
    Stdout,
    Stderr,
    File { path: PathBuf, file: File },
}

/// A handle on the log; its copies write to the same place.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    level: Level,
    /// Everything is written for now, whatever the level.
    debugging: Cell<bool>,
    format: Format,
    sink: RefCell<Sink>,
    secrets: RefCell<Vec<String>>,
}

impl Log {
    /// A log on standard output, where sensu-client writes without `-l`.
    #[must_use]
    pub fn stdout(level: Level) -> Self {
        Self::new(level, Format::Json, Sink::Stdout)
    }

    /// A log on standard error, for when standard output carries metrics.
    #[must_use]
    pub fn stderr(level: Level, format: Format) -> Self {
        Self::new(level, format, Sink::Stderr)
    }

    /// A log in a file, appended to.
    pub fn file(level: Level, path: &Path) -> io::Result<Self> {
        let sink = Sink::File {
            path: path.to_owned(),
            file: append_to(path)?,
        };
        Ok(Self::new(level, Format::Json, sink))
    }

    fn new(level: Level, format: Format, sink: Sink) -> Self {
        Self {
            shared: Rc::new(Shared {
                level,
                debugging: Cell::new(false),
                format,
                sink: RefCell::new(sink),
                secrets: RefCell::default(),
            }),
        }
    }

    /// Keys whose values are written as `REDACTED` from now on, beside Sensu's
    /// own and the passwords of URIs.
    pub fn redact(&self, keys: &[String]) {
        *self.shared.secrets.borrow_mut() = keys.to_vec();
    }

    /// Opens the log file anew, after somebody moved it away.
    pub fn reopen(&self) {
        let failed = match &mut *self.shared.sink.borrow_mut() {
            Sink::Stdout | Sink::Stderr => None,
            Sink::File { path, file } => match append_to(path) {
                Ok(new) => {
                    *file = new;
                    None
                }
                Err(error) => Some(format!("cannot open {}: {error}", path.display())),
            },
        };
        if let Some(error) = failed {
            let data = serde_json::json!({ "error": error });
            self.error("log file not reopened, the old one is kept", data);
        }
    }

    /// From now on everything is written, or again only what the level asks for.
    pub fn toggle_debug(&self) {
        let debugging = &self.shared.debugging;
        debugging.set(!debugging.get());
        let state = if debugging.get() { "on" } else { "off" };
        self.warn(&format!("debugging is {state}"), Value::Null);
    }

    /// Whether lines of this level are written.
    #[must_use]
    pub fn shows(&self, level: Level) -> bool {
        level >= self.shared.level || self.shared.debugging.get()
    }

    /// Writes a line at level debug.
    pub fn debug(&self, message: &str, data: Value) {
        self.write(Level::Debug, message, data);
    }

    /// Writes a line at level info.
    pub fn info(&self, message: &str, data: Value) {
        self.write(Level::Info, message, data);
    }

    /// Writes a line at level warn.
    pub fn warn(&self, message: &str, data: Value) {
        self.write(Level::Warn, message, data);
    }

    /// Writes a line at level error.
    pub fn error(&self, message: &str, data: Value) {
        self.write(Level::Error, message, data);
    }

    /// Writes a line at level fatal.
    pub fn fatal(&self, message: &str, data: Value) {
        self.write(Level::Fatal, message, data);
    }

    /// Writes a line.
    pub fn write(&self, level: Level, message: &str, data: Value) {
        if !self.shows(level) {
            return;
        }
        let data = match data {
            Value::Object(data) => data,
            Value::Null => Map::new(),
            other => Map::from_iter([("data".to_owned(), other)]),
        };
        // Messages are ours; what comes from elsewhere is in the data.
        let data = redact::shown(&data, &self.shared.secrets.borrow());
        let now = crate::clock::local_now();
        let line = match self.shared.format {
            Format::Json => json_line(now, level, message, data),
            Format::Words { colours } => words_line(now, level, message, &data, colours),
        };
        // A log that cannot be written has nobody to complain to, and the agent
        // has better to do than to die of a full disk.
        drop(self.shared.sink.borrow_mut().write(line.as_bytes()));
    }
}

impl Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(line)?;
                stdout.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(line),
            Self::File { file, .. } => file.write_all(line),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn json_line(
    now: DateTime<Local>,
    level: Level,
    message: &str,
    data: Map<String, Value>,
) -> String {
    let timestamp = now.format("%Y-%m-%dT%H:%M:%S%.6f%z").to_string();
    let mut line = Map::from_iter([
        ("timestamp".to_owned(), Value::from(timestamp)),
        ("level".to_owned(), Value::from(level.name())),
        ("message".to_owned(), Value::from(message)),
    ]);
    for (key, value) in data {
        line.entry(key).or_insert(value);
    }
    format!("{}\n", Value::Object(line))
}

fn words_line(
    now: DateTime<Local>,
    level: Level,
    message: &str,
    data: &Map<String, Value>,
    colours: bool,
) -> String {
    let colour = match level {
        Level::Debug => "2",
        Level::Info => "36",
        Level::Warn => "33",
        Level::Error | Level::Fatal => "31",
    };
    let paint = |style: &str, text: &dyn fmt::Display| {
        if colours {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    };
    let mut line = format!(
        "{} {} {message}",
        paint("2", &now.format("%H:%M:%S")),
        paint(colour, &format_args!("{:5}", level.name())),
    );
    for (key, value) in data {
        let shown = match value {
            Value::String(text) => text.trim_end().replace('\n', " "),
            other => other.to_string(),
        };
        line.push_str("  ");
        line.push_str(&paint("2", &format_args!("{key}: {shown}")));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::{collection, sample};
    use serde_json::json;

    fn logged(write: impl Fn(&Log)) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        write(&Log::file(Level::Info, &path).unwrap());
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn b_a_line_is_an_object_that_begins_as_sensus_lines_do() {
        let line = logged(|log| {
            log.warn("careful", json!({"file": "x", "message": "is taken"}));
            log.debug("not shown", Value::Null);
        });
        let value: Value = serde_json::from_str(&line).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["timestamp", "level", "message", "file"]);
        assert_eq!(value["level"], "warn");
        let stamp = value["timestamp"].as_str().unwrap();
        assert!(
            DateTime::parse_from_str(stamp, "%Y-%m-%dT%H:%M:%S%.6f%z").is_ok(),
            "{stamp}"
        );
    }

    #[test]
    fn b_secrets_do_not_reach_the_log() {
        let line = logged(|log| {
            log.redact(&["pin".to_owned()]);
            log.info("client", json!({"client": {"password": "hunter2"}}));
            log.info(
                "client",
                json!({"list": [{"pin": "1234"}, "amqp://u:hunter2@h"]}),
            );
        });
        assert!(
            !line.contains("hunter2") && !line.contains("1234"),
            "{line}"
        );
    }

    /// A secret under a key that is one, at some depth.
    fn secret() -> impl Strategy<Value = Value> {
        let key = prop_oneof![
            sample::select(&redact::DEFAULT_KEYS[..]).prop_map(str::to_owned),
            sample::select(&["token", "slack_token", "Webhook", "pin"][..]).prop_map(str::to_owned),
        ];
        let steps = collection::vec(any::<Option<bool>>(), 0..6);
        (key, steps).prop_map(|(key, steps)| {
            let inside = json!({ key: "hunter2" });
            steps.into_iter().fold(inside, |inside, step| match step {
                Some(true) => json!({"a": 1, "b": inside, "c": "d"}),
                Some(false) => json!([null, inside]),
                // As it is when it was quoted.
                None => Value::from(inside.to_string()),
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn b_no_secret_reaches_the_log_at_any_depth_in_any_form(data in secret()) {
            let dir = tempfile::tempdir().unwrap();
            let sink = |name: &str| {
                let path = dir.path().join(name);
                let file = append_to(&path).unwrap();
                Sink::File { path, file }
            };
            let words = Format::Words { colours: false };
            for (name, format) in [("json", Format::Json), ("words", words)] {
                let log = Log::new(Level::Debug, format, sink(name));
                log.redact(&["pin".to_owned()]);
                log.debug("received", data.clone());
                log.error("wrong", json!({ "object": data, "error": data.to_string() }));
                let written = std::fs::read_to_string(dir.path().join(name)).unwrap();
                prop_assert!(written.contains("received"));
                prop_assert!(!written.contains("hunter2"), "{}", written);
            }
        }
    }

    #[test]
    fn b_a_log_file_that_was_moved_away_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = Log::file(Level::Info, &path).unwrap();
        log.info("before", Value::Null);
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        log.reopen();
        log.info("after", Value::Null);
        assert!(std::fs::read_to_string(&path).unwrap().contains("after"));
    }
}
