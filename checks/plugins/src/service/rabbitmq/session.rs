//! The few steps from connecting to leaving.

use std::io::Write;

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::tls::{Stream, broke};

use super::wire::{self, Method, Refusal, WireError, long_string, short_string};
use super::{Broker, Publishing, Queue};

/// The channel that is used.
const CHANNEL: u16 = 1;

/// After how many seconds the broker may notice that somebody has gone away without a word. It
/// reads nothing of a connection that it blocks, not even that it has ended: without heartbeats
/// it would keep each until the alarm is over.
const HEARTBEAT: u16 = 5;

/// A queue that there is not: what is published to it goes nowhere.
const NOBODY: &str = "venus-checks.nobody";

/// How many words of a broker are waited through for its goodbye.
const GOODBYE: usize = 8;

/// A client's connection to a broker, with the one channel that it has.
pub(super) struct Session<'a> {
    broker: &'a Broker,
    stream: Stream,
    /// `RabbitMQ 3.10.8`.
    pub(super) product: String,
    /// What is being done, in words that an error begins with.
    doing: String,
}

impl<'a> Session<'a> {
    /// Connects, and opens the virtual host.
    pub(super) fn open(broker: &'a Broker, context: &Context) -> Result<Self, ServiceError> {
        let access = &broker.access;
        let stream = Stream::connect(&access.server, access.tls.as_ref(), context)?;
        let mut session = Self {
            broker,
            stream,
            product: String::new(),
            doing: String::new(),
        };
        session.begin("greeting", context);
        session.send(wire::HEADER)?;
        let Method::Start {
            product,
            version,
            mechanisms,
        } = session.next()?
        else {
            return Err(session.confused());
        };
        session.product = format!("{product} {version}");
        if !mechanisms.split(' ').any(|one| one == "PLAIN") {
            return Err(session.failed("it takes no passwords (PLAIN)"));
        }
        let (user, password) = broker.login();
        session.begin(format!("logging in as {user} to"), context);
        let capabilities = [
            capability("connection.blocked"),
            capability("authentication_failure_close"),
        ];
        let capabilities = long_string(&capabilities.concat());
        let properties = [&b"\x0ccapabilitiesF"[..], &capabilities].concat();
        session.send(&wire::method(
            0,
            (10, 11),
            &[
                &long_string(&properties),
                b"\x05PLAIN",
                &long_string(format!("\0{user}\0{password}").as_bytes()),
                b"\x05en_US",
            ],
        ))?;
        let Method::Tune {
            channel_max,
            frame_max,
        } = session.next()?
        else {
            return Err(session.confused());
        };
        session.begin(
            format!("opening the virtual host {} of", broker.vhost),
            context,
        );
        let frame_max = match frame_max {
            0 => wire::LARGEST,
            largest => largest.min(wire::LARGEST),
        };
        let tuned: [&[u8]; 3] = [
            &channel_max.to_be_bytes(),
            &frame_max.to_be_bytes(),
            &HEARTBEAT.to_be_bytes(),
        ];
        session.send(&wire::method(0, (10, 31), &tuned))?;
        let vhost = session.short(&broker.vhost)?;
        session.send(&wire::method(0, (10, 40), &[&vhost, &[0, 0]]))?;
        match session.next()? {
            Method::OpenOk => {}
            _ => return Err(session.confused()),
        }
        session.open_channel()?;
        Ok(session)
    }

    fn open_channel(&mut self) -> Result<(), ServiceError> {
        self.send(&wire::method(CHANNEL, (20, 10), &[&[0]]))?;
        match self.next()? {
            Method::ChannelOpenOk => Ok(()),
            _ => Err(self.confused()),
        }
    }

    /// Looks at a queue, which is not made if it is not there. It has half of the time that is left, so that
    /// one that hangs leaves time for the others.
    pub(super) fn declare(
        &mut self,
        queue: &str,
        context: &Context,
    ) -> Result<Result<Queue, Refusal>, ServiceError> {
        self.begin(format!("looking at queue {queue} of"), context);
        self.stream.be_patient(context.time_left() / 2);
        let name = self.short(queue)?;
        let passive = 1;
        self.send(&wire::method(
            CHANNEL,
            (50, 10),
            &[&[0, 0], &name, &[passive], &long_string(b"")],
        ))?;
        match self.next()? {
            Method::DeclareOk {
                messages,
                consumers,
            } => Ok(Ok(Queue {
                messages,
                consumers,
            })),
            Method::ChannelClose(refusal) => {
                self.send(&wire::method(CHANNEL, (20, 41), &[]))?;
                self.open_channel()?;
                Ok(Err(self.without_secret(&refusal)))
            }
            _ => Err(self.confused()),
        }
    }

    /// Publishes to nobody if that is to be tried, and leaves. A broker in alarm tells a client only
    /// when it publishes, and from then on reads nothing of it: either the channel is closed, or
    /// that is told.
    pub(super) fn leave(
        &mut self,
        publish: bool,
        context: &Context,
    ) -> Result<Publishing, ServiceError> {
        self.begin("leaving", context);
        self.stream.be_patient(context.time_left() / 2);
        let mut publishing = Publishing::Untried;
        if publish {
            self.begin("publishing to nobody at", context);
            let nobody = self.short(NOBODY)?;
            let publish = wire::method(CHANNEL, (60, 40), &[&[0, 0], &[0], &nobody, &[0]]);
            self.send(&[publish, wire::empty_message(CHANNEL)].concat())?;
            publishing = Publishing::Taken;
        }
        let no_reason: [&[u8]; 3] = [&200_u16.to_be_bytes(), &[0], &[0; 4]];
        self.send(&wire::method(CHANNEL, (20, 40), &no_reason))?;
        loop {
            match self.next()? {
                Method::ChannelCloseOk => break,
                Method::Blocked(reason) => {
                    return Ok(Publishing::Blocked(self.broker.access.hide_in(&reason)));
                }
                Method::ChannelClose(refusal) => {
                    publishing = Publishing::Refused(self.without_secret(&refusal));
                    self.send(&wire::method(CHANNEL, (20, 41), &[]))?;
                    break;
                }
                // Of an alarm that has ended before it was told.
                Method::Unblocked => {}
                _ => return Err(self.confused()),
            }
        }
        self.send(&wire::method(0, (10, 50), &no_reason))?;
        // All is known. That it says goodbye is politeness, without which nothing is missing.
        self.stream.be_patient(context.time_left() / 4);
        for _ in 0..GOODBYE {
            if !matches!(self.next(), Ok(said) if said != Method::CloseOk) {
                break;
            }
        }
        Ok(publishing)
    }

    fn begin(&mut self, what: impl Into<String>, context: &Context) {
        self.doing = format!("{} {}", what.into(), self.broker.access.server);
        context.step(self.doing.clone());
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ServiceError> {
        let sent = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
        sent.map_err(|error| broke(&self.doing, &error))
    }

    /// What it says next. That it ends the connection is an error.
    fn next(&mut self) -> Result<Method, ServiceError> {
        match wire::read(&mut self.stream) {
            Ok(Method::Close(refusal)) => {
                // It waits for that, and whether it gets it changes nothing here.
                let told = self.stream.write_all(&wire::method(0, (10, 51), &[]));
                drop(told.and_then(|()| self.stream.flush()));
                Err(self.refused(&refusal))
            }
            Ok(method) => Ok(method),
            Err(WireError::Io(error)) => Err(broke(&self.doing, &error)),
            Err(WireError::Foreign(why)) => Err(self.failed(why)),
        }
    }

    fn refused(&self, refusal: &Refusal) -> ServiceError {
        let refusal = self.without_secret(refusal);
        let advice = match refusal.code {
            403 => "; access refused: are the user and the password right?",
            530 => "; is the virtual host right, and may this user use it?",
            _ => "",
        };
        self.failed(&format!("it answers {refusal}{advice}"))
    }

    fn confused(&self) -> ServiceError {
        self.failed("it answers with something else than what was asked for; is it a broker?")
    }

    fn failed(&self, why: &str) -> ServiceError {
        ServiceError::Unclear(format!("{} failed: {why}", self.doing))
    }

    fn without_secret(&self, refusal: &Refusal) -> Refusal {
        Refusal {
            code: refusal.code,
            text: self.broker.access.hide_in(&refusal.text),
        }
    }

    fn short(&self, text: &str) -> Result<Vec<u8>, ServiceError> {
        short_string(text).ok_or_else(|| self.failed("that name has more than 255 bytes"))
    }
}

/// An entry of a table: true.
fn capability(name: &str) -> Vec<u8> {
    let mut entry = short_string(name).unwrap_or_default();
    entry.extend(b"t\x01");
    entry
}
