//! A `RabbitMQ` broker, as its clients see it: by AMQP 0-9-1. It needs no plugin of the broker's; what
//! only its management plugin knows is in [`management`].

pub mod management;
mod session;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::access::{self, Access, Place};
use crate::service::secret::Secret;
use crate::service::settings::RABBITMQ;

use session::Session;
pub use wire::Refusal;

/// The user of a new broker, and its password.
const GUEST: &str = "guest";

/// Where it is, who asks, and for which queues.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let mut all = access::arguments(
        "127.0.0.1:5672",
        "Take what is not given from the rabbitmq settings of Sensu: a file, or a folder",
    );
    all.extend([
        Arg::new("vhost")
            .long("vhost")
            .short('v')
            .value_name("VHOST")
            .default_value("/sensu")
            .help("The virtual host"),
        Arg::new("queue")
            .long("queue")
            .value_name("QUEUE")
            .action(ArgAction::Append)
            .value_delimiter(',')
            .default_values(["keepalives", "results"])
            .help("A queue to look at; may be repeated"),
        Arg::new("no-publish")
            .long("no-publish")
            .action(ArgAction::SetTrue)
            .help("Publish nothing, and do not see whether publishers are blocked"),
    ]);
    all.extend(management::arguments());
    all
}

/// Whom the arguments mean, without a look at it.
#[must_use]
pub fn place(matches: &ArgMatches, context: &Context) -> Place {
    access::place(&RABBITMQ, matches, context)
}

/// What the arguments want to be looked at.
pub struct Broker {
    access: Access,
    queues: Vec<String>,
    vhost: String,
    publish: bool,
}

impl Broker {
    /// The one that they mean.
    pub fn of(matches: &ArgMatches, context: &Context) -> Result<Self, Failure> {
        let access = access::access(&RABBITMQ, matches, context)?;
        let given = matches.get_one::<String>("vhost").cloned();
        let is_default = matches.value_source("vhost") == Some(ValueSource::DefaultValue);
        let vhost = match matches.get_one::<PathBuf>("config") {
            // Sensu's own default.
            Some(_) if is_default => access.vhost.clone().unwrap_or_else(|| "/".to_owned()),
            _ => given.unwrap_or_default(),
        };
        let user = access.user.as_deref().unwrap_or(GUEST);
        if [vhost.as_str(), user].iter().any(|text| text.len() > 255) {
            return Err(Failure::new(
                "the virtual host or the user is too long, use 255 bytes",
            ));
        }
        Ok(Self {
            vhost,
            queues: queues(matches).map(str::to_owned).collect(),
            publish: !matches.get_flag("no-publish"),
            access,
        })
    }

    /// The same login for the management plugin.
    #[must_use]
    pub fn login(&self) -> (&str, &str) {
        let access = &self.access;
        let password = access.password.as_ref().map(Secret::reveal);
        (
            access.user.as_deref().unwrap_or(GUEST),
            password.unwrap_or(GUEST),
        )
    }
}

/// The queues that are to be looked at.
pub fn queues(matches: &ArgMatches) -> impl Iterator<Item = &str> {
    let queues = matches.get_many::<String>("queue").unwrap_or_default();
    queues.map(String::as_str)
}

/// What a client sees of a broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// `RabbitMQ 3.10.8`.
    pub product: String,
    /// How long it took to connect and log in.
    pub opened: Duration,
    /// The queues in the order in which they were asked for, or why there is nothing to see.
    pub queues: Vec<(String, Result<Queue, Unseen>)>,
    /// What becomes of what is published.
    pub publishing: Publishing,
}

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many messages wait to be taken.
    pub messages: u32,
    /// How many take them.
    pub consumers: u32,
}

/// What becomes of what is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publishing {
    /// This was not to be tried.
    Untried,
    /// The broker takes it.
    Taken,
    /// The broker has stopped reading, and why: `low on memory`.
    Blocked(String),
    /// This user may not.
    Refused(Refusal),
    /// The broker did not tell, and why.
    Unclear(String),
}

/// Why there is nothing to see of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// The broker says so: there is none, or this user may not.
    Refused(Refusal),
    /// The broker did not tell, and why.
    Unclear(String),
}

impl Unseen {
    /// That of this queue in words.
    #[must_use]
    pub fn of(&self, queue: &str) -> String {
        match self {
            Self::Refused(refusal) => format!("queue {queue}: {refusal}"),
            Self::Unclear(why) => why.clone(),
        }
    }
}

impl Broker {
    /// Looks at all of it, and leaves no trace. What is known by then is kept, whatever comes of the rest.
    pub fn look(&self, context: &Context) -> Result<Seen, ServiceError> {
        let begun = Instant::now();
        let session = Session::open(self, context)?;
        let (opened, product) = (begun.elapsed(), session.product.clone());
        let mut looking = Looking {
            broker: self,
            session: Ok(session),
            is_over: false,
        };
        let queues = self.queues.iter();
        let queues = queues.map(|queue| (queue.clone(), looking.at(queue, context)));
        Ok(Seen {
            product,
            opened,
            queues: queues.collect(),
            publishing: looking.leave(context),
        })
    }
}

/// One session after the other: what is wrong with one queue may end the whole connection.
struct Looking<'a> {
    broker: &'a Broker,
    /// Or why there is none.
    session: Result<Session<'a>, String>,
    /// Whether there will be none any more.
    is_over: bool,
}

impl<'a> Looking<'a> {
    /// The session, which is begun anew if the last one ended.
    fn session(&mut self, context: &Context) -> Result<&mut Session<'a>, String> {
        if self.session.is_err() && !self.is_over {
            // In half of the time, so that there is some to say what is known.
            let session = Session::open(self.broker, &context.share(2));
            self.session = session.map_err(|error| error.to_string());
            self.is_over = self.session.is_err();
        }
        self.session.as_mut().map_err(|why| why.clone())
    }

    fn at(&mut self, queue: &str, context: &Context) -> Result<Queue, Unseen> {
        let not_looked_at =
            |why: &str| Unseen::Unclear(format!("queue {queue} was not looked at: {why}"));
        if context.time_left() < context.time() / 8 {
            return Err(not_looked_at(
                "too little time is left; give more with --timeout",
            ));
        }
        let session = self.session(context).map_err(|why| not_looked_at(&why))?;
        match session.declare(queue, context) {
            Ok(seen) => seen.map_err(Unseen::Refused),
            Err(error) => {
                self.session = Err(error.to_string());
                Err(Unseen::Unclear(error.to_string()))
            }
        }
    }

    fn leave(&mut self, context: &Context) -> Publishing {
        let publish = self.broker.publish;
        if !publish && self.session.is_err() {
            return Publishing::Untried;
        }
        let left = self.session(context).and_then(|session| {
            let left = session.leave(publish, context);
            left.map_err(|error| error.to_string())
        });
        match left {
            Ok(publishing) => publishing,
            Err(why) if publish => Publishing::Unclear(why),
            Err(_) => Publishing::Untried,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}",
            self.code,
            self.text.trim_end_matches('.')
        )
    }
}
