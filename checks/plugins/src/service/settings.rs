//! Where a service is, and as whom to ask it, by the settings of Sensu: `rabbitmq` and `redis` of
//! the files below `/etc/sensu`. They have the password already, which then needs no second place.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::context::{Context, Failure};
use crate::service::secret::Secret;
use crate::service::server::Server;
use crate::service::tls::Tls;

/// What Sensu calls a service, and what it takes for granted of it.
#[derive(Debug)]
pub struct Service {
    /// The key of its settings.
    pub key: &'static str,
    /// Its port, if none is said.
    pub port: u16,
    /// What its URLs begin with; the second is that of TLS, with its port.
    pub schemes: [(&'static str, u16); 2],
}

/// `RabbitMQ`.
pub static RABBITMQ: Service = Service {
    key: "rabbitmq",
    port: 5672,
    schemes: [("amqp", 5672), ("amqps", 5671)],
};

/// `Redis`.
pub static REDIS: Service = Service {
    key: "redis",
    port: 6379,
    schemes: [("redis", 6379), ("rediss", 6379)],
};

/// What the settings say of one server.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it listens.
    pub server: Server,
    /// As whom to ask.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// The virtual host, of `RabbitMQ` only.
    pub vhost: Option<String>,
    /// Whether to encrypt, and how.
    pub tls: Option<Tls>,
    /// Whether the server has to prove who it is.
    pub verify: bool,
}

/// What is said of the service in a file, or in the files below a folder: of each server if there
/// are several, and of one at least. No error shows a value: it may be a password.
pub fn read(service: &Service, path: &Path, context: &Context) -> Result<Vec<Entry>, Failure> {
    context.step(format!("reading {}", path.display()));
    let settings = venus_settings::read_path(path)?;
    let key = service.key;
    let wrong = |why: &str| {
        let path = path.display();
        Failure::new(format!("cannot use {key} of {path}: {why}"))
    };
    let value = settings.get(key).filter(|value| !value.is_null());
    let value = value.ok_or_else(|| wrong("there is none; is it the right file or folder?"))?;
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    let entries: Result<Vec<Entry>, String> = all.iter().map(|one| entry(service, one)).collect();
    match entries {
        Ok(entries) if entries.is_empty() => Err(wrong("it names no server")),
        Ok(entries) => Ok(entries),
        Err(why) => Err(wrong(&why)),
    }
}

fn entry(service: &Service, value: &Value) -> Result<Entry, String> {
    match value {
        Value::String(url) => from_url(service, url).ok_or_else(|| {
            let [(scheme, _), _] = service.schemes;
            format!("it is not of the form {scheme}://USER:PASSWORD@HOST:PORT/…")
        }),
        Value::Object(object) => from_object(service, object),
        _ => Err("it is neither a URL nor an object".to_owned()),
    }
}

fn from_object(service: &Service, object: &Map<String, Value>) -> Result<Entry, String> {
    let host = text(object, "host")?;
    if host.is_none() && object.contains_key("sentinels") {
        return Err("it names sentinels and no host; give one of them with --server".to_owned());
    }
    let port = match present(object, "port") {
        None => service.port,
        Some(port) => port
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)
            .ok_or("port must be from 1 to 65535")?,
    };
    let (tls, verify) = match present(object, "ssl") {
        None | Some(Value::Bool(false)) => (None, true),
        Some(Value::Bool(true)) => (Some(Tls::default()), true),
        Some(Value::Object(ssl)) => {
            let file = |key| text(ssl, key).map(|path| path.map(PathBuf::from));
            let identity = match (file("cert_chain_file")?, file("private_key_file")?) {
                (None, None) => None,
                (Some(chain), Some(key)) => Some((chain, key)),
                _ => return Err("cert_chain_file and private_key_file go together".to_owned()),
            };
            let ca_file = file("cacert")?;
            let verify = present(ssl, "verify").is_none_or(|verify| verify != &Value::Bool(false));
            (Some(Tls { ca_file, identity }), verify)
        }
        Some(_) => return Err("ssl must be an object, true or false".to_owned()),
    };
    Ok(Entry {
        server: Server {
            host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
        },
        user: text(object, "user")?,
        password: text(object, "password")?.map(Secret::new),
        vhost: text(object, "vhost")?,
        tls,
        verify,
    })
}

fn present<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match present(object, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{key} must be a string")),
    }
}

/// `SCHEME://[USER][:PASSWORD]@HOST[:PORT][/VHOST][?…]`, percent-encoded.
fn from_url(service: &Service, url: &str) -> Option<Entry> {
    let (scheme, rest) = url.split_once("://")?;
    let place = service.schemes.iter().position(|(one, _)| *one == scheme)?;
    let (_, default_port) = service.schemes.get(place)?;
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let address = match (address, has_port) {
        ("", _) => Cow::Owned(format!("127.0.0.1:{default_port}")),
        (address, true) => Cow::Borrowed(address),
        (address, false) => Cow::Owned(format!("{address}:{default_port}")),
    };
    let given = |text: &str| -> Option<Option<String>> {
        let decoded = decode(text)?;
        Some(Some(decoded).filter(|text| !text.is_empty()))
    };
    Some(Entry {
        server: address.parse().ok()?,
        user: given(user)?,
        password: given(password)?.map(Secret::new),
        vhost: given(path)?,
        tls: (place == 1).then(Tls::default),
        verify: true,
    })
}

/// Text with `%2F` and the like.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.get(2..)?.bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// All of it in a line.
    fn shown(entry: &Entry) -> String {
        let password = entry.password.as_ref().map(Secret::reveal);
        let (server, user, vhost) = (&entry.server, &entry.user, &entry.vhost);
        let tls = entry.tls.is_some();
        format!("{server} {user:?} {password:?} {vhost:?} {tls}")
    }

    #[test]
    fn urls_and_objects_say_the_same() {
        for (value, text) in [
            (
                json!("amqp://sensu:a%2Fb%3a@venus001:5673/%2Fsensu?heartbeat=10"),
                r#"venus001:5673 Some("sensu") Some("a/b:") Some("/sensu") false"#,
            ),
            (json!("amqps://[::1]"), "[::1]:5671 None None None true"),
            (json!("amqp://"), "127.0.0.1:5672 None None None false"),
            (json!("amqp://:x@h/"), r#"h:5672 None Some("x") None false"#),
            (
                json!({"host": "h", "port": 1, "user": "u", "password": "p", "vhost": "/v",
                    "ssl": {"cacert": "/ca.pem"}}),
                r#"h:1 Some("u") Some("p") Some("/v") true"#,
            ),
            (
                json!({"ssl": false, "port": null}),
                "127.0.0.1:5672 None None None false",
            ),
        ] {
            let entry = entry(&RABBITMQ, &value);
            assert_eq!(
                shown(&entry.unwrap_or_else(|why| panic!("{value}: {why}"))),
                text
            );
        }
        let redis = entry(&REDIS, &json!("redis://:p@h:7/3"));
        assert_eq!(
            shown(&redis.unwrap_or_else(|why| panic!("{why}"))),
            r#"h:7 None Some("p") Some("3") false"#
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_a_value() {
        for value in [
            json!("amqp//sensu:s3cret@h"),
            json!("redis://sensu:s3cret@h"),
            json!("amqp://sensu:s3cret%@h"),
            json!("amqp://sensu:s3cret@h:99999"),
            json!({"password": ["s3cret"]}),
            json!({"password": "s3cret", "port": 0}),
            json!({"password": "s3cret", "ssl": "s3cret"}),
            json!({"password": "s3cret", "ssl": {"cert_chain_file": "s3cret"}}),
            json!({"password": "s3cret", "sentinels": ["s3cret"]}),
            json!(7),
        ] {
            let Err(why) = entry(&RABBITMQ, &value) else {
                panic!("{value}");
            };
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".*", url in "amqps?://[%:@/\\[\\]a-f0-9é]{0,20}") {
            for text in [text, url] {
                drop(from_url(&RABBITMQ, &text));
                drop(decode(&text));
            }
        }
    }
}
