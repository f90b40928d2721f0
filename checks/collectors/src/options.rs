//! The options of a collector: one declared table feeds the command line, its help and the
//! attributes of a check in the agent's settings.

use regex_lite::Regex;

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
        match self.value(name) {
            Some(Value::Regex(regex)) => Some(regex),
            Some(Value::Flag(_) | Value::Choice(_)) | None => None,
        }
    }

    pub(crate) fn choice(&self, name: &str) -> Option<&'static str> {
        match self.value(name) {
            Some(Value::Choice(word)) => Some(word),
            Some(Value::Flag(_) | Value::Regex(_)) | None => None,
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

    static OPTIONS: [OptionSpec; 3] = [
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
        assert!(given.flag("per-core"));
        assert!(given.regex("include-device").unwrap().is_match("eth0"));
        assert_eq!(given.choice("link-layer"), Some("ethernet"));
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
        assert!(
            error("include-device", "(").starts_with("option 'include-device' cannot be '(': ")
        );
    }

    #[test]
    fn an_attribute_has_underscores() {
        assert_eq!(OPTIONS[1].attribute(), "include_device");
    }
}
