//! A connection to one broker.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::messages::{Api, Versions, versions};
use super::wire::{Malformed, Reader, Writer};
use crate::context::Context;
use crate::service::ServiceError;
use crate::service::server::Server;

/// How long an answer may be, in bytes: room for 100,000 partitions, or for what is fetched at once.
const LONGEST: u64 = 64 << 20;

/// Who asks, as the broker's log has it.
const CLIENT: &str = "venus-checks";

/// The broker at one address.
pub(super) struct Broker {
    server: Server,
    stream: TcpStream,
    /// What it speaks; none before 0.10, which cannot be asked for that.
    versions: Option<Versions>,
    asked: i32,
    until: Instant,
    /// Whether an answer is missing, after which nothing can be told from anything.
    is_broken: bool,
    /// Whether it hung up instead of one.
    has_hung_up: bool,
}

impl Broker {
    /// Connects, and asks what it speaks, within this time.
    pub(super) fn connect(
        server: &Server,
        context: &Context,
        within: Duration,
    ) -> Result<Self, ServiceError> {
        let until = Instant::now() + within;
        let open = || -> Result<Self, ServiceError> {
            let left = until.saturating_duration_since(Instant::now());
            Ok(Self {
                server: server.clone(),
                stream: server.connect(context, left)?,
                versions: None,
                asked: 0,
                until,
                is_broken: false,
                has_hung_up: false,
            })
        };
        let mut broker = open()?;
        let what = format!("asking {server} for the versions that it speaks");
        context.step(what.clone());
        let answer = broker.exchange(Api::Versions, 0, &Writer::default());
        match answer {
            Ok(answer) => {
                let spoken = versions(&answer).map_err(|error| misread(&what, &error))?;
                broker.versions = Some(spoken);
                Ok(broker)
            }
            // Brokers before 0.10 hang up when they are asked that.
            Err(error) if is_hung_up(&error) => open(),
            Err(error) => Err(ServiceError::io(what, &error)),
        }
    }

    /// Whether it cannot be asked any more.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Gives it this much time from now on.
    pub(super) fn within(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    /// Whether it hung up as brokers before 0.10 do when they are asked what they do not know.
    pub(super) fn does_not_know(&self) -> bool {
        self.versions.is_none() && self.has_hung_up
    }

    /// The version in which to ask.
    pub(super) fn version(&self, api: Api) -> Result<i16, ServiceError> {
        let mut ours = api.versions().iter().copied();
        let Some(spoken) = &self.versions else {
            return Ok(ours.next_back().unwrap_or_default());
        };
        let range = spoken.get(&(api as i16)).copied();
        let chosen =
            ours.find(|ours| range.is_some_and(|(low, high)| low <= *ours && *ours <= high));
        chosen.ok_or_else(|| {
            let server = &self.server;
            ServiceError::Unclear(match range {
                Some((low, high)) => {
                    let ours = api.versions().iter().map(ToString::to_string);
                    let ours = ours.collect::<Vec<_>>().join(", ");
                    format!(
                        "{server} speaks versions {low} to {high} of {api:?}, and this program {ours}"
                    )
                }
                None => format!("{server} does not speak {api:?}"),
            })
        })
    }

    /// What it answers. `what` is that in words, as the end of "asking 127.0.0.1:9092 for …".
    pub(super) fn ask<T>(
        &mut self,
        api: Api,
        version: i16,
        request: &Writer,
        (what, context): (&str, &Context),
        read: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, ServiceError> {
        let asking = format!("asking {} for {what}", self.server);
        context.step(asking.clone());
        let answer = match self.exchange(api, version, request) {
            Ok(answer) => answer,
            Err(error) if is_hung_up(&error) => {
                return Err(ServiceError::Unclear(format!(
                    "{asking} failed: it hangs up; is it Kafka, without TLS and SASL?"
                )));
            }
            Err(error) => return Err(ServiceError::io(asking, &error)),
        };
        read(&answer).map_err(|error| misread(&asking, &error))
    }

    /// Sends a request and gives what comes after the answer's number.
    fn exchange(&mut self, api: Api, version: i16, request: &Writer) -> io::Result<Vec<u8>> {
        let answer = self.try_exchange(api, version, request);
        self.is_broken |= answer.is_err();
        self.has_hung_up |= answer.as_ref().is_err_and(is_hung_up);
        answer
    }

    fn try_exchange(&mut self, api: Api, version: i16, request: &Writer) -> io::Result<Vec<u8>> {
        self.asked = self.asked.wrapping_add(1);
        let mut message = Writer::default();
        message.i16(api as i16).i16(version).i32(self.asked);
        message.string(CLIENT);
        message.0.extend(&request.0);
        let length = i32::try_from(message.0.len()).map_err(io::Error::other)?;
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream
            .write_all(&[&length.to_be_bytes()[..], &message.0].concat())?;

        let head = self.read(4)?;
        let nonsense = || io::Error::other("what answers does not speak Kafka's protocol");
        let length = Reader(&head)
            .i32()
            .ok()
            .and_then(|length| u64::try_from(length).ok());
        let length = length.filter(|length| (4..=LONGEST).contains(length));
        let answer = self.read(length.ok_or_else(nonsense)?).map_err(|error| {
            // That it ends here says nothing of its age.
            if is_hung_up(&error) {
                io::Error::other("it breaks off within its answer")
            } else {
                error
            }
        })?;
        match answer.split_first_chunk() {
            Some((number, rest)) if i32::from_be_bytes(*number) == self.asked => Ok(rest.to_vec()),
            _ => Err(nonsense()),
        }
    }

    /// As much as is said to come; room is made for what does.
    fn read(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut part = [0; 16 << 10];
        while let left @ 1.. = length - all.len() as u64 {
            self.stream.set_read_timeout(Some(self.left()?))?;
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(part.len());
            let room = part.get_mut(..most).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => all.extend(part.iter().take(read)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

fn misread(asking: &str, error: &Malformed) -> ServiceError {
    ServiceError::Unclear(format!(
        "{asking} failed: cannot understand its answer: {error}"
    ))
}

fn is_hung_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
