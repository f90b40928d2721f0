//! From the spool to Carbon.
//!
//! Carbon never says that it took a line. It does close a connection when it has read all that
//! was sent over it and no more is to come: only then is anything forgotten. What broke off
//! before goes out again, whole: a point that comes twice is stored once.
//!
//! Carbon holds points in memory before it writes them. What it read lately is therefore
//! [kept](venus_spool::Turn::keep) for a while, and waits again where Carbon turns out to have
//! gone.

use crate::connection::Failure;
use crate::sender::Sender;
use crate::settings::Settings;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use venus_spool::{Item, Spool, SpoolError, Turn};

/// Lines of one connection, in bytes: as many as even a slow Carbon reads within the shortest
/// timeout that makes sense.
const CONNECTION: usize = 1 << 20;
/// Lines of one item.
const ITEM: usize = 256 << 10;
/// How long one process delivers for others.
const LONGEST_TURN: Duration = Duration::from_mins(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why lines were not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Carbon did not take them.
    #[error(
        "not delivered to {host}:{port}: {failure}{}: {}",
        after(*tries),
        whereabouts(kept.as_ref())
    )]
    Failed {
        /// The host that Carbon should listen on.
        host: String,
        /// Its port.
        port: u16,
        /// How often it was tried.
        tries: u32,
        /// What came of the last try.
        failure: Failure,
        /// The spool that they wait in; none where they are lost.
        kept: Option<PathBuf>,
    },
    /// Others had more waiting than one process delivers.
    #[error(
        "delivered for {} minutes, what is left waits in {} for the next event",
        LONGEST_TURN.as_secs() / 60,
        dir.display()
    )]
    Unfinished {
        /// The spool.
        dir: PathBuf,
    },
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Nor can this of what waits there; the rest can.
    #[error("{source}: set aside")]
    Unreadable {
        /// What it is.
        item: Item,
        /// What is wrong with it.
        source: SpoolError,
    },
}

fn after(tries: u32) -> String {
    match tries {
        1 => String::new(),
        more => format!(" ({more} tries)"),
    }
}

fn whereabouts(kept: Option<&PathBuf>) -> String {
    match kept {
        Some(dir) => format!("the lines wait in {} for the next event", dir.display()),
        None => "the lines are lost".to_owned(),
    }
}

/// The time, and how to let it pass.
pub struct Clock<'a> {
    /// The time of the day.
    pub now: &'a dyn Fn() -> SystemTime,
    /// Returns when the time it is given is over.
    pub wait: &'a mut dyn FnMut(Duration),
}

/// Puts lines into the spool, in portions.
pub fn put(spool: &Spool, lines: &str, now: SystemTime) -> Result<(), SpoolError> {
    let mut left = lines;
    let mut now = now;
    while !left.is_empty() {
        // The last newline of what fits; the first of all where none fits.
        let end = match left.as_bytes().get(..ITEM) {
            Some(part) => part.iter().rposition(|byte| *byte == b'\n'),
            None => None,
        };
        let end = end.map_or(left.len(), |end| end + 1);
        let (portion, rest) = left.split_at_checked(end).unwrap_or((left, ""));
        spool.put(portion.as_bytes(), now)?;
        left = rest;
        // Each has a name of its own.
        now += Duration::from_nanos(1);
    }
    Ok(())
}

/// Delivers for as long as there is something to deliver and no other process does. What was
/// given up meanwhile goes to `warn`.
pub fn deliver(
    spool: &Spool,
    sender: &mut Sender,
    settings: &Settings,
    clock: &mut Clock<'_>,
    warn: &mut dyn FnMut(&str),
) -> Result<(), DeliveryError> {
    let started = (clock.now)();
    let served: Result<_, DeliveryError> = spool.serve(|turn| {
        loop {
            let waiting = turn.waiting((clock.now)())?;
            if waiting.dropped > 0 {
                warn(&format!(
                    "{} portions of lines had waited too long or were too many in {}, and are lost",
                    waiting.dropped,
                    spool.dir().display()
                ));
            }
            if waiting.items.is_empty() {
                if let Some(strange) = waiting.strange {
                    warn(&strange);
                }
                return Ok(true);
            }
            let mut left = waiting.items.as_slice();
            while !left.is_empty() {
                let worked = (clock.now)().duration_since(started);
                if worked.unwrap_or_default() > LONGEST_TURN {
                    // Whoever comes next goes on.
                    return Ok(false);
                }
                let sent = match with_retries(turn, left, sender, settings, clock) {
                    Err(error @ DeliveryError::Unreadable { item, .. }) => {
                        warn(&error.to_string());
                        turn.set_aside(item)?;
                        break;
                    }
                    sent => sent?,
                };
                let (done, rest) = left.split_at_checked(sent).unwrap_or((left, &[]));
                for item in done {
                    turn.keep(*item, (clock.now)(), settings.repeat)?;
                }
                left = rest;
            }
        }
    });
    match served? {
        Some(false) => Err(DeliveryError::Unfinished {
            dir: spool.dir().to_owned(),
        }),
        // All of it, or another process is at it.
        Some(true) | None => Ok(()),
    }
}

/// Sends as many of these as go over one connection, and says how many Carbon has read.
fn with_retries(
    turn: &Turn<'_>,
    items: &[Item],
    sender: &mut Sender,
    settings: &Settings,
    clock: &mut Clock<'_>,
) -> Result<usize, DeliveryError> {
    let read = |index: usize| -> Result<Option<String>, DeliveryError> {
        let read = |item: &Item| {
            let item = *item;
            let unreadable = |source| DeliveryError::Unreadable { item, source };
            turn.read(&item).map_err(unreadable)
        };
        let bytes = items.get(index).map(read).transpose()?;
        // They were written as text.
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let on_failure = |failure: &Failure, now: SystemTime| -> Result<(), DeliveryError> {
        if failure.has_gone() {
            turn.recall(now, settings.repeat)?;
        }
        Ok(())
    };
    let kept = Some(turn.dir().to_owned());
    retry(settings, clock, kept, on_failure, || send(&read, sender))
}

/// Sends lines that could not be put into the spool.
pub fn deliver_unkept(
    lines: &str,
    sender: &mut Sender,
    settings: &Settings,
    clock: &mut Clock<'_>,
) -> Result<(), DeliveryError> {
    retry(
        settings,
        clock,
        None,
        |_, _| Ok(()),
        || {
            let read = |index: usize| Ok((index == 0).then(|| lines.to_owned()));
            send(&read, sender)
        },
    )
    .map(drop)
}

/// A failure of Carbon's may pass, one of ours does not.
enum Trouble {
    Carbon(Failure),
    Ours(DeliveryError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Carbon(failure)
    }
}

impl From<DeliveryError> for Trouble {
    fn from(error: DeliveryError) -> Self {
        Self::Ours(error)
    }
}

/// One connection, and how many items went over it.
fn send(
    read: &dyn Fn(usize) -> Result<Option<String>, DeliveryError>,
    sender: &mut Sender,
) -> Result<usize, Trouble> {
    let (mut count, mut bytes) = (0, 0);
    while bytes + ITEM <= CONNECTION
        && let Some(lines) = read(count)?
    {
        sender.send(&lines)?;
        bytes += lines.len();
        count += 1;
    }
    sender.finish()?;
    Ok(count)
}

fn retry(
    settings: &Settings,
    clock: &mut Clock<'_>,
    kept: Option<PathBuf>,
    on_failure: impl Fn(&Failure, SystemTime) -> Result<(), DeliveryError>,
    mut send: impl FnMut() -> Result<usize, Trouble>,
) -> Result<usize, DeliveryError> {
    let mut pause = settings.retry_delay;
    let mut tries = 0;
    loop {
        tries += 1;
        let failure = match send() {
            Ok(count) => return Ok(count),
            Err(Trouble::Ours(error)) => return Err(error),
            Err(Trouble::Carbon(failure)) => failure,
        };
        on_failure(&failure, (clock.now)())?;
        if tries > settings.retry_limit || !failure.is_passing() {
            return Err(DeliveryError::Failed {
                host: settings.target.host.clone(),
                port: settings.target.port,
                tries,
                failure,
                kept,
            });
        }
        (clock.wait)(pause);
        pause = (pause * 2).min(LONGEST_PAUSE.max(settings.retry_delay));
    }
}
