//! Attributes that look like misspelt ones of Sensu's. Any other attribute is
//! one of the user's own, and is carried through.

use super::check::CONTEXT;
use serde_json::{Value, json};
use venus_event::Attributes;

const TOP: [&str; 6] = [
    "client",
    "checks",
    "handlers",
    "transport",
    "rabbitmq",
    "redis",
];
const CLIENT: [&str; 15] = [
    "name",
    "address",
    "subscriptions",
    "safe_mode",
    "keepalive",
    "keepalives",
    "deregister",
    "deregistration",
    "registration",
    "redact",
    "signature",
    "socket",
    "http_socket",
    "unix_socket",
    "version",
];
/// Of `client.socket`. What only this agent has, such as `client.unix_socket`, takes no others at all.
const SOCKET: [&str; 6] = [
    "enabled",
    "bind",
    "port",
    "max_size",
    "max_connections",
    "max_rate",
];
const HTTP_SOCKET: [&str; 9] = [
    "enabled",
    "bind",
    "port",
    "max_size",
    "max_connections",
    "max_rate",
    "user",
    "password",
    "protect_all_endpoints",
];
const KEEPALIVE: [&str; 3] = ["handler", "handlers", "thresholds"];
const CHECK: [&str; 29] = [
    "name",
    "type",
    "command",
    "extension",
    "standalone",
    "subscribers",
    "publish",
    "interval",
    "cron",
    "timeout",
    "stdin",
    "ttl",
    "ttl_status",
    "auto_resolve",
    "force_resolve",
    "handle",
    "handler",
    "handlers",
    "source",
    "aggregate",
    "aggregates",
    "low_flap_threshold",
    "high_flap_threshold",
    "occurrences",
    "refresh",
    "dependencies",
    "subdue",
    "hooks",
    "truncate_output",
];
const RABBITMQ: [&str; 8] = [
    "host",
    "port",
    "vhost",
    "user",
    "password",
    "heartbeat",
    "prefetch",
    "ssl",
];
const REDIS: [&str; 7] = [
    "host",
    "port",
    "password",
    "db",
    "ssl",
    "master",
    "sentinels",
];
/// How alike two names have to be, from 0 to 1: `subscriptons` and
/// `subscriptions` are 0.92, `owner` and `user` 0.4.
const ALIKE: f64 = 0.8;

/// An attribute that may be a typing error, and the one that may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typo {
    /// Where: `client`, or the path of a check.
    pub place: String,
    /// What is there.
    pub written: String,
    /// What Sensu knows.
    pub meant: &'static str,
}

/// Every suspicious attribute of merged settings.
#[must_use]
pub fn find(settings: &Attributes) -> Vec<Typo> {
    let mut typos = Vec::new();
    look("settings", settings, &TOP, &mut typos);
    let mut part = |place: &str, value: Option<&Value>, known: &[&'static str]| {
        if let Some(object) = value.and_then(Value::as_object) {
            look(place, object, known, &mut typos);
        }
    };
    let client = settings.get("client");
    part("client", client, &CLIENT);
    let of_client = |key: &str| client.and_then(|client| client.get(key));
    part("client.socket", of_client("socket"), &SOCKET);
    part("client.http_socket", of_client("http_socket"), &HTTP_SOCKET);
    part("client.keepalive", of_client("keepalive"), &KEEPALIVE);
    match settings.get("rabbitmq") {
        Some(Value::Array(brokers)) => brokers
            .iter()
            .for_each(|broker| part("rabbitmq", Some(broker), &RABBITMQ)),
        broker => part("rabbitmq", broker, &RABBITMQ),
    }
    part("redis", settings.get("redis"), &REDIS);
    let checks = settings.get("checks").and_then(Value::as_object);
    for (name, check) in checks.into_iter().flatten() {
        part(&format!("checks.{name}"), Some(check), &CHECK);
        let context = check.get("context").and_then(Value::as_array);
        // Each as the name of an attribute that is not there.
        let words = context.into_iter().flatten().filter_map(Value::as_str);
        let words = words.map(|word| (word.to_owned(), Value::Null));
        let words = Value::Object(words.collect());
        part(&format!("checks.{name}.context"), Some(&words), &CONTEXT);
    }
    typos
}

fn look(place: &str, object: &Attributes, known: &[&'static str], typos: &mut Vec<Typo>) {
    for written in object.keys().filter(|key| !known.contains(&key.as_str())) {
        let missing = known.iter().filter(|name| !object.contains_key(**name));
        let alike = missing
            .map(|name| (strsim::normalized_damerau_levenshtein(written, name), *name))
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        if let Some((likeness, meant)) = alike
            && likeness >= ALIKE
        {
            typos.push(Typo {
                place: place.to_owned(),
                written: written.clone(),
                meant,
            });
        }
    }
}

impl Typo {
    /// For the log.
    pub(crate) fn data(&self) -> Value {
        json!({ "in": self.place, "attribute": self.written, "did_you_mean": self.meant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_found_and_an_attribute_of_ones_own_is_not() {
        let Value::Object(settings) = json!({
            "chekcs": {},
            "slack": {},
            "client": {"subscriptons": [], "owner": "x", "rack": "r1", "names": 1, "name": "n",
                "socket": {"max_rat": 5, "port": 3030}, "http_socket": {"usr": "x", "colour": "red"},
                "keepalive": {"treshold": {}}},
            "checks": {"disk": {"comand": "x", "intervall": 5, "team": "hpc", "tags": [],
                "context": ["container", "pods"]}},
            "rabbitmq": [{"pasword": "x", "tls": false}],
        }) else {
            unreachable!()
        };
        let found: Vec<_> = find(&settings)
            .into_iter()
            .map(|typo| (typo.place, typo.written, typo.meant))
            .collect();
        let expected = [
            ("client", "subscriptons", "subscriptions"),
            ("client.socket", "max_rat", "max_rate"),
            ("client.keepalive", "treshold", "thresholds"),
            ("rabbitmq", "pasword", "password"),
            ("checks.disk", "comand", "command"),
            ("checks.disk", "intervall", "interval"),
            ("checks.disk.context", "container", "containers"),
        ]
        .map(|(place, written, meant)| (place.to_owned(), written.to_owned(), meant));
        assert_eq!(found, expected);
    }
}
