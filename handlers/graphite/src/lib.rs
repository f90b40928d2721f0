//! Metrics of Sensu events to Carbon, Graphite's receiver.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what may stand below the key `graphite` |
//! | [`event`] | what stands on standard input, and the lines that it becomes |
//! | [`convert`] | the formats that checks print |
//! | [`lines`] | finished lines, and what was left out |
//! | [`path`] | what may be a path |
//! | [`sender`] | lines to Carbon over a connection that is kept |
//! | [`delivery`] | from the spool to Carbon: for a process that ends |
//! | [`stream`] | from memory to Carbon: for one that lives on |
//!
//! [`handle`] joins them for a handler, a process of its own for each event; the embedded agent
//! takes [`event::read`] and a [`stream::Stream`]. The library prints nothing and reads no clock
//! but the one that deadlines are measured with; it keeps no state outside of its values.

pub mod cli;
mod connection;
pub mod convert;
pub mod delivery;
pub mod event;
pub mod lines;
mod naming;
pub mod path;
pub mod sender;
pub mod settings;
pub mod stream;
pub mod tls;
mod wire;

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use venus_event::Attributes;
use venus_settings::program::{InputError, read_input};
use venus_settings::{SourceError, Sources};
use venus_spool::Spool;

pub use connection::Failure;
use delivery::{Clock, DeliveryError};
use event::EventError;
use lines::Lines;
use sender::Sender;
use settings::{Settings, SettingsError};
use tls::TlsError;

/// Why the lines of an event did not get to Carbon.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Standard input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// What stands on standard input has no lines.
    #[error(transparent)]
    Event(#[from] EventError),
    /// There are lines, but none that Carbon could take.
    #[error("nothing to send: {0}")]
    NothingGood(String),
    /// A file with settings cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The settings are there, but something is wrong with them.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file that TLS needs cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Carbon did not take the lines.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
}

impl HandlerError {
    /// 1 where lines were not delivered, 2 where there were none to deliver.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Delivery(_) => 1,
            Self::Input(_)
            | Self::Event(_)
            | Self::NothingGood(_)
            | Self::Source(_)
            | Self::Settings(_)
            | Self::Tls(_) => 2,
        }
    }
}

/// The lines of the event that `input` holds, and the settings of the key `key`.
///
/// `warn` gets a line for each setting that has no effect, and one for all that is left out.
pub fn prepare(
    sources: &Sources,
    key: &str,
    input: impl Read,
    now: SystemTime,
    warn: &mut dyn FnMut(&str),
) -> Result<(Settings, Lines), HandlerError> {
    // Read to the end even where the settings turn out to be wrong: whoever
    // writes the event should not meet a closed pipe.
    let input = read_input(input)?;
    let mut all = Attributes::new();
    sources.merge_into(&mut all)?;
    let settings = Settings::from_section(all, key, sources)?;
    for warning in &settings.warnings {
        warn(warning);
    }
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let lines = event::read(&input, &settings, seconds)?;
    match lines.complaint() {
        Some(complaint) if lines.good() == 0 => return Err(HandlerError::NothingGood(complaint)),
        Some(complaint) => warn(&complaint),
        None => {}
    }
    Ok((settings, lines))
}

/// Delivers the lines of the event that `input` holds, and what waits of earlier ones.
pub fn handle(
    sources: &Sources,
    key: &str,
    input: impl Read,
    clock: &mut Clock<'_>,
    warn: &mut dyn FnMut(&str),
) -> Result<(), HandlerError> {
    let now = (clock.now)();
    let (settings, lines) = prepare(sources, key, input, now, warn)?;
    let opened = Spool::open(&settings.spool_dir, settings.spool);
    let put = opened.and_then(|spool| {
        delivery::put(&spool, lines.text(), now)?;
        Ok(spool)
    });
    // What is wrong with TLS may be mended while the lines wait.
    let mut sender = Sender::new(&settings.target)?;
    match put {
        Ok(spool) => {
            if let Some(warning) = spool.warning() {
                warn(warning);
            }
            delivery::deliver(&spool, &mut sender, &settings, clock, warn)?;
        }
        Err(error) => {
            // Sent without a net rather than not at all.
            warn(&format!("{error}: nothing is kept"));
            delivery::deliver_unkept(lines.text(), &mut sender, &settings, clock)?;
        }
    }
    Ok(())
}
