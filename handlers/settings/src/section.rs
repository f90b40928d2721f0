//! The object below a settings key, as handlers read it.

use serde_json::Value;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use venus_event::Attributes;

/// Below here is a folder for each settings key.
const SPOOLS: &str = "/var/spool/venus";

/// The object below a settings key. What is read is taken out, so that what nobody knows is left
/// over. `null` counts as absent.
#[derive(Debug)]
pub struct Section<'a> {
    key: &'a str,
    attributes: Attributes,
}

/// A setting of another type, or out of its range. The value is not repeated: it might be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}.{name} must be {wanted}")]
pub struct WrongType {
    /// The settings key.
    pub key: String,
    /// The setting below it.
    pub name: &'static str,
    /// What belongs there.
    pub wanted: &'static str,
}

impl<'a> Section<'a> {
    /// What stands below this key.
    #[must_use]
    pub fn new(key: &'a str, attributes: Attributes) -> Self {
        Self { key, attributes }
    }

    /// The settings key.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// Whatever `read` makes of a setting; where that is nothing, it must be `wanted`.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, WrongType> {
        match self.attributes.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(WrongType {
                    key: self.key.to_owned(),
                    name,
                    wanted,
                }),
            },
        }
    }

    /// A string.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, WrongType> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// Strings; none where there is no such setting.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>, WrongType> {
        let texts = self.take(name, "an array of strings", |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str().map(str::to_owned)).collect()
        })?;
        Ok(texts.unwrap_or_default())
    }

    /// One string, or an array of them.
    pub fn text_or_texts(&mut self, name: &'static str) -> Result<Vec<String>, WrongType> {
        if self.attributes.get(name).is_some_and(Value::is_string) {
            return Ok(self.text(name)?.into_iter().collect());
        }
        self.texts(name)
    }

    /// `true` or `false`; false where there is no such setting.
    pub fn flag(&mut self, name: &'static str) -> Result<bool, WrongType> {
        let flag = self.take(name, "true or false", Value::as_bool)?;
        Ok(flag.unwrap_or(false))
    }

    /// The path of a file or folder.
    pub fn path(&mut self, name: &'static str) -> Result<Option<PathBuf>, WrongType> {
        self.take(name, "the path of a file or folder, from / on", |value| {
            let path = PathBuf::from(value.as_str()?);
            path.is_absolute().then_some(path)
        })
    }

    /// The folder in which events wait: each settings key has its own.
    pub fn spool_dir(&mut self) -> Result<PathBuf, WrongType> {
        let given = self.text("spool_dir")?.filter(|path| !path.is_empty());
        Ok(given.map_or_else(|| self.default_spool_dir(), PathBuf::from))
    }

    /// The same where the settings name none.
    #[must_use]
    pub fn default_spool_dir(&self) -> PathBuf {
        let is_plain = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
        let name = self.key.replace(|one| !is_plain(one), "_");
        PathBuf::from(SPOOLS).join(name)
    }

    /// A number, which may be a text of digits.
    pub fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        wanted: &'static str,
    ) -> Result<Option<u64>, WrongType> {
        self.take(name, wanted, |value| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            range.contains(&number).then_some(number)
        })
    }

    /// A number of seconds, from 0 or 1 to an hour.
    pub fn seconds(
        &mut self,
        name: &'static str,
        least: u64,
    ) -> Result<Option<Duration>, WrongType> {
        let wanted = if least == 0 {
            "a whole number of seconds, 0 to 3600"
        } else {
            "a whole number of seconds, 1 to 3600"
        };
        let seconds = self.whole(name, least..=3600, wanted)?;
        Ok(seconds.map(Duration::from_secs))
    }

    /// What is left, and so no setting.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }

    /// A line for each that is left.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let key = self.key;
        let unknown = self.unknown();
        unknown
            .map(|name| format!("{key}.{name} is no setting: ignored"))
            .collect()
    }
}
