//! A Redis server or sentinel, 2.8 or later: what it answers to PING and says of itself by INFO.
//!
//! A client of our own, as three commands one after the other need none of what the agent's brings.

pub mod info;
mod resp;

use std::io::{BufReader, Write};

use clap::{Arg, ArgMatches};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::access::{self, Access, Place};
use crate::service::settings::REDIS;
use crate::service::tls::{Stream, broke};

use info::Info;
use resp::{Reply, RespError};

/// Where it is, and who asks.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    access::arguments(
        "127.0.0.1:6379",
        "Take what is not given from the redis settings of Sensu: a file, or a folder",
    )
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it answers to PING, if that is an error; or why that could not be asked.
    pub ping: Result<Option<String>, ServiceError>,
    /// What it says of itself, or why that is not known.
    pub info: Result<Info, ServiceError>,
    /// How many clients it takes, where it says so.
    pub maxclients: Option<u64>,
}

/// The one that the arguments mean, and what it says.
pub fn look(matches: &ArgMatches, context: &Context) -> Result<(String, Seen), Failed> {
    let access = access::access(&REDIS, matches, context).map_err(Failed::Ours)?;
    let seen = ask(&access, context).map_err(Failed::Its)?;
    Ok((access.server.to_string(), seen))
}

/// Whom the arguments mean, without a look at it.
#[must_use]
pub fn place(matches: &ArgMatches, context: &Context) -> Place {
    access::place(&REDIS, matches, context)
}

/// Why there is nothing to say of it.
pub enum Failed {
    /// It could not even be asked.
    Ours(Failure),
    /// It did not answer.
    Its(ServiceError),
}

/// After the first answer each question has three quarters of the time that is left: one that hangs hides
/// nothing of what is known by then.
fn ask(access: &Access, context: &Context) -> Result<Seen, ServiceError> {
    let stream = Stream::connect(&access.server, access.tls.as_ref(), context)?;
    let mut connection = Connection {
        access,
        stream: BufReader::new(stream),
    };
    if let Some(password) = &access.password {
        let mut words = vec!["AUTH"];
        words.extend(access.user.as_deref());
        words.push(password.reveal());
        connection.text(&words, context)?;
    }
    let ping = match connection.reply(&["PING"], context)? {
        // It may answer the rest.
        Reply::Error(said) if said.starts_with("NOPERM") => Err(connection.refused("PING", &said)),
        Reply::Error(said) if is_of_access(&said) => {
            return Err(connection.refused("PING", &said));
        }
        Reply::Error(said) => Ok(Some(said)),
        Reply::Text(said) if said == "PONG" => Ok(None),
        _ => return Err(connection.confused("PING")),
    };
    connection.be_patient(context);
    let info = connection.text(&["INFO"], context).map(Info);
    let info = info.and_then(|info| match info.get("redis_version") {
        Some(_) => Ok(info),
        None => Err(connection.confused("INFO")),
    });
    let mut maxclients = info
        .as_ref()
        .ok()
        .and_then(|info| info.number("maxclients"));
    // Before Redis 7 INFO does not say it. Where that is renamed or forbidden, it is not known.
    if maxclients.is_none() && info.is_ok() {
        connection.be_patient(context);
        if let Ok(Reply::Array(pair)) = connection.reply(&["CONFIG", "GET", "maxclients"], context)
            && let [_, Reply::Text(number)] = &pair[..]
        {
            maxclients = number.parse().ok();
        }
    }
    Ok(Seen {
        ping,
        info,
        maxclients,
    })
}

struct Connection<'a> {
    access: &'a Access,
    stream: BufReader<Stream>,
}

impl Connection<'_> {
    fn be_patient(&mut self, context: &Context) {
        let time = context.time_left() * 3 / 4;
        self.stream.get_mut().be_patient(time);
    }

    /// What it replies to a command.
    fn reply(&mut self, words: &[&str], context: &Context) -> Result<Reply, ServiceError> {
        let name = words.first().copied().unwrap_or_default();
        let asking = format!("asking {} with {name}", self.access.server);
        context.step(asking.clone());
        let stream = self.stream.get_mut();
        let sent = stream
            .write_all(&resp::command(words))
            .and_then(|()| stream.flush());
        sent.map_err(|error| broke(&asking, &error))?;
        let reply = resp::read(&mut self.stream).map_err(|error| match error {
            RespError::Io(error) => broke(&asking, &error),
            RespError::Foreign(why) => ServiceError::Unclear(format!("{asking} failed: {why}")),
        })?;
        Ok(match reply {
            Reply::Error(said) => Reply::Error(self.access.hide_in(&said)),
            other => other,
        })
    }

    /// The same, which has to be a text.
    fn text(&mut self, words: &[&str], context: &Context) -> Result<String, ServiceError> {
        let name = words.first().copied().unwrap_or_default();
        match self.reply(words, context)? {
            Reply::Text(text) => Ok(text),
            Reply::Error(said) => Err(self.refused(name, &said)),
            _ => Err(self.confused(name)),
        }
    }

    fn refused(&self, command: &str, said: &str) -> ServiceError {
        let what = format!("{} answers {command} with {said}", self.access.server);
        let what = what.trim_end_matches('.');
        let code = said.split(' ').next().unwrap_or_default();
        let advice = match code {
            "NOAUTH" => "; give its password with --password-file",
            "WRONGPASS" => "; are --user and the password right?",
            "NOPERM" => "; let this user PING and INFO",
            // Of a server without a password, and of one that is older than users.
            "ERR"
                if command == "AUTH" && said.contains("no password is set")
                    || said.contains("without any password configured") =>
            {
                "; it wants no password: leave --password-file out"
            }
            "ERR" if said.contains("invalid password") => "; is the password right?",
            _ => "",
        };
        // It is there, and lets nobody in.
        if said.contains("max number of clients") {
            ServiceError::Away(what.to_owned())
        } else {
            ServiceError::Unclear(format!("{what}{advice}"))
        }
    }

    fn confused(&self, command: &str) -> ServiceError {
        ServiceError::Unclear(format!(
            "{} answers {command} with something else than Redis does; is it Redis?",
            self.access.server
        ))
    }
}

/// Whether an error says who may ask, not how the server is.
fn is_of_access(said: &str) -> bool {
    let codes = ["NOAUTH", "WRONGPASS", "NOPERM", "DENIED"];
    codes.iter().any(|code| said.starts_with(code)) || said.contains("max number of clients")
}
