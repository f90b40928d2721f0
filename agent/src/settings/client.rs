//! `client`: who this node is.

use super::reader::{Reader, is_name};
use serde_json::{Value, json};
use std::fmt;
use std::path::PathBuf;
use venus_event::{Attributes, redact};

/// Where the Unix socket is, unless the settings say otherwise.
const UNIX_SOCKET: &str = "/run/venus/agent.sock";

/// How long its path may be: `sun_path` of unix(7) less the 0 at its end, in bytes.
const LONGEST_PATH: usize = 107;

/// The client's settings.
#[derive(Debug, Clone)]
pub struct Client {
    /// Name, unique among the clients of a Sensu server.
    pub name: String,
    /// What this client listens to, `client:NAME` included.
    pub subscriptions: Vec<String>,
    /// Run only commands that are defined on this node.
    pub safe_mode: bool,
    /// Whether keepalives are sent.
    pub keepalives: bool,
    /// Whether the server hears when this client stops.
    pub deregister: bool,
    /// Keys whose values never leave the node.
    pub redact: Vec<String>,
    /// Goes into every result, so that the server can tell its own clients.
    pub signature: Option<String>,
    /// Where results of this node's own are taken.
    pub socket: Socket,
    /// Where they are taken over HTTP.
    pub http_socket: HttpSocket,
    /// Where they are taken from users who are known, if anywhere.
    pub unix_socket: Option<UnixSocket>,
    /// Every attribute, custom ones included, in the order of the files; not
    /// redacted, as checks use them as tokens.
    pub attributes: Attributes,
}

/// `client.socket`, for TCP and UDP, and what `client.http_socket` has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Whether it is opened at all.
    pub enabled: bool,
    /// Host name or address to listen on.
    pub bind: String,
    /// Port.
    pub port: u16,
    /// Largest message in bytes.
    pub max_size: usize,
    /// How many TCP connections are served at a time.
    pub max_connections: usize,
    /// How many results a second are taken in the long run.
    pub max_rate: u32,
}

/// `client.unix_socket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its file.
    pub path: PathBuf,
    /// Who may use it beside root and the agent's own user, by name or number.
    pub users: Vec<String>,
    /// The groups whose members may.
    pub groups: Vec<String>,
    /// Largest message in bytes.
    pub max_size: usize,
    /// How many connections are served at a time.
    pub max_connections: usize,
    /// How many results a second are taken in the long run.
    pub max_rate: u32,
}

impl UnixSocket {
    /// The mode of its file. Whom the settings name need not be in the agent's group: who may come
    /// in is asked of the kernel, whatever the file allows.
    #[must_use]
    pub fn mode(&self) -> u32 {
        if self.users.is_empty() && self.groups.is_empty() {
            0o660
        } else {
            0o666
        }
    }
}

/// `client.http_socket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSocket {
    /// Where it listens.
    pub socket: Socket,
    /// Who may see the settings; nobody if none.
    pub login: Option<Login>,
    /// Whether every endpoint asks who it is.
    pub protect_all_endpoints: bool,
}

/// A user with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Without the password, so that no log and no error can hold it.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

impl Socket {
    fn on(port: u16) -> Self {
        Self {
            enabled: true,
            bind: "127.0.0.1".to_owned(),
            port,
            max_size: 1 << 20,
            max_connections: 64,
            max_rate: 1000,
        }
    }

    /// `BIND:PORT`
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.bind, self.port)
    }
}

impl Client {
    /// Reads `client`, noting in the reader what is wrong.
    ///
    /// `client:NAME` is appended to the subscriptions (once), as Sensu does.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let mut attributes = reader.object().clone();
        let name = reader
            .required_string("name")
            .unwrap_or_default()
            .to_owned();
        if !name.is_empty() && !is_name(&name) {
            reader.problem("name", "cannot contain spaces or special characters");
        }
        reader.string("address");
        let mut subscriptions: Vec<String> = reader
            .strings("subscriptions")
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let own = format!("client:{name}");
        if !subscriptions.contains(&own) {
            subscriptions.push(own);
        }
        attributes.insert("subscriptions".to_owned(), json!(subscriptions));

        let redact = match reader.strings("redact") {
            Some(keys) => keys.into_iter().map(str::to_owned).collect(),
            None => redact::DEFAULT_KEYS.map(str::to_owned).to_vec(),
        };
        let socket = match reader.child("socket") {
            Some(mut socket) => read_socket(&mut socket, Socket::on(3030)),
            None => Socket::on(3030),
        };
        let http_socket = match reader.child("http_socket") {
            Some(mut socket) => read_http_socket(&mut socket),
            None => HttpSocket {
                socket: Socket::on(3031),
                login: None,
                protect_all_endpoints: false,
            },
        };
        let unix_socket = reader
            .child("unix_socket")
            .and_then(|mut socket| read_unix_socket(&mut socket));
        let client = Self {
            socket,
            http_socket,
            unix_socket,
            subscriptions,
            safe_mode: reader.boolean("safe_mode").unwrap_or(false),
            keepalives: reader.boolean("keepalives").unwrap_or(true),
            deregister: reader.boolean("deregister").unwrap_or(false),
            redact,
            signature: reader.string("signature").map(str::to_owned),
            attributes,
            name,
        };
        for key in ["registration", "deregistration"] {
            if let Some(mut part) = reader.child(key) {
                handlers(&mut part);
                part.integer("status");
            }
        }
        if let Some(mut keepalive) = reader.child("keepalive") {
            handlers(&mut keepalive);
            if let Some(mut thresholds) = keepalive.child("thresholds") {
                thresholds.integer("warning");
                thresholds.integer("critical");
            }
        }
        client
    }

    /// A client attribute by its dotted path, `rack` or `graphite.root`.
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<&Value> {
        let mut keys = path.split('.');
        let first = self.attributes.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(key))
    }
}

/// Whether one client takes a request of this subscription, and not each.
#[must_use]
pub fn is_shared(subscription: &str) -> bool {
    ["direct:", "roundrobin:"]
        .iter()
        .any(|kind| subscription.starts_with(kind))
}

/// The keys that the client wants redacted, in settings that may be wrong.
pub(crate) fn redact_keys(merged: &Attributes) -> Vec<String> {
    let keys = merged.get("client").and_then(|client| client.get("redact"));
    let keys = keys.and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn number(socket: &mut Reader<'_>, key: &str) -> Option<usize> {
    let number = socket.positive(key);
    number.and_then(|number| usize::try_from(number).ok())
}

fn read_socket(socket: &mut Reader<'_>, default: Socket) -> Socket {
    Socket {
        enabled: socket.boolean("enabled").unwrap_or(default.enabled),
        bind: socket.string("bind").map_or(default.bind, str::to_owned),
        port: socket.port("port").unwrap_or(default.port),
        max_size: number(socket, "max_size").unwrap_or(default.max_size),
        max_connections: number(socket, "max_connections").unwrap_or(default.max_connections),
        max_rate: socket.count("max_rate").unwrap_or(default.max_rate),
    }
}

/// None where it is not wanted, or has no path that would do.
fn read_unix_socket(part: &mut Reader<'_>) -> Option<UnixSocket> {
    let known = [
        "enabled",
        "path",
        "users",
        "groups",
        "max_size",
        "max_connections",
        "max_rate",
    ];
    part.only(&known);
    let default = Socket::on(0);
    let owned = |names: Option<Vec<&str>>| {
        let names = names.into_iter().flatten();
        names.map(str::to_owned).collect()
    };
    let enabled = part.boolean("enabled").unwrap_or(true);
    let path = PathBuf::from(part.string("path").unwrap_or(UNIX_SOCKET));
    if !path.is_absolute() {
        part.problem("path", "must begin with /");
    }
    if path.as_os_str().len() > LONGEST_PATH {
        let message = format!("must have at most {LONGEST_PATH} bytes (unix(7))");
        part.problem("path", &message);
    }
    let socket = UnixSocket {
        path,
        users: owned(part.strings("users")),
        groups: owned(part.strings("groups")),
        max_size: number(part, "max_size").unwrap_or(default.max_size),
        max_connections: number(part, "max_connections").unwrap_or(default.max_connections),
        max_rate: part.count("max_rate").unwrap_or(default.max_rate),
    };
    enabled.then_some(socket)
}

fn read_http_socket(part: &mut Reader<'_>) -> HttpSocket {
    let socket = read_socket(part, Socket::on(3031));
    let protect_all_endpoints = part.boolean("protect_all_endpoints").unwrap_or(false);
    let user = part.string("user").map(str::to_owned);
    let password = part.string("password").map(str::to_owned);
    if user.is_some() != password.is_some() {
        part.problem("user", "and password must be set together");
    }
    let login = user.zip(password);
    HttpSocket {
        socket,
        login: login.map(|(user, password)| Login { user, password }),
        protect_all_endpoints,
    }
}

/// `handler` and `handlers`, wherever Sensu takes them.
pub(super) fn handlers(reader: &mut Reader<'_>) {
    reader.string("handler");
    reader.strings("handlers");
}
