//! The agent that runs on this node, and what it says when it is asked.

use crate::host;
use crate::settings::client::HttpSocket;
use crate::settings::{Environment, Settings, load};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use venus_settings::Sources;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes of its answer are read.
const LONGEST: u64 = 4 << 20;

/// Where an agent listens that has these settings.
#[derive(Debug)]
pub struct Running {
    http: HttpSocket,
}

/// What it answers: of `/api/node` what people are shown.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// Who it is.
    pub client: Client,
    /// What it sends its results by.
    pub transport: Transport,
    /// How many results wait.
    pub waiting: Waiting,
    /// The last result of each check, the worst first.
    pub checks: Vec<Check>,
    /// The last hour, by the names of [`crate::human::TRENDS`].
    pub trends: BTreeMap<String, Trend>,
}

/// Who a node is.
#[derive(Debug, Deserialize)]
pub struct Client {
    /// Its name.
    #[serde(deserialize_with = "clean")]
    pub name: String,
    /// Its address; `unknown` where the settings and the host have none.
    #[serde(deserialize_with = "clean")]
    pub address: String,
    /// What it subscribes to.
    #[serde(deserialize_with = "clean_list")]
    pub subscriptions: Vec<String>,
    /// When it answered, in seconds since the epoch.
    pub timestamp: u64,
}

/// What an agent sends its results by.
#[derive(Debug, Deserialize)]
pub struct Transport {
    /// `rabbitmq`, `redis` or `embedded`.
    #[serde(deserialize_with = "clean")]
    pub name: String,
    /// Whether it is connected now.
    pub connected: bool,
}

/// How many results wait to be delivered.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Waiting {
    /// In memory.
    pub memory: u64,
    /// On the disk.
    pub spool: u64,
}

/// The last result of a check.
#[derive(Debug, Deserialize)]
pub struct Check {
    /// Its name, behind `SOURCE/` where it is that of a proxy client.
    #[serde(deserialize_with = "clean")]
    pub name: String,
    /// Its exit status.
    pub status: i64,
    /// The beginning of its output's first line.
    #[serde(deserialize_with = "clean")]
    pub output: String,
    /// When it ran, in seconds since the epoch.
    pub executed: u64,
    /// When it runs next, where that is known.
    pub next: Option<u64>,
    /// Its last statuses, 21 at most, the newest last.
    pub history: Vec<i64>,
}

/// A figure over time.
#[derive(Debug, Default, Deserialize)]
pub struct Trend {
    /// The newest last, each with its time in seconds since the epoch.
    pub points: Vec<(u64, f32)>,
}

impl Running {
    /// Reads the settings; the error says what is wrong with them.
    pub fn find(sources: &Sources, environment: &Environment) -> Result<Self, String> {
        let loaded = load::load(sources, environment, &host::discover());
        let (merged, files) = loaded.map_err(|error| error.to_string())?;
        let wrong = |_| "the settings are wrong; see venus-agent --validate_config".to_owned();
        let settings = Settings::compile(merged, files).map_err(wrong)?;
        let http = settings.client.http_socket;
        if !http.socket.enabled {
            return Err("client.http_socket is off in the settings".to_owned());
        }
        Ok(Self { http })
    }

    /// Asks it; the error says why there is no answer. Takes 5 s at most for each step.
    pub fn ask(&self) -> Result<Node, String> {
        let address = self.http.socket.address();
        let answer = self.answer().map_err(|error| {
            let what = match error.kind() {
                // What a socket with a timeout says.
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    format!("no answer within {} s", PATIENCE.as_secs())
                }
                _ => error.to_string(),
            };
            format!("{address}: {what}; is the agent running, with these settings?")
        })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        match head.split(' ').nth(1) {
            Some("200") => serde_json::from_str(body).map_err(|error| {
                format!("{address}: that is no venus-agent, or another version: {error}")
            }),
            Some("404") => Err(format!("{address}: venus.page is false in its settings")),
            Some("401") => Err(format!(
                "{address}: it wants another user or password than client.http_socket has"
            )),
            _ => Err(format!("{address}: that is no venus-agent")),
        }
    }

    fn answer(&self) -> io::Result<String> {
        let http = &self.http;
        let socket = &http.socket;
        // An agent that listens everywhere is here, too.
        let host = match socket.bind.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            other => other,
        };
        let mut addresses = (host, socket.port).to_socket_addrs()?;
        let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let login = http.login.as_ref().map(|login| {
            let login = format!("{}:{}", login.user, login.password);
            format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(login))
        });
        let login = login.unwrap_or_default();
        let request = format!("GET /api/node HTTP/1.0\r\n{login}\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// A text that does nothing to a terminal; `unknown` where there is none.
fn clean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let text = text.as_deref().unwrap_or("unknown");
    Ok(text.replace(char::is_control, " "))
}

fn clean_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let clean = texts.iter().map(|text| text.replace(char::is_control, " "));
    Ok(clean.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_check_says_does_nothing_to_a_terminal() {
        let node = json!({
            "client": {"name": "a\u{1b}[31m", "address": null, "subscriptions": ["b\u{9b}c"],
                "timestamp": 1},
            "transport": {"name": "redis", "connected": false},
            "waiting": {"memory": 1, "spool": 2},
            "checks": [{"name": "d\r", "status": 9, "output": "e\u{7}", "executed": 1,
                "next": null, "history": [9]}],
            "trends": {"cpu": {"points": [[1, 0.5]]}},
        });
        let node: Node = serde_json::from_value(node).unwrap();
        assert_eq!(node.client.name, "a [31m");
        assert_eq!(node.client.address, "unknown");
        assert_eq!(node.client.subscriptions, ["b c"]);
        assert_eq!(
            (&*node.checks[0].name, &*node.checks[0].output),
            ("d ", "e ")
        );
    }
}
