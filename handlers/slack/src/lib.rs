//! Sensu events as Slack messages, with the settings of the community's handler.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what may stand below the key `slack` |
//! | [`message`] | the payload that an event becomes |
//! | [`delivery`] | the request to the webhook, tried again where that can help |
//!
//! [`handle`] joins them. The library prints nothing and reads no clock: warnings
//! go to a function that is passed in, and so does the waiting between two tries.

pub mod delivery;
pub mod message;
pub mod settings;

use std::io::{self, Read};
use std::time::Duration;
use venus_event::{Attributes, Event, EventError};
use venus_settings::{SourceError, Sources};

use delivery::DeliveryError;
use message::Payload;
use settings::{Settings, SettingsError};

/// The longest event that is read, in bytes.
const EVENT_LIMIT: u64 = 10 * 1024 * 1024;

/// Why an event did not become a message.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Standard input broke off.
    #[error("cannot read the event from standard input: {0}")]
    Input(#[source] io::Error),
    /// More than a check can sensibly print.
    #[error("the event on standard input is longer than {} MB", EVENT_LIMIT / 1024 / 1024)]
    TooLong,
    /// What stands on standard input is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A file with settings cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The settings are there, but something is wrong with them.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The webhook did not take the message.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

impl HandlerError {
    /// 1 where the message was not delivered, 2 where there was none to deliver.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Delivery(_) => 1,
            Self::Input(_)
            | Self::TooLong
            | Self::Event(_)
            | Self::Source(_)
            | Self::Settings(_) => 2,
        }
    }
}

/// Sends the event that `input` holds to the webhook of the settings key `key`.
///
/// `warn` gets a line for each setting that has no effect, before anything is
/// sent; `wait` is called between two tries and returns when that time is over.
pub fn handle(
    sources: &Sources,
    key: &str,
    input: impl Read,
    warn: &mut dyn FnMut(&str),
    wait: &mut dyn FnMut(Duration),
) -> Result<(), HandlerError> {
    // Read to the end even where the settings turn out to be wrong: whoever
    // writes the event should not meet a closed pipe.
    let event = read_event(input)?;
    let mut all = Attributes::new();
    sources.merge_into(&mut all)?;
    let settings = Settings::from_section(all, key, sources)?;
    for warning in &settings.warnings {
        warn(warning);
    }
    let payload = Payload::new(&event, &settings);
    delivery::deliver(&payload, &settings, wait)?;
    Ok(())
}

fn read_event(input: impl Read) -> Result<Event, HandlerError> {
    let mut bytes = Vec::new();
    input
        .take(EVENT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(HandlerError::Input)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > EVENT_LIMIT {
        return Err(HandlerError::TooLong);
    }
    // A check that prints Latin-1 is still a check that failed.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Event::from_json(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_not_utf_8_is_still_an_event() {
        let json = b"{\"client\":{\"name\":\"c\"},\"check\":{\"name\":\"k\",\"status\":1,\"output\":\"\xe9\"}}";
        assert_eq!(read_event(&json[..]).unwrap().output(), "\u{fffd}");
    }

    #[test]
    fn an_endless_event_is_refused_and_not_read_to_its_end() {
        let error = read_event(io::repeat(b' ')).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the event on standard input is longer than 10 MB"
        );
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_event_of_just_the_limit_is_read() {
        let blanks = io::repeat(b' ').take(EVENT_LIMIT);
        assert!(matches!(read_event(blanks), Err(HandlerError::Event(_))));
    }
}
