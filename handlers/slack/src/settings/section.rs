//! The reading of the object below a settings key.

use crate::settings::SettingsError;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use venus_event::{Attributes, Severity};

/// The object below the settings key; what is read is taken out, so that what
/// nobody knows is left over. `null` counts as absent.
pub(super) struct Section<'a> {
    pub(super) key: &'a str,
    pub(super) attributes: Attributes,
}

impl Section<'_> {
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        match self.attributes.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(SettingsError::WrongType {
                    key: self.key.to_owned(),
                    name,
                    wanted,
                }),
            },
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, SettingsError> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, SettingsError> {
        let texts = self.take(name, "an array of strings", |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str().map(str::to_owned)).collect()
        })?;
        Ok(texts.unwrap_or_default())
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        wanted: &'static str,
    ) -> Result<Option<u32>, SettingsError> {
        self.take(name, wanted, |value| {
            let number = u32::try_from(value.as_u64()?).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        least: u32,
        default: u32,
    ) -> Result<Duration, SettingsError> {
        let wanted = if least == 0 {
            "a whole number of seconds, 0 to 3600"
        } else {
            "a whole number of seconds, 1 to 3600"
        };
        let seconds = self.number(name, least..=3600, wanted)?;
        Ok(Duration::from_secs(seconds.unwrap_or(default).into()))
    }

    pub(super) fn link_names(&mut self) -> Result<Option<Value>, SettingsError> {
        let value = self.take("link_names", "0, 1, true or false", |value| {
            (value.is_boolean() || value.is_number()).then(|| value.clone())
        })?;
        Ok(value.filter(|value| *value != Value::Bool(false)))
    }

    /// Attributes of client or check, or several channels: one text, or an array of them.
    pub(super) fn text_or_texts(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<String>, SettingsError> {
        if self.attributes.get(name).is_some_and(Value::is_string) {
            return Ok(self.text(name)?.into_iter().collect());
        }
        self.texts(name)
    }

    pub(super) fn path(&mut self, name: &'static str) -> Result<Option<PathBuf>, SettingsError> {
        self.take(name, "the path of a file or folder, from / on", |value| {
            let path = PathBuf::from(value.as_str()?);
            path.is_absolute().then_some(path)
        })
    }

    pub(super) fn severities(&mut self) -> Result<Vec<Severity>, SettingsError> {
        let wanted = "an array of ok, warning, critical, unknown";
        let severities = self.take("severities", wanted, |value| {
            let names = value.as_array()?.iter();
            names.map(|name| severity(name.as_str()?)).collect()
        })?;
        Ok(severities.unwrap_or_else(|| vec![Severity::Warning, Severity::Critical]))
    }

    /// A line for each that is no setting.
    pub(super) fn warnings(&self) -> Vec<String> {
        let key = self.key;
        let unknown = self.unknown();
        unknown
            .map(|name| format!("{key}.{name} is no setting: ignored"))
            .collect()
    }

    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

fn severity(name: &str) -> Option<Severity> {
    let all = [
        Severity::Ok,
        Severity::Warning,
        Severity::Critical,
        Severity::Unknown,
    ];
    all.into_iter()
        .find(|severity| severity.to_string().eq_ignore_ascii_case(name))
}
