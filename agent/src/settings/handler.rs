//! `handlers`: who is told, when the agent is its own server.

use super::check::read_windows;
use super::invocation::Invocation;
use super::reader::{Reader, is_name};
use serde_json::Value;
use std::time::Duration;
use venus_event::Severity;

/// Who is told of an event, and of which.
#[derive(Debug, Clone, PartialEq)]
pub struct Handler {
    /// Name, by which checks choose it.
    pub name: String,
    /// How it is told.
    pub kind: Kind,
    /// After this long it is given up.
    pub timeout: Duration,
    /// The names of the filters that stand before it.
    pub filters: Vec<String>,
    /// When it is told nothing; null for never.
    pub subdue: Value,
    /// Which severities it wants, if not all.
    pub severities: Option<Vec<Severity>>,
    /// Whether it gets events of checks that flap.
    pub handles_flapping: bool,
    /// The name of what makes of an event what it is told; none for the event as JSON.
    pub mutator: Option<String>,
}

/// How a handler is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A command that gets it on its standard input.
    Pipe(Invocation),
    /// A connection to this host and port that it is written to.
    Tcp(String, u16),
    /// A datagram to this host and port.
    Udp(String, u16),
    /// All of these are told.
    Set(Vec<String>),
    /// In a way that only a Sensu server has.
    Foreign(String),
}

/// Sensu waits for ever; a handler that hangs would pile up.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);
/// How Ruby begins among the attributes of a filter.
pub(crate) const EVAL: &str = "eval:";
/// As Sensu has it, for a connection.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);

impl Handler {
    /// Reads one entry of `handlers`; none where it is wrong.
    pub fn read(name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        if !is_name(name) {
            reader.complain(format!(
                "handler name cannot contain spaces or special characters: {name:?}"
            ));
        }
        let kind = match reader.required_string("type")? {
            "pipe" => Kind::Pipe(Invocation::read_required(reader)?),
            "tcp" => {
                let (host, port) = socket(reader)?;
                Kind::Tcp(host, port)
            }
            "udp" => {
                let (host, port) = socket(reader)?;
                Kind::Udp(host, port)
            }
            "set" => Kind::Set(owned(reader.strings("handlers").unwrap_or_default())),
            // What it wants else is between it and a server.
            other => return Some(Self::foreign(name, other)),
        };
        let usual = match kind {
            Kind::Tcp(..) | Kind::Udp(..) => SOCKET_TIMEOUT,
            Kind::Pipe(_) | Kind::Set(_) | Kind::Foreign(_) => DEFAULT_TIMEOUT,
        };
        let one = reader.string("filter");
        // As in Sensu: not both.
        let filters = reader
            .strings("filters")
            .unwrap_or_else(|| one.into_iter().collect());
        Some(Self {
            name: name.to_owned(),
            kind,
            timeout: reader.seconds("timeout").unwrap_or(usual),
            filters: owned(filters),
            subdue: reader.get("subdue").cloned().unwrap_or_default(),
            severities: severities(reader),
            handles_flapping: reader.boolean("handle_flapping").unwrap_or(false),
            mutator: reader.string("mutator").map(str::to_owned),
        })
    }

    fn foreign(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Foreign(kind.to_owned()),
            timeout: DEFAULT_TIMEOUT,
            filters: Vec::new(),
            subdue: Value::Null,
            severities: None,
            handles_flapping: false,
            mutator: None,
        }
    }
}

fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// `"socket": {"host": …, "port": …}`
fn socket(reader: &mut Reader<'_>) -> Option<(String, u16)> {
    let Some(mut socket) = reader.child("socket") else {
        reader.problem("socket", "must be a hash");
        return None;
    };
    let host = socket.required_string("host");
    let port = socket.positive("port").map(u16::try_from);
    if !matches!(port, Some(Ok(_))) {
        socket.problem("port", "must be a port, 1 to 65535");
    }
    Some((host?.to_owned(), port?.ok()?))
}

fn severities(reader: &mut Reader<'_>) -> Option<Vec<Severity>> {
    let names = reader.strings("severities")?;
    let all = [
        Severity::Ok,
        Severity::Warning,
        Severity::Critical,
        Severity::Unknown,
    ];
    let mut severities = Vec::with_capacity(names.len());
    for name in names {
        match all
            .iter()
            .find(|one| one.to_string().eq_ignore_ascii_case(name))
        {
            Some(severity) => severities.push(*severity),
            None => reader.problem("severities", "must be of ok, warning, critical, unknown"),
        }
    }
    Some(severities)
}

/// One entry of `filters`: which events are let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// Name, by which handlers choose it.
    pub name: String,
    /// What an event has to have, deep.
    pub attributes: Value,
    /// Whether what has all of it is kept back, and the rest let through.
    pub negate: bool,
    /// The times of day at which it is asked at all, if not always.
    pub when: Option<Value>,
}

impl Filter {
    /// Reads one entry of `filters`.
    pub fn read(name: &str, reader: &mut Reader<'_>) -> Self {
        let attributes = reader
            .child("attributes")
            .map(|child| child.object().clone());
        if attributes.is_none() {
            reader.problem("attributes", "must be a hash");
        }
        if let Some(mut when) = reader.child("when") {
            read_windows(&mut when);
        }
        Self {
            name: name.to_owned(),
            attributes: Value::Object(attributes.unwrap_or_default()),
            negate: reader.boolean("negate").unwrap_or(false),
            when: reader.get("when").cloned(),
        }
    }

    /// An attribute that is Ruby to be run, which only a Sensu server does.
    #[must_use]
    pub fn ruby(&self) -> Option<&str> {
        ruby(&self.attributes)
    }
}

fn ruby(attributes: &Value) -> Option<&str> {
    match attributes {
        Value::String(text) => Some(text.as_str()).filter(|text| text.starts_with(EVAL)),
        Value::Object(inner) => inner.values().find_map(ruby),
        _ => None,
    }
}

/// One entry of `mutators`: a command that makes of an event what a handler is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutator {
    /// Name, by which handlers choose it.
    pub name: String,
    /// A command that gets the event and prints what the handler gets.
    pub command: Invocation,
    /// After this long it is given up.
    pub timeout: Duration,
}

impl Mutator {
    /// Reads one entry of `mutators`; none where it is wrong.
    pub fn read(name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let command = Invocation::read_required(reader);
        let timeout = reader.seconds("timeout").unwrap_or(DEFAULT_TIMEOUT);
        Some(Self {
            name: name.to_owned(),
            command: command?,
            timeout,
        })
    }
}
