//! Where settings come from: the host, the environment, then the files.

use super::Host;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use venus_event::Attributes;
use venus_settings::{SourceError, Sources, merge};

/// Environment variables, as the process was given them.
pub type Environment = HashMap<String, String>;

/// The variables that settings come from.
pub const VARIABLES: [&str; 7] = [
    TRANSPORT_NAME,
    RABBITMQ_URL,
    REDIS_URL,
    REDIS_SENTINEL_URLS,
    CLIENT_NAME,
    CLIENT_ADDRESS,
    CLIENT_SUBSCRIPTIONS,
];
const TRANSPORT_NAME: &str = "SENSU_TRANSPORT_NAME";
const RABBITMQ_URL: &str = "RABBITMQ_URL";
const REDIS_URL: &str = "REDIS_URL";
const REDIS_SENTINEL_URLS: &str = "REDIS_SENTINEL_URLS";
const CLIENT_NAME: &str = "SENSU_CLIENT_NAME";
const CLIENT_ADDRESS: &str = "SENSU_CLIENT_ADDRESS";
const CLIENT_SUBSCRIPTIONS: &str = "SENSU_CLIENT_SUBSCRIPTIONS";

/// A variable that is set, and not to nothing.
#[must_use]
pub fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a String> {
    environment.get(name).filter(|value| !value.is_empty())
}

/// Everything merged: `host` and `environment` first, then the files.
///
/// Returns the merged object and the files that were read.
pub fn load(
    sources: &Sources,
    environment: &Environment,
    host: &Host,
) -> Result<(Attributes, Vec<PathBuf>), SourceError> {
    let mut settings = defaults(host);
    merge(&mut settings, from_environment(environment));
    let files = sources.merge_into(&mut settings)?;
    Ok((settings, files))
}

fn defaults(host: &Host) -> Attributes {
    let mut client = Map::new();
    client.insert("name".to_owned(), json!(host.name));
    if let Some(address) = &host.address {
        client.insert("address".to_owned(), json!(address));
    }
    Map::from_iter([("client".to_owned(), Value::Object(client))])
}

fn from_environment(environment: &Environment) -> Attributes {
    let get = |name: &str| variable(environment, name);
    let mut settings = Map::new();
    if let Some(name) = get(TRANSPORT_NAME) {
        settings.insert("transport".to_owned(), json!({ "name": name }));
    }
    if let Some(uri) = get(RABBITMQ_URL) {
        settings.insert("rabbitmq".to_owned(), json!(uri));
    }
    if let Some(url) = get(REDIS_URL) {
        settings.insert("redis".to_owned(), json!(url));
    }
    if let Some(urls) = get(REDIS_SENTINEL_URLS) {
        settings.insert("redis".to_owned(), json!({ "sentinels": urls }));
    }
    let mut client = Map::new();
    if let Some(name) = get(CLIENT_NAME) {
        client.insert("name".to_owned(), json!(name));
    }
    if let Some(address) = get(CLIENT_ADDRESS) {
        client.insert("address".to_owned(), json!(address));
    }
    if let Some(list) = get(CLIENT_SUBSCRIPTIONS) {
        let names: Vec<&str> = list.split(',').map(str::trim).collect();
        client.insert("subscriptions".to_owned(), json!(names));
    }
    if !client.is_empty() {
        settings.insert("client".to_owned(), Value::Object(client));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a4_the_environment_comes_before_the_files() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("c.json"),
            r#"{"client": {"name": "from-file"}}"#,
        )
        .unwrap();
        let environment = Environment::from(
            [
                ("SENSU_CLIENT_NAME", "from-env"),
                ("SENSU_CLIENT_SUBSCRIPTIONS", "a, b"),
                ("RABBITMQ_URL", "amqp://u:p@h/v"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let host = Host {
            name: "from-kernel".to_owned(),
            address: Some("192.0.2.1".to_owned()),
        };
        let sources = Sources {
            file: None,
            dirs: vec![dir.path().to_owned()],
        };
        let (settings, _) = load(&sources, &environment, &host).unwrap();
        assert_eq!(
            Value::Object(settings),
            json!({
                "client": {"name": "from-file", "address": "192.0.2.1", "subscriptions": ["a", "b"]},
                "rabbitmq": "amqp://u:p@h/v",
            })
        );
    }
}
