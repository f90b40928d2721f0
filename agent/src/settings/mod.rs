//! Settings: found, merged, read into types, validated.
//!
//! [`load`] merges what the node has, [`Settings::compile`] reads it into types
//! and reports every mistake of the whole in one run. Unknown attributes of
//! clients and checks are custom attributes: they are carried through in order.

pub mod check;
pub mod client;
mod current;
mod durations;
pub mod exposed;
pub mod handler;
mod invocation;
pub mod load;
pub mod rabbitmq;
pub mod reader;
pub mod redis;
pub mod tls;
pub mod transport;
pub mod typos;
pub mod venus;

pub use check::Check;
pub use client::Client;
pub use current::Current;
pub use handler::{Filter, Handler, Mutator};
pub use invocation::Invocation;
pub use load::Environment;
pub use rabbitmq::Broker;
pub use reader::Problem;
pub use redis::Redis;
pub use tls::Tls;
pub use transport::Transport;
pub use venus::Venus;

use handler_graphite::settings::Settings as Graphite;
use reader::Reader;
use serde_json::{Value, json};
use std::path::PathBuf;
use venus::METRICS_HANDLER;
use venus_event::Attributes;
use venus_settings::Sources;

/// What the agent knows about its host before it reads any settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The kernel's host name.
    pub name: String,
    /// The first IPv4 address that is not loopback.
    pub address: Option<String>,
}

/// All settings, valid.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Everything as merged, unknown keys included.
    pub merged: Attributes,
    /// Which files they are from, in their order.
    pub files: Vec<PathBuf>,
    /// Who this node is.
    pub client: Client,
    /// What it runs.
    pub checks: Vec<Check>,
    /// Who is told, when the agent is its own server.
    pub handlers: Vec<Handler>,
    /// Where metrics go from this process, when it is its own server.
    pub graphite: Option<Graphite>,
    /// Which events handlers may want.
    pub filters: Vec<Filter>,
    /// What makes of an event what a handler is told.
    pub mutators: Vec<Mutator>,
    /// Where messages go.
    pub transport: Transport,
    /// What only this agent has.
    pub venus: Venus,
    /// How many checks run side by side (`sensu.spawn.limit`).
    pub spawn_limit: usize,
}

impl Settings {
    /// Reads the merged settings, which are from these files, into types.
    ///
    /// Returns every problem instead, if there is one.
    pub fn compile(mut merged: Attributes, files: Vec<PathBuf>) -> Result<Self, Vec<Problem>> {
        durations::to_seconds(&mut merged);
        let mut problems = Vec::new();
        let transport = transport::read(&merged, &mut problems);
        let embedded = transport == Transport::Embedded;
        let venus = read_part(&merged, "venus", &mut problems, |reader| {
            Venus::read(reader, embedded)
        });
        if embedded {
            default_subscriptions(&mut merged, &venus);
        }
        let client = read_part(&merged, "client", &mut problems, Client::read);
        let client_object = Value::Object(client.attributes.clone());
        merged.insert("client".to_owned(), client_object);
        let checks = read_each(&merged, "check", &mut problems, Check::read);
        let handlers = read_each(&merged, "handler", &mut problems, Handler::read);
        // Of a Sensu server's own, which an agent behind a broker does not look at.
        let (filters, mutators) = if embedded {
            let filters = read_each(&merged, "filter", &mut problems, Filter::read);
            let mutators = read_each(&merged, "mutator", &mut problems, Mutator::read);
            (filters, mutators.into_iter().flatten().collect())
        } else {
            (Vec::new(), Vec::new())
        };
        let graphite = embedded
            .then(|| read_graphite(&merged, &mut problems))
            .flatten();
        let spawn_limit = read_part(&merged, "sensu", &mut problems, |reader| {
            let limit = reader
                .child("spawn")
                .and_then(|mut spawn| spawn.positive("limit"));
            limit.and_then(|limit| usize::try_from(limit).ok())
        });
        if problems.is_empty() {
            Ok(Self {
                files,
                client,
                checks,
                handlers: handlers.into_iter().flatten().collect(),
                filters,
                mutators,
                graphite,
                transport,
                venus,
                spawn_limit: spawn_limit.unwrap_or(12),
                merged,
            })
        } else {
            Err(problems)
        }
    }
}

/// The settings of `handler-graphite`, which this process has as well.
fn read_graphite(merged: &Attributes, problems: &mut Vec<Problem>) -> Option<Graphite> {
    let section = merged.get(METRICS_HANDLER)?;
    let all = Attributes::from_iter([(METRICS_HANDLER.to_owned(), section.clone())]);
    match Graphite::from_section(all, METRICS_HANDLER, &Sources::default()) {
        Ok(graphite) => Some(graphite),
        Err(error) => {
            problems.push(Problem {
                message: error.to_string(),
                object: json!({}),
            });
            None
        }
    }
}

/// Without a broker nobody asks for subscriptions, so that what the host has
/// decides which built-in checks run.
fn default_subscriptions(merged: &mut Attributes, venus: &Venus) {
    let client = merged.get_mut("client").and_then(Value::as_object_mut);
    if let Some(client) = client
        && !client.contains_key("subscriptions")
    {
        let mut subscriptions = vec!["physical"];
        if venus.has_infiniband() {
            subscriptions.push("infiniband");
        }
        client.insert("subscriptions".to_owned(), json!(subscriptions));
    }
}

/// Reads the object `key`, an empty one where there is none.
fn read_part<T>(
    merged: &Attributes,
    key: &str,
    problems: &mut Vec<Problem>,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> T {
    let empty = Attributes::new();
    let object = match merged.get(key) {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(object)) => object,
        Some(other) => {
            problems.push(Problem {
                message: format!("{key} must be a hash"),
                object: json!({ key: other }),
            });
            &empty
        }
    };
    read(&mut Reader::new(key, object, problems))
}

/// Reads every entry of the plural of `what` (`checks`, `handlers`); each gets
/// its name as an attribute, so that a problem shows whose it is.
fn read_each<T>(
    merged: &Attributes,
    what: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&str, &mut Reader<'_>) -> T,
) -> Vec<T> {
    let plural = format!("{what}s");
    let entries = read_part(merged, &plural, problems, |reader| reader.object().clone());
    let mut all = Vec::with_capacity(entries.len());
    for (name, entry) in &entries {
        if let Value::Object(object) = entry {
            let mut named = object.clone();
            named.insert("name".to_owned(), json!(name));
            let mut reader = Reader::new(what, &named, problems);
            all.push(read(name, &mut reader));
        } else {
            problems.push(Problem {
                message: format!("{what} must be a hash"),
                object: json!({ name: entry }),
            });
        }
    }
    all
}
