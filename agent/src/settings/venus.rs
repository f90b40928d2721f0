//! `venus`: what only this agent has.

use super::load::{Environment, variable};
use super::reader::Reader;
use crate::outbox::Bounds;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use venus_collectors::source::docker::Host;
use venus_collectors::{Given, OptionError, Roots, Spec, registry};
use venus_event::Attributes;

/// The handler of the built-in checks, unless others are set. Nobody has to have it.
pub const METRICS_HANDLER: &str = "graphite";

/// Where state is kept if nobody says where.
const STATE: &str = "/var/lib/venus";
/// The smallest spool, which takes the largest result, in bytes.
const SMALLEST: u64 = 1 << 20;

/// The agent's own settings.
#[derive(Debug, Clone)]
pub struct Venus {
    /// Whether the built-in checks run: `cpu_metrics` and its like.
    pub builtin_checks: bool,
    /// How often the built-in checks run.
    pub interval: Duration,
    /// The handlers that the built-in checks name.
    pub handlers: Vec<String>,
    /// First part of the built-in checks' paths; the client's name if none.
    /// What Graphite cannot take becomes `_`.
    pub scheme: Option<String>,
    /// How long a check without a `timeout` may run, zero for as long as it
    /// likes; if none is set, 10 times its interval and at least 60 s.
    pub check_timeout: Option<Duration>,
    /// How many bytes of a command's output are kept.
    pub max_output: usize,
    /// Options of the built-in checks' collectors, by collector: attributes that
    /// their definitions get.
    pub metrics: HashMap<String, Attributes>,
    /// Where Docker tells the names of containers.
    pub docker: Host,
    /// Below which directories the collectors read.
    pub roots: Roots,
    /// Where an agent without a server remembers its events; `$STATE_DIRECTORY`,
    /// or else nowhere, if none is set.
    pub state_dir: Option<PathBuf>,
    /// Whether people can look at this node over the HTTP socket.
    pub page: bool,
    /// Where and how results are kept that cannot be delivered.
    pub spool: Spool,
}

/// The spool of results.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Whether there is one.
    pub enabled: bool,
    /// The folder; `$STATE_DIRECTORY`, or else `/var/lib/venus`, if none is set.
    pub dir: Option<PathBuf>,
    /// How much is kept, and for how long.
    pub bounds: Bounds,
    /// How many results that have waited are sent a second.
    pub rate: u32,
}

/// Where systemd wants state to be; of several folders the first.
#[must_use]
pub fn state_dir(environment: &Environment) -> Option<PathBuf> {
    let folders = variable(environment, "STATE_DIRECTORY")?;
    folders.split(':').next().map(PathBuf::from)
}

impl Spool {
    /// Where the results of this client are kept.
    #[must_use]
    pub fn folder(&self, environment: &Environment, client: &str) -> PathBuf {
        let dir = self.dir.clone().or_else(|| state_dir(environment));
        let dir = dir.unwrap_or_else(|| PathBuf::from(STATE));
        dir.join("spool").join(client)
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let switched = reader.get("spool").and_then(Value::as_bool);
        let mut spool = Self {
            enabled: switched.unwrap_or(true),
            dir: None,
            bounds: Bounds {
                age: Duration::from_hours(24),
                bytes: 64 << 20,
            },
            rate: 20,
        };
        if switched.is_some() {
            return spool;
        }
        if !matches!(reader.get("spool"), None | Some(Value::Object(_))) {
            reader.problem("spool", "must be a hash, or false for none");
            return spool;
        }
        let Some(mut reader) = reader.child("spool") else {
            return spool;
        };
        reader.only(&["dir", "age", "bytes", "rate"]);
        spool.dir = folder(&mut reader, "dir");
        if let Some(age) = duration(&mut reader, "age") {
            spool.bounds.age = age;
        }
        if let Some(bytes) = reader.positive("bytes") {
            if bytes < SMALLEST {
                let message = format!("must be {SMALLEST} or more, as one result may have as many");
                reader.problem("bytes", &message);
            }
            spool.bounds.bytes = bytes;
        }
        if let Some(rate) = reader.count("rate") {
            spool.rate = rate;
        }
        spool
    }
}

/// Whole seconds above 0, which a text such as `24h` has become by now.
fn duration(reader: &mut Reader<'_>, key: &str) -> Option<Duration> {
    if !reader.get(key)?.is_i64() {
        let message = "must be whole seconds, or a duration such as 30s or 24h";
        reader.problem(key, message);
        return None;
    }
    reader.positive(key).map(Duration::from_secs)
}

/// A folder that is the same one wherever the agent is started.
fn folder(reader: &mut Reader<'_>, key: &str) -> Option<PathBuf> {
    let path = PathBuf::from(reader.string(key)?);
    if !path.is_absolute() {
        reader.problem(key, "must begin with /");
    }
    Some(path)
}

impl Venus {
    /// Reads `venus`, noting in the reader what is wrong. The built-in checks
    /// are on by default where the agent is `embedded`: behind a broker a
    /// drop-in adds nothing unasked.
    pub fn read(reader: &mut Reader<'_>, embedded: bool) -> Self {
        const KNOWN: [&str; 14] = [
            "builtin_checks",
            "interval",
            "handlers",
            "scheme",
            "check_timeout",
            "max_output",
            "metrics",
            "docker_host",
            "proc_path",
            "sys_path",
            "dev_path",
            "state_dir",
            "page",
            "spool",
        ];
        reader.only(&KNOWN);
        let scheme = reader.string("scheme").filter(|scheme| !scheme.is_empty());
        let default = Roots::default();
        Self {
            builtin_checks: reader.boolean("builtin_checks").unwrap_or(embedded),
            interval: duration(reader, "interval").unwrap_or(Duration::from_secs(10)),
            handlers: reader
                .strings("handlers")
                .unwrap_or_else(|| vec![METRICS_HANDLER])
                .into_iter()
                .map(str::to_owned)
                .collect(),
            scheme: scheme.map(str::to_owned),
            check_timeout: reader.seconds("check_timeout"),
            max_output: reader
                .positive("max_output")
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(1 << 20),
            metrics: read_metrics(reader),
            docker: read_docker_host(reader),
            roots: Roots {
                proc: reader
                    .string("proc_path")
                    .map_or(default.proc, PathBuf::from),
                sys: reader.string("sys_path").map_or(default.sys, PathBuf::from),
                dev: reader.string("dev_path").map_or(default.dev, PathBuf::from),
            },
            state_dir: folder(reader, "state_dir"),
            page: reader.boolean("page").unwrap_or(true),
            spool: Spool::read(reader),
        }
    }

    /// Whether this host has an RDMA device.
    #[must_use]
    pub fn has_infiniband(&self) -> bool {
        let devices = fs::read_dir(self.roots.sys.join("class/infiniband"));
        devices.is_ok_and(|mut devices| devices.next().is_some())
    }
}

fn read_metrics(reader: &mut Reader<'_>) -> HashMap<String, Attributes> {
    let mut all = HashMap::new();
    let Some(mut metrics) = reader.child("metrics") else {
        return all;
    };
    for (name, value) in metrics.object() {
        let spec = registry::find(name).filter(|spec| spec.builtin.is_some());
        let (Some(spec), Some(attributes)) = (spec, value.as_object()) else {
            let with_builtin = registry::all().iter().filter(|spec| spec.builtin.is_some());
            let known: Vec<&str> = with_builtin.map(|spec| spec.name).collect();
            let known = known.join(", ");
            metrics.problem(name, &format!("must be a hash, of one of {known}"));
            continue;
        };
        if let Err(error) = options(spec, attributes) {
            metrics.problem(name, &format!("is wrong: {error}"));
        }
        all.insert(name.clone(), attributes.clone());
    }
    all
}

/// The options of a collector among attributes that are nothing else.
fn options(spec: &Spec, attributes: &Attributes) -> Result<Given, OptionError> {
    let mut given = Given::of(spec.options);
    for (attribute, value) in attributes {
        let name = attribute.replace('_', "-");
        match value {
            Value::String(text) => given.set(&name, text)?,
            other => given.set(&name, &other.to_string())?,
        }
    }
    Ok(given)
}

fn read_docker_host(reader: &mut Reader<'_>) -> Host {
    let Some(uri) = reader.string("docker_host") else {
        return Host::default();
    };
    Host::new(uri).unwrap_or_else(|| {
        reader.problem("docker_host", "must be unix:///PATH");
        Host::default()
    })
}
