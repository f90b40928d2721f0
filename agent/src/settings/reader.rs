//! Typed reading of one settings object; what does not fit is noted, not fatal,
//! so that one run reports every mistake.

use serde_json::Value;
use std::time::Duration;
use venus_event::Attributes;
use venus_event::redact::REDACTED;

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What is wrong, in Sensu's words where Sensu has some.
    pub message: String,
    /// The object in which it is wrong.
    pub object: Value,
}

/// Reads the attributes of `object`, which is a `what` ("client", "check", …).
#[derive(Debug)]
pub struct Reader<'a> {
    what: String,
    object: &'a Attributes,
    /// What the problem shows: the whole object, where this is a part of it.
    shown: &'a Attributes,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader of a whole object.
    pub fn new(what: &str, object: &'a Attributes, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            what: what.to_owned(),
            object,
            shown: object,
            problems,
        }
    }

    /// The object that is read.
    #[must_use]
    pub fn object(&self) -> &'a Attributes {
        self.object
    }

    /// Notes a problem: the message is `WHAT KEY MESSAGE`.
    pub fn problem(&mut self, key: &str, message: &str) {
        self.complain(format!("{} {key} {message}", self.what));
    }

    /// Notes a problem, and shows no text of `key`.
    pub fn problem_of_secret(&mut self, key: &str, message: &str) {
        let mut shown = self.shown.clone();
        if let Some(value) = shown.get_mut(key) {
            *value = without_text(value);
        }
        self.problems.push(Problem {
            message: format!("{} {key} {message}", self.what),
            object: Value::Object(shown),
        });
    }

    /// Notes a problem of the object as a whole.
    pub fn complain(&mut self, message: String) {
        self.problems.push(Problem {
            message,
            object: Value::Object(self.shown.clone()),
        });
    }

    /// Notes each key that is none of these.
    pub fn only(&mut self, known: &[&str]) {
        for key in self.object.keys() {
            if !known.contains(&key.as_str()) {
                self.problem(key, &format!("is not known; known: {}", known.join(", ")));
            }
        }
    }

    /// The value of `key`, or none; JSON's null counts as none.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// A string.
    pub fn string(&mut self, key: &str) -> Option<&'a str> {
        self.typed(key, Value::as_str, "must be a string")
    }

    /// A string that has to be there.
    pub fn required_string(&mut self, key: &str) -> Option<&'a str> {
        if self.get(key).is_none() {
            self.problem(key, "must be a string");
        }
        self.string(key)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Option<bool> {
        self.typed(key, Value::as_bool, "must be boolean")
    }

    /// A whole number.
    pub fn integer(&mut self, key: &str) -> Option<i64> {
        self.typed(key, Value::as_i64, "must be an integer")
    }

    /// A number, whole or not.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        self.typed(key, Value::as_f64, "must be numeric")
    }

    /// A number of seconds, 0 or more.
    pub fn seconds(&mut self, key: &str) -> Option<Duration> {
        let duration = Duration::try_from_secs_f64(self.number(key)?);
        if duration.is_err() {
            self.problem(key, "must be 0 or more seconds");
        }
        duration.ok()
    }

    /// A whole number above 0.
    pub fn positive(&mut self, key: &str) -> Option<u64> {
        let number = self.integer(key)?;
        match u64::try_from(number) {
            Ok(number) if number > 0 => Some(number),
            _ => {
                self.problem(key, "must be greater than 0");
                None
            }
        }
    }

    /// A whole number above 0 that 32 bits hold.
    pub fn count(&mut self, key: &str) -> Option<u32> {
        let count = u32::try_from(self.positive(key)?);
        if count.is_err() {
            self.problem(key, &format!("must be at most {}", u32::MAX));
        }
        count.ok()
    }

    /// A TCP or UDP port, 1 to 65535.
    pub fn port(&mut self, key: &str) -> Option<u16> {
        let number = self.integer(key)?;
        match u16::try_from(number) {
            Ok(port) if port > 0 => Some(port),
            _ => {
                self.problem(key, "must be from 1 to 65535");
                None
            }
        }
    }

    /// An array of strings none of which is empty.
    pub fn strings(&mut self, key: &str) -> Option<Vec<&'a str>> {
        let array = self.typed(key, Value::as_array, "must be an array")?;
        let strings: Option<Vec<&str>> = array
            .iter()
            .map(|item| item.as_str().filter(|text| !text.is_empty()))
            .collect();
        if strings.is_none() {
            self.problem(key, "must each be a string that is not empty");
        }
        strings
    }

    /// An object inside this one, as `WHAT KEY`.
    pub fn child(&mut self, key: &str) -> Option<Reader<'_>> {
        let object = self.typed(key, Value::as_object, "must be a hash")?;
        Some(Reader {
            what: format!("{} {key}", self.what),
            object,
            shown: self.shown,
            problems: self.problems,
        })
    }

    /// An object of the array `key`, as `WHAT KEY`.
    pub fn entry<'b>(&'b mut self, key: &str, object: &'b Attributes) -> Reader<'b>
    where
        'a: 'b,
    {
        Reader {
            what: format!("{} {key}", self.what),
            object,
            shown: self.shown,
            problems: self.problems,
        }
    }

    fn typed<T>(
        &mut self,
        key: &str,
        as_type: impl Fn(&'a Value) -> Option<T>,
        message: &str,
    ) -> Option<T> {
        let value = self.get(key)?;
        let typed = as_type(value);
        if typed.is_none() {
            self.problem(key, message);
        }
        typed
    }
}

/// A value with `REDACTED` in the place of each text, where one may be a secret
/// that has no form to know it by.
pub(super) fn without_text(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from(REDACTED),
        Value::Array(items) => items.iter().map(without_text).collect(),
        other => other.clone(),
    }
}

/// Sensu's pattern for names of clients and checks: `\A[\w\.-]+\z`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}
