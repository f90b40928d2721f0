//! `command`, of checks, hooks, handlers and mutators: what to run.

use super::reader::Reader;
use serde_json::Value;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// A command line for `sh -c`.
    Shell(String),
    /// A program and its arguments, which no shell sees.
    Program(String, Vec<String>),
}

impl Invocation {
    /// What a command has to be.
    pub const FORM: &str = "must be a string, or an array of strings none of which is empty";

    /// Whether a definition may have this as its command.
    #[must_use]
    pub fn is_valid(command: &Value) -> bool {
        let is_word = |word: &Value| word.as_str().is_some_and(|word| !word.is_empty());
        match command {
            Value::String(_) => true,
            Value::Array(words) => !words.is_empty() && words.iter().all(is_word),
            _ => false,
        }
    }

    /// A text for the shell, or an array of the program and its arguments, which is an addition
    /// of ours; tokens may have left empty ones. None for anything else.
    #[must_use]
    pub fn of(command: &Value) -> Option<Self> {
        if let Value::String(line) = command {
            return Some(Self::Shell(line.clone()));
        }
        let words = command.as_array()?.iter();
        let words: Option<Vec<String>> =
            words.map(|word| Some(word.as_str()?.to_owned())).collect();
        let mut words = words?.into_iter();
        Some(Self::Program(words.next()?, words.collect()))
    }

    /// The attribute `command`; none where it is missing, or wrong, which is noted.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let command = reader.get("command")?;
        match command {
            Value::Array(words) if words.is_empty() => {
                reader.problem("command", "must have a program in its array");
            }
            Value::Array(_) => _ = reader.strings("command"),
            Value::String(_) => {}
            _ => reader.problem("command", Self::FORM),
        }
        Self::of(command)
    }

    /// The same where there has to be one.
    pub(super) fn read_required(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.get("command").is_none() {
            reader.problem("command", Self::FORM);
        }
        Self::read(reader)
    }
}
