//! What a Consul agent says of its cluster and of the services in it: `/v1/status`, `/v1/agent`,
//! `/v1/health` and `/v1/operator/autopilot` of its HTTP API, from 0.5 on.
//!
//! Source: the API's documentation of Consul 0.6 and of 1.x. `Stats` in `/v1/agent/self` came with
//! 0.7, autopilot with 0.8.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::http::{self, Answer, Http};

/// What an agent that knows no leader answers with 500, as a server and as a client.
const NO_LEADER: [&str; 2] = ["No cluster leader", "No known Consul servers"];

/// Where it listens, and who asks.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let token = Arg::new("token-file")
        .long("token-file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("The file whose first line is the ACL token");
    let mut all: Vec<Arg> = http::arguments("http://127.0.0.1:8500").into();
    all.push(token);
    all
}

/// The agent that the arguments mean.
pub fn agent(matches: &ArgMatches, context: &Context) -> Result<Http, Failure> {
    let http = Http::of(matches, context)?;
    Ok(match matches.get_one::<PathBuf>("token-file") {
        Some(file) => http.with_header("x-consul-token", http::secret(file, context)?),
        None => http,
    })
}

/// The address of the leader, if there is one.
pub fn leader(http: &Http, context: &Context) -> Result<Option<String>, ServiceError> {
    let path = "/v1/status/leader";
    let answer = http.ask(path, context)?;
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status == 500 && NO_LEADER.iter().any(|words| body.contains(words)) {
        return Ok(None);
    }
    drop(body);
    let leader: String = read_or_fail(answer, &[200], http, path)?;
    Ok(Some(leader).filter(|leader| !leader.is_empty()))
}

/// Reads an answer that may have one of these statuses. What is wrong with any other is said as for
/// all questions.
fn read_or_fail<T: DeserializeOwned>(
    answer: Answer,
    statuses: &[u16],
    http: &Http,
    path: &str,
) -> Result<T, ServiceError> {
    let body = if statuses.contains(&answer.status) {
        answer.body
    } else {
        http.accept(path, answer)?
    };
    http.understand(path, &body)
}

/// The addresses of the servers that have a vote, whether they are up or not.
pub fn peers(http: &Http, context: &Context) -> Result<Vec<String>, ServiceError> {
    list(http, "/v1/status/peers", context)
}

/// A list, which some versions write as null when it is empty.
fn list<T: DeserializeOwned>(
    http: &Http,
    path: &str,
    context: &Context,
) -> Result<Vec<T>, ServiceError> {
    let list: Option<Vec<T>> = http.json(path, context)?;
    Ok(list.unwrap_or_default())
}

/// An agent of the cluster, as gossip has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Member {
    /// The name of its node.
    pub name: String,
    /// What it tells of itself: `role` is `consul` for a server, `node` for a client.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: BTreeMap<String, String>,
    /// How it is.
    pub status: MemberStatus,
}

impl Member {
    /// Whether it is a server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.tags.get("role").is_some_and(|role| role == "consul")
    }
}

/// How an agent is: a number of Serf's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "u8")]
pub enum MemberStatus {
    /// 0, and whatever may come to be.
    Other,
    /// 1.
    Alive,
    /// 2: it is about to leave.
    Leaving,
    /// 3: it has left in order.
    Left,
    /// 4: it does not answer any more.
    Failed,
}

impl From<u8> for MemberStatus {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Alive,
            2 => Self::Leaving,
            3 => Self::Left,
            4 => Self::Failed,
            _ => Self::Other,
        }
    }
}

/// All agents of this datacenter.
pub fn members(http: &Http, context: &Context) -> Result<Vec<Member>, ServiceError> {
    list(http, "/v1/agent/members", context)
}

#[derive(Deserialize)]
struct Own {
    #[serde(rename = "Stats", default, deserialize_with = "or_default")]
    stats: BTreeMap<String, BTreeMap<String, String>>,
}

/// How far this server is with Raft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raft(BTreeMap<String, String>);

impl Raft {
    /// A number of it: `commit_index`, `term`.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.parse().ok()
    }

    /// All that are numbers, by name.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.0.iter();
        all.filter_map(|(name, value)| Some((name.as_str(), value.parse().ok()?)))
    }

    /// How many committed entries it has not applied yet.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        let committed = self.number("commit_index")?;
        Some(committed.saturating_sub(self.number("applied_index")?))
    }

    /// How long ago it heard of the leader, in milliseconds. A leader itself has 0 or `never`, which
    /// is what anybody has who never did.
    #[must_use]
    pub fn last_contact(&self) -> Option<f64> {
        milliseconds(self.0.get("last_contact")?)
    }
}

/// How far the asked agent is with Raft: none if it is a client, or too old to tell.
pub fn raft(http: &Http, context: &Context) -> Result<Option<Raft>, ServiceError> {
    let own: Own = http.json("/v1/agent/self", context)?;
    let mut stats = own.stats;
    Ok(stats.remove("raft").map(Raft))
}

/// What autopilot thinks of the servers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Autopilot {
    /// Whether all are healthy.
    pub healthy: bool,
    /// How many of them may fail before the cluster does.
    pub failure_tolerance: u64,
    /// The servers.
    #[serde(default, deserialize_with = "or_default")]
    pub servers: Vec<AutopilotServer>,
}

/// What autopilot thinks of one server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AutopilotServer {
    /// The name of its node.
    pub name: String,
    /// Whether it is healthy.
    pub healthy: bool,
}

/// What can be learnt of autopilot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Opinion {
    /// This.
    Known(Autopilot),
    /// There is none: Consul is too old.
    #[default]
    Lacking,
    /// The token may not read it, which is `operator:read`: more than all else here needs.
    Hidden,
}

/// What autopilot thinks of the servers. Healthy is 200, else 429.
pub fn autopilot(http: &Http, context: &Context) -> Result<Opinion, ServiceError> {
    let path = "/v1/operator/autopilot/health";
    let answer = http.ask(path, context)?;
    match answer.status {
        404 => Ok(Opinion::Lacking),
        403 => Ok(Opinion::Hidden),
        _ => read_or_fail(answer, &[200, 429], http, path).map(Opinion::Known),
    }
}

/// What a check of Consul's own found, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub enum State {
    /// All is well.
    Passing,
    /// It may be used, but somebody should look at it.
    Warning,
    /// Of old versions: it has not been looked at yet. And whatever may come to be.
    Unknown,
    /// It must not be used.
    Critical,
}

impl From<String> for State {
    fn from(name: String) -> Self {
        let known = [Self::Passing, Self::Warning, Self::Critical].into_iter();
        let mut known = known.filter(|state| state.name() == name);
        known.next().unwrap_or(Self::Unknown)
    }
}

impl State {
    /// As Consul writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

/// A check of Consul's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceCheck {
    /// The node that it is of.
    pub node: String,
    /// What it is called.
    pub name: String,
    /// What it found.
    pub status: State,
    /// Which instance of a service it is of; empty if it is of the node as a whole.
    #[serde(rename = "ServiceID", default)]
    pub service_id: String,
}

/// All checks of the cluster.
pub fn checks(http: &Http, context: &Context) -> Result<Vec<ServiceCheck>, ServiceError> {
    list(http, "/v1/health/state/any", context)
}

/// An instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    /// Where it runs.
    pub node: Node,
    /// What it is.
    pub service: Service,
    /// Its own checks, and those of its node.
    #[serde(default, deserialize_with = "or_default")]
    pub checks: Vec<ServiceCheck>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Node {
    /// Its name.
    pub node: String,
}

/// An instance of a service, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service {
    /// Different for each on its node.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it was tagged with.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
}

impl Instance {
    /// The worst that one of its checks found.
    #[must_use]
    pub fn state(&self) -> State {
        let states = self.checks.iter().map(|check| check.status);
        states.max().unwrap_or(State::Passing)
    }

    /// The checks that are not passing, the worst first.
    pub fn failing(&self) -> impl Iterator<Item = &ServiceCheck> {
        let mut failing: Vec<&ServiceCheck> = self.checks.iter().collect();
        failing.retain(|check| check.status != State::Passing);
        failing.sort_by_key(|check| std::cmp::Reverse(check.status));
        failing.into_iter()
    }
}

/// All instances of a service, from [`instances_path`].
pub fn instances(
    http: &Http,
    path: &str,
    context: &Context,
) -> Result<Vec<Instance>, ServiceError> {
    list(http, path, context)
}

/// Where all instances of a service are asked for, of this datacenter or the agent's.
#[must_use]
pub fn instances_path(service: &str, datacenter: Option<&str>) -> String {
    let datacenter = datacenter.map(|name| format!("?dc={}", encoded(name)));
    let datacenter = datacenter.unwrap_or_default();
    format!("/v1/health/service/{}{datacenter}", encoded(service))
}

/// A name as a part of a URL.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A duration as Go writes it, `1m2.5s` or `43.302939ms`, in milliseconds.
fn milliseconds(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let is_number = |character: char| character.is_ascii_digit() || character == '.';
        let (number, after) = rest.split_at_checked(rest.find(|one| !is_number(one))?)?;
        let (unit, after) = match after.find(is_number) {
            Some(end) => after.split_at_checked(end)?,
            None => (after, ""),
        };
        let milliseconds = match unit {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * milliseconds;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// What is null where it has nothing in it.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_go_s() {
        for (text, milliseconds_) in [
            ("0", Some(0.0)),
            ("0s", Some(0.0)),
            ("43.302939ms", Some(43.302_939)),
            ("150µs", Some(0.15)),
            ("1h2m3.5s", Some(3_723_500.0)),
            ("never", None),
            ("", None),
            ("5", None),
            ("ms", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("1d", None),
        ] {
            let close = match (milliseconds(text), milliseconds_) {
                (Some(one), Some(other)) => (one - other).abs() < 1e-9,
                (one, other) => one.is_none() && other.is_none(),
            };
            assert!(close, "{text}: {:?}", milliseconds(text));
        }
    }

    #[test]
    fn a_name_changes_nothing_but_itself() {
        assert_eq!(
            instances_path("web/../x?a=b c&ü", Some("dc 1")),
            "/v1/health/service/web%2F..%2Fx%3Fa%3Db%20c%26%C3%BC?dc=dc%201"
        );
        assert_eq!(instances_path("web-1", None), "/v1/health/service/web-1");
    }

    #[test]
    fn numbers_of_raft() {
        let raft = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            Raft(
                pairs
                    .map(|(name, value)| ((*name).into(), (*value).into()))
                    .collect(),
            )
        };
        let behind = raft(&[("commit_index", "111098"), ("applied_index", "111090")]);
        assert_eq!(behind.lag(), Some(8));
        let ahead = raft(&[("commit_index", "1"), ("applied_index", "2")]);
        assert_eq!(ahead.lag(), Some(0));
        assert_eq!(raft(&[("commit_index", "1")]).lag(), None);
        assert_eq!(raft(&[("last_contact", "never")]).last_contact(), None);
    }

    proptest! {
        #[test]
        fn no_duration_makes_it_panic(text in "([0-9.]{0,5}(ns|us|µs|ms|s|m|h|\\PC)?){0,5}") {
            let sum = milliseconds(&text).unwrap_or_default();
            prop_assert!(sum >= 0.0);
        }

        #[test]
        fn no_answer_makes_it_panic(text in "(\\[|\\{|\\}|\\]|,|:|null|1|\"(Name|Status|Tags|Node|Service|Checks|Stats|raft)\"){0,30}") {
            drop(serde_json::from_str::<Vec<Member>>(&text));
            drop(serde_json::from_str::<Own>(&text));
            drop(serde_json::from_str::<Vec<Instance>>(&text));
            drop(serde_json::from_str::<Autopilot>(&text));
        }
    }
}
