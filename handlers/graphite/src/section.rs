//! The object below a settings key. What is read is taken out, so that what nobody knows is left
//! over. `null` counts as absent.

use crate::settings::SettingsError;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::time::Duration;
use venus_event::Attributes;

pub(crate) struct Section<'a> {
    key: &'a str,
    attributes: Attributes,
}

impl<'a> Section<'a> {
    pub(crate) fn new(key: &'a str, attributes: Attributes) -> Self {
        Self { key, attributes }
    }

    pub(crate) fn key(&self) -> &str {
        self.key
    }

    pub(crate) fn take<T>(
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

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, SettingsError> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, SettingsError> {
        let flag = self.take(name, "true or false", Value::as_bool)?;
        Ok(flag.unwrap_or(false))
    }

    /// A number, which may be a text of digits.
    pub(crate) fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        wanted: &'static str,
    ) -> Result<Option<u64>, SettingsError> {
        self.take(name, wanted, |value| {
            let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
            range.contains(&number).then_some(number)
        })
    }

    pub(crate) fn seconds(
        &mut self,
        name: &'static str,
        least: u64,
    ) -> Result<Option<Duration>, SettingsError> {
        let wanted = if least == 0 {
            "a whole number of seconds, 0 to 3600"
        } else {
            "a whole number of seconds, 1 to 3600"
        };
        let seconds = self.whole(name, least..=3600, wanted)?;
        Ok(seconds.map(Duration::from_secs))
    }

    /// A line for each that is left.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let names = self.attributes.keys();
        names
            .map(|name| format!("{}.{name} is no setting: ignored", self.key))
            .collect()
    }
}
