//! Sensu events as Slack messages, with the settings of the community's handler.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what may stand below the key `slack` |
//! | [`filter`] | which events are announced |
//! | [`incident`] | what is remembered of a check from one event to the next |
//! | [`message`] | the payload that an event, or several, become |
//! | [`template`] | payloads in an admin's own words |
//! | [`queue`] | from the spool to Slack, in order |
//! | [`delivery`] | the request to Slack, tried again where that can help |
//!
//! [`handle`] joins them. The library prints nothing and reads no clock: what it needs of the
//! world is passed in as a [`World`].

pub mod cli;
pub mod delivery;
pub mod filter;
pub mod incident;
pub mod message;
pub mod queue;
pub mod settings;
pub mod template;

use std::io::Read;
use std::time::{Duration, SystemTime};
use venus_event::{Attributes, Event, EventError};
use venus_settings::program::{InputError, read_input};
use venus_settings::{SourceError, Sources};
use venus_spool::{Spool, SpoolError};

use delivery::{Act, Delivery, DeliveryError};
use filter::Verdict;
use queue::{Queue, QueueError};
use settings::{Settings, SettingsError};

/// Why an event did not become a message.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Standard input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What stands on standard input is no event.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A file with settings cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The settings are there, but something is wrong with them.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Slack did not take the message.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// Slack did not take a message that waited; it is kept.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Slack refused messages for what they are, which say whom they were about.
    #[error("{} refused, and gone: {}", count(.0.len()), .0.join(", "))]
    Refused(Vec<String>),
}

fn count(messages: usize) -> String {
    match messages {
        1 => "1 message was".to_owned(),
        more => format!("{more} messages were"),
    }
}

impl HandlerError {
    /// 1 where the message was not delivered, 2 where there was none to deliver.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Delivery(_) | Self::Queue(_) | Self::Refused(_) => 1,
            Self::Input(_) | Self::Event(_) | Self::Source(_) | Self::Settings(_) => 2,
        }
    }
}

/// What is needed of the world, passed in so that tests can give their own.
pub struct World<'a> {
    /// A variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The clock.
    pub now: &'a dyn Fn() -> SystemTime,
    /// Returns when the time it is given is over.
    pub wait: &'a mut dyn FnMut(Duration),
    /// Takes a line for each thing that is wrong and does not end the run.
    pub warn: &'a mut dyn FnMut(&str),
}

/// Sends the event that `input` holds, as the settings key `key` says.
///
/// It is put into the spool before anything else, and survives this process from then on. Where
/// another process delivers, that one takes it along, and this is all that is done here.
pub fn handle(
    sources: &Sources,
    key: &str,
    input: impl Read,
    world: World<'_>,
) -> Result<(), HandlerError> {
    // Read to the end even where the settings turn out to be wrong: whoever
    // writes the event should not meet a closed pipe.
    let event = read_event(input)?;
    let settings = read_settings(sources, key, world.env)?;
    let World {
        now, wait, warn, ..
    } = world;
    for warning in &settings.warnings {
        warn(warning);
    }
    let mut delivery = Delivery::new(&settings, wait);
    let spool = match keep(&event, &settings, now()) {
        Ok(spool) => spool,
        Err(error) => {
            warn(&format!("{error}: delivered at once, or not at all"));
            return Ok(queue::deliver_at_once(
                &event,
                &settings,
                &mut delivery,
                warn,
            )?);
        }
    };
    if let Some(warning) = spool.warning() {
        warn(warning);
    }
    let mut queue = Queue::new(&settings, delivery, now, warn);
    spool.serve(|turn| queue.serve(turn))?;
    match queue.refused() {
        [] => Ok(()),
        refused => Err(HandlerError::Refused(refused.to_vec())),
    }
}

fn keep(event: &Event, settings: &Settings, now: SystemTime) -> Result<Spool, SpoolError> {
    let spool = Spool::open(&settings.spool_dir, settings.bounds)?;
    // An event is made of JSON, which can be written.
    spool.put(&serde_json::to_vec(event).unwrap_or_default(), now)?;
    Ok(spool)
}

/// What [`handle`] would send if nothing else waited, as JSON; or why it would send nothing. `warn`
/// takes the lines that it would say.
pub fn preview(
    sources: &Sources,
    key: &str,
    input: impl Read,
    env: &dyn Fn(&str) -> Option<String>,
    warn: &mut dyn FnMut(&str),
) -> Result<Result<Vec<String>, &'static str>, HandlerError> {
    let event = read_event(input)?;
    let settings = read_settings(sources, key, env)?;
    for warning in &settings.warnings {
        warn(warning);
    }
    let incidents = incident::Incidents::new(settings.spool_dir.join("incidents"));
    let incident = incidents.of(&event);
    if let Verdict::Drop(reason) = filter::judge(&event, incident.as_ref(), &settings) {
        return Ok(Err(reason));
    }
    let messages = message::in_any_case(&event, &settings, warn);
    let payloads = messages
        .iter()
        .map(|message| format!("{:#}", message.payload));
    Ok(Ok(payloads.collect()))
}

/// Sends a message that says that it is a test, past the spool and whatever is kept back.
pub fn test(
    sources: &Sources,
    key: &str,
    host: &str,
    env: &dyn Fn(&str) -> Option<String>,
    wait: &mut dyn FnMut(Duration),
    warn: &mut dyn FnMut(&str),
) -> Result<(), HandlerError> {
    let settings = read_settings(sources, key, env)?;
    let sample = serde_json::json!({
        "client": {"name": host, "address": "127.0.0.1", "subscriptions": []},
        "check": {"name": "handler-slack", "status": 1, "output": "a test, nothing is wrong"},
    });
    let event = Event::from_json(sample.to_string().as_bytes())?;
    let mut delivery = Delivery::new(&settings, wait);
    for message in message::in_any_case(&event, &settings, warn) {
        delivery.deliver(&message.payload, Act::Post)?;
    }
    Ok(())
}

fn read_settings(
    sources: &Sources,
    key: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, HandlerError> {
    let mut all = Attributes::new();
    sources.merge_into(&mut all)?;
    Ok(Settings::from_section(all, key, sources, env)?)
}

fn read_event(input: impl Read) -> Result<Event, HandlerError> {
    Ok(Event::from_json(read_input(input)?.as_bytes())?)
}
