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
use crate::service::access::{self, Access};
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
    pub queues: Vec<(String, Result<Queue, Refusal>)>,
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

impl Broker {
    /// Looks at all of it, and leaves no trace.
    pub fn look(&self, context: &Context) -> Result<Seen, ServiceError> {
        let begun = Instant::now();
        let mut session = Session::open(self, context)?;
        let opened = begun.elapsed();
        let mut queues = Vec::new();
        for queue in &self.queues {
            queues.push((queue.clone(), session.declare(queue, context)?));
        }
        // The queues are known by now, whatever comes of the rest.
        let publishing = session
            .leave(self.publish, context)
            .unwrap_or_else(|error| Publishing::Unclear(error.to_string()));
        Ok(Seen {
            product: session.product,
            opened,
            queues,
            publishing,
        })
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
