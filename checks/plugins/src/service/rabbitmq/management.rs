//! What the management plugin of `RabbitMQ` says of the whole cluster: `GET /api/overview` and
//! `/api/nodes`, for which its user needs the tag `monitoring`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::http::{self, Http, Url};

/// `--management-url` and who asks there.
pub(super) fn arguments() -> [Arg; 3] {
    [
        Arg::new("management-url")
            .long("management-url")
            .value_name("URL")
            .value_parser(|text: &str| text.parse::<Url>())
            .help("Look at the nodes as well, by the management plugin: http://HOST:15672"),
        Arg::new("management-user")
            .long("management-user")
            .value_name("NAME")
            .requires("management-password-file")
            .requires("management-url")
            .help("Who asks there [default: the same as of the broker]"),
        Arg::new("management-password-file")
            .long("management-password-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .requires("management-user")
            .help("The file whose first line is that user's password"),
    ]
}

/// Where it listens, if that is given.
#[must_use]
pub fn url(matches: &ArgMatches) -> Option<&Url> {
    matches.get_one("management-url")
}

/// The plugin.
pub struct Management(Http);

impl Management {
    /// As the arguments say, if they do; `login` is that of the broker.
    pub fn of(
        matches: &ArgMatches,
        (user, password): (&str, &str),
        context: &Context,
    ) -> Result<Option<Self>, Failure> {
        let Some(url) = url(matches) else {
            return Ok(None);
        };
        let given = matches.get_one::<String>("management-user");
        let given = given.zip(matches.get_one::<PathBuf>("management-password-file"));
        let (user, password) = match given {
            Some((user, file)) => (user.as_str(), http::secret(file, context)?),
            None => (user, password.to_owned()),
        };
        let ca_file = matches.get_one::<PathBuf>("ca-file");
        let http = Http::new(url.clone(), ca_file.map(PathBuf::as_path), context)?;
        Ok(Some(Self(http.with_login(user, password))))
    }

    /// `/api/nodes`.
    pub fn nodes(&self, context: &Context) -> Result<Vec<Node>, ServiceError> {
        self.0.json("/api/nodes", context)
    }

    /// `/api/overview`.
    pub fn overview(&self, context: &Context) -> Result<Overview, ServiceError> {
        self.0.json("/api/overview", context)
    }
}

/// One node of a cluster. Of one that does not run nothing but its name is known; some numbers are
/// words where the node cannot tell, and none here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// `rabbit@venus001`.
    pub name: String,
    /// Whether it runs.
    #[serde(default)]
    pub running: bool,
    /// From which other nodes it has been cut off.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// Whether it blocks publishers, as it uses more memory than it should.
    #[serde(default)]
    pub mem_alarm: bool,
    /// Whether it blocks publishers, as there is less room on its disk than there should be.
    #[serde(default)]
    pub disk_free_alarm: bool,
    /// Memory in bytes.
    #[serde(default, deserialize_with = "number")]
    pub mem_used: Option<u64>,
    /// From how many bytes on it blocks publishers.
    #[serde(default, deserialize_with = "number")]
    pub mem_limit: Option<u64>,
    /// Room on its disk in bytes.
    #[serde(default, deserialize_with = "number")]
    pub disk_free: Option<u64>,
    /// Below how many bytes it blocks publishers.
    #[serde(default, deserialize_with = "number")]
    pub disk_free_limit: Option<u64>,
    /// File descriptors.
    #[serde(default, deserialize_with = "number")]
    pub fd_used: Option<u64>,
    /// How many it may have.
    #[serde(default, deserialize_with = "number")]
    pub fd_total: Option<u64>,
    /// Sockets.
    #[serde(default, deserialize_with = "number")]
    pub sockets_used: Option<u64>,
    /// How many it may have.
    #[serde(default, deserialize_with = "number")]
    pub sockets_total: Option<u64>,
    /// Erlang's processes.
    #[serde(default, deserialize_with = "number")]
    pub proc_used: Option<u64>,
    /// How many it may have.
    #[serde(default, deserialize_with = "number")]
    pub proc_total: Option<u64>,
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Value::deserialize(from).map(|value| value.as_u64())
}

/// `/api/overview`: sums of the cluster. Each number of the first two has `NAME_details.rate`, a
/// second, beside it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Overview {
    /// Messages that wait.
    #[serde(default, deserialize_with = "object")]
    pub queue_totals: Map<String, Value>,
    /// Messages that have passed.
    #[serde(default, deserialize_with = "object")]
    pub message_stats: Map<String, Value>,
    /// Connections, channels, queues and so on.
    #[serde(default, deserialize_with = "object")]
    pub object_totals: Map<String, Value>,
}

/// An object: old versions write an empty one as an empty array.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Value::deserialize(from).map(|value| match value {
        Value::Object(object) => object,
        _ => Map::new(),
    })
}
