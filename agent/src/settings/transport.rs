//! `transport` and `rabbitmq`: where the broker is.

use super::reader::Reader;
use lapin::uri::{AMQPScheme, AMQPUri};
use serde_json::Value;
use std::fmt;
use venus_event::Attributes;

/// How messages reach the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport {
    /// No broker: the agent is its own server.
    Embedded,
    /// `RabbitMQ`; more than one broker means: any of them.
    Rabbitmq(Vec<Broker>),
}

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

/// Reads which transport the settings ask for; without any of `transport`,
/// `rabbitmq` and `redis` no broker is needed.
pub fn read(reader: &mut Reader<'_>) -> Transport {
    let asked = ["transport", "rabbitmq", "redis"]
        .iter()
        .any(|key| reader.get(key).is_some());
    if !asked {
        return Transport::Embedded;
    }
    let name = reader.child("transport").and_then(|mut transport| {
        transport.boolean("reconnect_on_error");
        transport.string("name").map(str::to_owned)
    });
    match name.as_deref() {
        None | Some("rabbitmq") => Transport::Rabbitmq(read_brokers(reader)),
        Some("embedded") => Transport::Embedded,
        Some("redis") => {
            reader.complain(
                "transport name redis is not in this version yet; known: rabbitmq, embedded"
                    .to_owned(),
            );
            Transport::Embedded
        }
        Some(other) => {
            reader.complain(format!(
                "transport name {other} is not known; known: rabbitmq, embedded"
            ));
            Transport::Embedded
        }
    }
}

fn read_brokers(reader: &mut Reader<'_>) -> Vec<Broker> {
    let Some(value) = reader.get("rabbitmq") else {
        return vec![Broker::default()];
    };
    let one = std::slice::from_ref(value);
    let entries = value.as_array().map_or(one, Vec::as_slice);
    if entries.is_empty() {
        reader.complain("rabbitmq must name at least one broker".to_owned());
    }
    entries
        .iter()
        .filter_map(|entry| match entry {
            Value::String(uri) => from_uri(uri, reader),
            Value::Object(object) => Some(from_object(object, reader)),
            _ => {
                reader.complain("rabbitmq must be an amqp URI or a hash".to_owned());
                None
            }
        })
        .collect()
}

/// The URI never shows in a message: it holds the password.
fn from_uri(uri: &str, reader: &mut Reader<'_>) -> Option<Broker> {
    match uri.parse::<AMQPUri>() {
        Ok(uri) if uri.scheme == AMQPScheme::AMQPS => {
            refuse_tls(reader);
            None
        }
        Ok(uri) => {
            let default = Broker::default();
            Some(Broker {
                host: uri.authority.host.trim_matches(['[', ']']).to_owned(),
                port: uri.authority.port,
                vhost: uri.vhost,
                user: uri.authority.userinfo.username,
                password: uri.authority.userinfo.password,
                heartbeat: uri.query.heartbeat.unwrap_or(default.heartbeat),
                ..default
            })
        }
        Err(_) => {
            reader.complain(
                "rabbitmq is not an amqp URI (amqp://USER:PASSWORD@HOST:PORT/VHOST)".to_owned(),
            );
            None
        }
    }
}

fn from_object(object: &Attributes, reader: &mut Reader<'_>) -> Broker {
    let mut problems = Vec::new();
    let mut part = Reader::new("rabbitmq", object, &mut problems);
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
        host: text(&mut part, "host", default.host),
        port: part.port("port").unwrap_or(default.port),
        vhost: text(&mut part, "vhost", default.vhost),
        user: text(&mut part, "user", default.user),
        password: text(&mut part, "password", default.password),
        heartbeat: small(&mut part, "heartbeat", default.heartbeat),
        prefetch: small(&mut part, "prefetch", default.prefetch),
    };
    let wants_tls = part
        .get("ssl")
        .is_some_and(|ssl| ssl != &Value::Bool(false));
    for problem in problems {
        reader.complain(problem.message);
    }
    if wants_tls {
        refuse_tls(reader);
    }
    broker
}

/// Better no connection than one in the clear that somebody wanted encrypted.
fn refuse_tls(reader: &mut Reader<'_>) {
    reader.complain("rabbitmq ssl is not in this version yet".to_owned());
}
