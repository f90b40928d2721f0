//! `transport`: how messages reach the server.

use super::rabbitmq::{Broker, read_brokers};
use super::read_part;
use super::reader::Problem;
use super::redis::{Redis, read_redis};
use serde_json::json;
use venus_event::Attributes;

/// How messages reach the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Transport {
    /// No broker: the agent is its own server.
    Embedded,
    /// `RabbitMQ`; more than one broker means: any of them.
    Rabbitmq(Vec<Broker>),
    /// Redis.
    Redis(Redis),
}

impl Transport {
    /// The name that the settings have for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Rabbitmq(_) => "rabbitmq",
            Self::Redis(_) => "redis",
        }
    }
}

/// Reads which transport the settings ask for; without any of `transport`,
/// `rabbitmq` and `redis` no broker is needed.
pub(super) fn read(merged: &Attributes, problems: &mut Vec<Problem>) -> Transport {
    let asks = |key: &str| merged.get(key).is_some_and(|value| !value.is_null());
    if !["transport", "rabbitmq", "redis"].into_iter().any(asks) {
        return Transport::Embedded;
    }
    let name = read_part(merged, "transport", problems, |reader| {
        reader.boolean("reconnect_on_error");
        reader.string("name").map(str::to_owned)
    });
    match name.as_deref() {
        None | Some("rabbitmq") => Transport::Rabbitmq(read_brokers(merged, problems)),
        Some("redis") => Transport::Redis(read_redis(merged, problems)),
        Some("embedded") => Transport::Embedded,
        Some(other) => {
            problems.push(Problem {
                message: format!(
                    "transport name {other} is not known; known: rabbitmq, redis, embedded"
                ),
                object: json!({ "name": name }),
            });
            Transport::Embedded
        }
    }
}
