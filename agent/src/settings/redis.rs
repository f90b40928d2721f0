//! `redis`: the server, or the sentinels that know it.

use super::reader::{Problem, Reader, without_text};
use super::tls::{Tls, read_tls};
use redis::{ConnectionAddr, IntoConnectionInfo};
use serde_json::{Value, json};
use std::fmt;
use venus_event::Attributes;

/// Where Redis is.
#[derive(Clone, PartialEq, Eq)]
pub struct Redis {
    /// Host and port of the server; not used with sentinels.
    pub address: Address,
    /// User of Redis 6 and later.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database.
    pub db: i64,
    /// The number that is in the names of lists and channels: that of the
    /// database, but 0 where a URL names it, as in Sensu.
    pub named_db: i64,
    /// Whether and how the connection is encrypted.
    pub tls: Option<Tls>,
    /// Who is asked for the server's address.
    pub sentinels: Vec<Address>,
    /// The name by which the sentinels know the server.
    pub master: String,
}

/// A host name or address, IPv6 without brackets, and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// `HOST:PORT`, `[HOST]:PORT` for IPv6.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            address: Address {
                host: "127.0.0.1".to_owned(),
                port: 6379,
            },
            user: None,
            password: None,
            db: 0,
            named_db: 0,
            tls: None,
            sentinels: Vec::new(),
            master: "mymaster".to_owned(),
        }
    }
}

/// Without the password, so that no log and no error can hold it.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({self})")
    }
}

/// What a person needs to find it.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, db, .. } = self;
        if self.sentinels.is_empty() {
            write!(f, "redis {address}, db {db}")
        } else {
            write!(f, "redis {} of the sentinels, db {db}", self.master)
        }
    }
}

const NO_URL: &str = "is not a redis URL (redis://:PASSWORD@HOST:PORT/DB)";

/// Reads `redis`: a URL or an object.
pub(super) fn read_redis(merged: &Attributes, problems: &mut Vec<Problem>) -> Redis {
    let problem = |value: &Value, message: &str| Problem {
        message: format!("redis {message}"),
        object: json!({ "redis": without_text(value) }),
    };
    match merged.get("redis") {
        None | Some(Value::Null) => Redis::default(),
        Some(Value::Object(object)) => {
            let mut reader = Reader::new("redis", object, problems);
            from_object(&mut reader)
        }
        Some(value) => value.as_str().and_then(from_url).unwrap_or_else(|| {
            problems.push(problem(value, NO_URL));
            Redis::default()
        }),
    }
}

fn from_url(url: &str) -> Option<Redis> {
    let info = url.into_connection_info().ok()?;
    let (host, port, tls) = match info.addr() {
        ConnectionAddr::Tcp(host, port) => (host, port, None),
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure,
            ..
        } => {
            let tls = Tls {
                verify: !insecure,
                ..Tls::default()
            };
            (host, port, Some(tls))
        }
        _ => return None,
    };
    let redis = info.redis_settings();
    Some(Redis {
        address: Address {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: *port,
        },
        user: redis.username().map(str::to_owned),
        password: redis.password().map(str::to_owned),
        db: redis.db(),
        tls,
        ..Redis::default()
    })
}

fn from_object(part: &mut Reader<'_>) -> Redis {
    for key in ["auto_reconnect", "reconnect_on_error"] {
        part.boolean(key);
    }
    let default = Redis::default();
    let sentinels = read_sentinels(part);
    let db = part.integer("db").unwrap_or(0);
    if db < 0 {
        part.problem("db", "must be 0 or more");
    }
    let text = |part: &mut Reader<'_>, key: &str| part.string(key).map(str::to_owned);
    Redis {
        address: read_address(part, &default.address),
        user: text(part, "user"),
        password: text(part, "password"),
        db,
        named_db: db,
        tls: read_tls(part),
        sentinels,
        master: text(part, "master").unwrap_or(default.master),
    }
}

fn read_address(part: &mut Reader<'_>, default: &Address) -> Address {
    let host = part.string("host").unwrap_or(&default.host).to_owned();
    Address {
        host,
        port: part.port("port").unwrap_or(default.port),
    }
}

/// Objects with `host` and `port`, URLs, or a string with URLs and commas.
fn read_sentinels(part: &mut Reader<'_>) -> Vec<Address> {
    let default = Address {
        host: "127.0.0.1".to_owned(),
        port: 26379,
    };
    let entries = match part.get("sentinels") {
        None => return Vec::new(),
        Some(Value::String(urls)) => urls.split(',').map(|url| json!(url.trim())).collect(),
        Some(Value::Array(entries)) => entries.clone(),
        Some(_) => {
            part.problem("sentinels", "must be an array");
            return Vec::new();
        }
    };
    let mut sentinels = Vec::new();
    for entry in &entries {
        match entry {
            Value::Object(object) => {
                let mut sentinel = part.entry("sentinels", object);
                sentinels.push(read_address(&mut sentinel, &default));
            }
            Value::String(url) => match from_url(url) {
                Some(redis) => sentinels.push(redis.address),
                None => part.problem_of_secret("sentinels", NO_URL),
            },
            _ => part.problem("sentinels", "must each be a hash or a redis URL"),
        }
    }
    sentinels
}
