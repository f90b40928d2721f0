//! The options `--include-device` and `--ignore-device`, which collectors share that show devices.

use regex_lite::Regex;

use crate::options::{Given, Kind, OptionSpec};

pub(super) const INCLUDE: OptionSpec = OptionSpec {
    name: "include-device",
    short: Some('i'),
    kind: Kind::Regex,
    value_name: "REGEX",
    help: "Show only devices whose name has a match",
};
pub(super) const IGNORE: OptionSpec = OptionSpec {
    name: "ignore-device",
    short: Some('I'),
    kind: Kind::Regex,
    value_name: "REGEX",
    help: "Leave out devices whose name has a match, even if included",
};

/// Which devices are to be shown, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    include: Option<Regex>,
    ignore: Option<Regex>,
}

impl Filter {
    /// What those options say.
    pub(super) fn given(given: &Given) -> Self {
        Self {
            include: given.regex(INCLUDE.name).cloned(),
            ignore: given.regex(IGNORE.name).cloned(),
        }
    }

    pub(super) fn shows(&self, name: &str) -> bool {
        let matches = |regex: &Regex| regex.is_match(name);
        self.include.as_ref().is_none_or(matches) && !self.ignore.as_ref().is_some_and(matches)
    }
}
