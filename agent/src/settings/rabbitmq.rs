//! `rabbitmq`: one broker, or several.

use super::reader::{Problem, Reader, without_text};
use super::tls::{Tls, read_tls};
use lapin::uri::{AMQPScheme, AMQPUri};
use serde_json::{Value, json};
use std::fmt;
use url::Url;
use venus_event::Attributes;

/// One `RabbitMQ` broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Virtual host.
    pub vhost: String,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Seconds after which a silent peer counts as dead.
    pub heartbeat: u16,
    /// How many requests the broker may send ahead.
    pub prefetch: u16,
    /// Whether and how the connection is encrypted.
    pub tls: Option<Tls>,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 5672,
            vhost: "/".to_owned(),
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            heartbeat: 10,
            prefetch: 1,
            tls: None,
        }
    }
}

/// Without the password, so that no log and no error can hold it.
impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({self})")
    }
}

/// `USER@HOST:PORT, vhost VHOST`: what a person needs to find it.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            vhost,
            user,
            ..
        } = self;
        if host.contains(':') {
            write!(f, "{user}@[{host}]:{port}, vhost {vhost}")
        } else {
            write!(f, "{user}@{host}:{port}, vhost {vhost}")
        }
    }
}

/// Reads `rabbitmq`: an amqp URI, an object, or an array of these.
pub(super) fn read_brokers(merged: &Attributes, problems: &mut Vec<Problem>) -> Vec<Broker> {
    let value = match merged.get("rabbitmq") {
        None | Some(Value::Null) => return vec![Broker::default()],
        Some(value) => value,
    };
    let one = std::slice::from_ref(value);
    let entries = value.as_array().map_or(one, Vec::as_slice);
    // A URI that cannot be read may hold a password at any place.
    let problem = |message: &str| Problem {
        message: format!("rabbitmq {message}"),
        object: json!({ "rabbitmq": without_text(value) }),
    };
    if entries.is_empty() {
        problems.push(problem("must name at least one broker"));
    }
    let mut brokers = Vec::new();
    for entry in entries {
        match entry {
            Value::String(uri) => match from_uri(uri) {
                Ok(broker) => brokers.push(broker),
                Err(message) => problems.push(problem(message)),
            },
            Value::Object(object) => {
                let mut reader = Reader::new("rabbitmq", object, problems);
                brokers.push(from_object(&mut reader));
            }
            _ => problems.push(problem("must be an amqp URI or a hash")),
        }
    }
    brokers
}

fn from_uri(uri: &str) -> Result<Broker, &'static str> {
    const NO_URI: &str = "is not an amqp URI (amqp://USER:PASSWORD@HOST:PORT/VHOST)";
    // The client library's own reader takes every IPv6 address for localhost.
    let url = Url::parse(uri).map_err(|_| NO_URI)?;
    if !url.has_authority() {
        return Err(NO_URI);
    }
    let host = url.host_str().unwrap_or_default();
    let uri: AMQPUri = uri.parse().map_err(|_| NO_URI)?;
    let default = Broker::default();
    Ok(Broker {
        host: if host.is_empty() {
            default.host
        } else {
            host.trim_matches(['[', ']']).to_owned()
        },
        port: uri.authority.port,
        vhost: uri.vhost,
        user: uri.authority.userinfo.username,
        password: uri.authority.userinfo.password,
        heartbeat: uri.query.heartbeat.unwrap_or(default.heartbeat),
        tls: (uri.scheme == AMQPScheme::AMQPS).then(Tls::default),
        ..default
    })
}

fn from_object(part: &mut Reader<'_>) -> Broker {
    let default = Broker::default();
    let small = |part: &mut Reader<'_>, key: &str, fallback: u16| match part.integer(key) {
        None => fallback,
        Some(number) => u16::try_from(number).unwrap_or_else(|_| {
            part.problem(key, "must be from 0 to 65535");
            fallback
        }),
    };
    let text = |part: &mut Reader<'_>, key: &str, fallback: String| {
        part.string(key).map_or(fallback, str::to_owned)
    };
    let broker = Broker {
        host: text(part, "host", default.host),
        port: part.port("port").unwrap_or(default.port),
        vhost: text(part, "vhost", default.vhost),
        user: text(part, "user", default.user),
        password: text(part, "password", default.password),
        heartbeat: small(part, "heartbeat", default.heartbeat),
        prefetch: small(part, "prefetch", default.prefetch),
        tls: None,
    };
    Broker {
        tls: read_tls(part),
        ..broker
    }
}
