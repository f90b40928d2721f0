//! The options of a collector: one declared table feeds the command line, its help and the
//! attributes of a check in the agent's settings.

use std::time::Duration;

use regex_lite::Regex;

/// The longest time that an option takes.
const LONGEST: Duration = Duration::from_hours(1);

/// One option of a collector.
#[derive(Debug)]
pub struct OptionSpec {
    /// The long name, e.g. `include-device`.
    pub name: &'static str,
    /// The short one, e.g. `i`.
    pub short: Option<char>,
    /// What values it takes.
    pub kind: Kind,
    /// How help calls the value, e.g. `REGEX`; empty for a flag.
    pub value_name: &'static str,
    /// One line of help.
    pub help: &'static str,
}

impl OptionSpec {
    /// Its name as an attribute of a check definition: `include_device`.
    #[must_use]
    pub fn attribute(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether an attribute is this one.
    #[must_use]
    pub fn is_attribute(&self, name: &str) -> bool {
        let letters = self.name.bytes().map(|byte| match byte {
            b'-' => b'_',
            other => other,
        });
        name.len() == self.name.len() && letters.eq(name.bytes())
    }
}

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`; `false` if not given. On the command line it takes no value.
    Flag,
    /// A regular expression, searched for anywhere in the name.
    Regex,
    /// One of these words; the first if not given.
    Choice(&'static [&'static str]),
    /// Any text that is not empty: a path, an address.
    Text,
    /// A time in seconds, above 0, up to an hour; may have a fraction.
    Seconds,
}

/// The options' values for one collector. Each was checked when it was set.
#[derive(Debug, Clone)]
pub struct Given {
    options: &'static [OptionSpec],
    values: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
enum Value {
    Flag(bool),
    Regex(Regex),
    Choice(&'static str),
    Text(String),
    Seconds(Duration),
}

impl Given {
    /// None set yet, for a collector with these options.
    #[must_use]
    pub fn of(options: &'static [OptionSpec]) -> Self {
        Self {
            options,
            values: Vec::new(),
        }
    }

    /// Sets the option of this long name. A later value replaces an earlier one.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let option = self
            .options
            .iter()
            .find(|option| option.name == name)
            .ok_or_else(|| OptionError::Unknown {
                name: name.to_owned(),
            })?;
        let bad = |why: String| OptionError::BadValue {
            name: option.name,
            value: value.to_owned(),
            why,
        };
        let parsed = match option.kind {
            Kind::Flag => Value::Flag(
                value
                    .parse()
                    .map_err(|_| bad("use true or false".to_owned()))?,
            ),
            Kind::Regex => Value::Regex(Regex::new(value).map_err(|error| bad(error.to_string()))?),
            Kind::Choice(words) => Value::Choice(
                words
                    .iter()
                    .find(|word| **word == value)
                    .ok_or_else(|| bad(format!("use one of {}", words.join(", "))))?,
            ),
            Kind::Text if value.is_empty() => return Err(bad("it is empty".to_owned())),
            Kind::Text => Value::Text(value.to_owned()),
            Kind::Seconds => Value::Seconds(
                value
                    .parse()
                    .ok()
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .filter(|time| !time.is_zero() && *time <= LONGEST)
                    .ok_or_else(|| bad("use seconds, above 0 and up to 3600".to_owned()))?,
            ),
        };
        self.values.retain(|(name, _)| *name != option.name);
        self.values.push((option.name, parsed));
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.values
            .iter()
            .find_map(|(of, value)| (*of == name).then_some(value))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Flag(true)))
    }

    pub(crate) fn regex(&self, name: &str) -> Option<&Regex> {
        match self.value(name)? {
            Value::Regex(regex) => Some(regex),
            Value::Flag(_) | Value::Choice(_) | Value::Text(_) | Value::Seconds(_) => None,
        }
    }

    pub(crate) fn choice(&self, name: &str) -> Option<&'static str> {
        match self.value(name)? {
            Value::Choice(word) => Some(word),
            Value::Flag(_) | Value::Regex(_) | Value::Text(_) | Value::Seconds(_) => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Flag(_) | Value::Regex(_) | Value::Choice(_) | Value::Seconds(_) => None,
        }
    }

    pub(crate) fn seconds(&self, name: &str) -> Option<Duration> {
        match self.value(name)? {
            Value::Seconds(time) => Some(*time),
            Value::Flag(_) | Value::Regex(_) | Value::Choice(_) | Value::Text(_) => None,
        }
    }
}

/// An option that a collector does not have, or a value that it does not take.
#[derive(Debug, thiserror::Error)]
pub enum OptionError {
    /// No option of this name.
    #[error("unknown option '{name}'")]
    Unknown {
        /// As it was given.
        name: String,
    },
    /// The value does not fit the option.
    #[error("option '{name}' cannot be '{value}': {why}")]
    BadValue {
        /// The option.
        name: &'static str,
        /// As it was given.
        value: String,
        /// What is wrong with it, or what to use.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    static OPTIONS: [OptionSpec; 5] = [
        OptionSpec {
            name: "per-core",
            short: None,
            kind: Kind::Flag,
            value_name: "",
            help: "",
        },
        OptionSpec {
            name: "include-device",
            short: Some('i'),
            kind: Kind::Regex,
            value_name: "REGEX",
            help: "",
        },
        OptionSpec {
            name: "link-layer",
            short: None,
            kind: Kind::Choice(&["all", "ethernet"]),
            value_name: "LAYER",
            help: "",
        },
        OptionSpec {
            name: "docker-host",
            short: None,
            kind: Kind::Text,
            value_name: "URI",
            help: "",
        },
        OptionSpec {
            name: "timeout",
            short: None,
            kind: Kind::Seconds,
            value_name: "SECONDS",
            help: "",
        },
    ];

    fn error(name: &str, value: &str) -> String {
        Given::of(&OPTIONS)
            .set(name, value)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn takes_what_the_table_allows() {
        let mut given = Given::of(&OPTIONS);
        assert!(!given.flag("per-core"));
        given.set("per-core", "true").unwrap();
        given.set("include-device", "^eth").unwrap();
        given.set("link-layer", "all").unwrap();
        given.set("link-layer", "ethernet").unwrap();
        given.set("docker-host", "unix:///s").unwrap();
        given.set("timeout", "0.5").unwrap();
        assert!(given.flag("per-core"));
        assert!(given.regex("include-device").unwrap().is_match("eth0"));
        assert_eq!(given.choice("link-layer"), Some("ethernet"));
        assert_eq!(given.text("docker-host"), Some("unix:///s"));
        assert_eq!(given.seconds("timeout"), Some(Duration::from_millis(500)));
        assert_eq!(given.text("timeout"), None);
    }

    #[test]
    fn names_the_option_that_is_wrong() {
        assert_eq!(error("colour", "x"), "unknown option 'colour'");
        assert_eq!(
            error("per-core", "1"),
            "option 'per-core' cannot be '1': use true or false"
        );
        assert_eq!(
            error("link-layer", "ib"),
            "option 'link-layer' cannot be 'ib': use one of all, ethernet"
        );
        assert_eq!(
            error("docker-host", ""),
            "option 'docker-host' cannot be '': it is empty"
        );
        for bad in ["0", "-1", "3601", "1e999", "nan", "", "2s"] {
            assert_eq!(
                error("timeout", bad),
                format!("option 'timeout' cannot be '{bad}': use seconds, above 0 and up to 3600")
            );
        }
        assert!(
            error("include-device", "(").starts_with("option 'include-device' cannot be '(': ")
        );
    }

    #[test]
    fn an_attribute_has_underscores() {
        assert_eq!(OPTIONS[1].attribute(), "include_device");
        assert!(OPTIONS[1].is_attribute("include_device"));
        for other in ["include-device", "include_devic", "include_devices", ""] {
            assert!(!OPTIONS[1].is_attribute(other), "{other}");
        }
    }
}
