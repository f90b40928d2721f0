//! What a Docker Engine says of itself and its containers: `GET /_ping`, `/version`, `/info`,
//! `/containers/json` and `/containers/ID/json` of its API, from Docker 1.6 on. Podman's answers
//! are alike, and so are those of a manager of the classic Swarm.

mod container;
mod engine;

use serde::Deserialize;

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::http::Http;

pub use container::{Container, Detail, DetailedState, Health, State};
pub use engine::{Info, Membership, Space, bytes};

/// Where it listens if nothing is given.
pub const SOCKET: &str = "unix:///var/run/docker.sock";

/// `/version`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    /// `20.10.24`, `17.09.0-ce`, or `swarm/1.2.9` of a manager of the classic Swarm.
    pub version: String,
}

/// Fails unless somebody answers who may be Docker.
pub fn ping(http: &Http, context: &Context) -> Result<(), ServiceError> {
    let answer = http.get("/_ping", context)?;
    if answer.trim_ascii() == b"OK" {
        Ok(())
    } else {
        Err(http.is_other("/_ping", "something else than OK"))
    }
}

/// Asks for its version.
pub fn version(http: &Http, context: &Context) -> Result<String, ServiceError> {
    let version: Version = http.json("/version", context)?;
    Ok(version.version)
}

/// Asks how it is.
pub fn info(http: &Http, context: &Context) -> Result<Info, ServiceError> {
    http.json("/info", context)
}

/// Asks for its containers, those that have ended, too.
pub fn containers(http: &Http, context: &Context) -> Result<Vec<Container>, ServiceError> {
    http.json("/containers/json?all=1", context)
}

/// Asks for the rest of one. `None` if it has gone meanwhile.
pub fn detail(http: &Http, id: &str, context: &Context) -> Result<Option<Detail>, ServiceError> {
    let path = format!("/containers/{id}/json");
    // What would lead elsewhere is no id.
    if id.is_empty()
        || !id
            .chars()
            .all(|character| character.is_ascii_alphanumeric())
    {
        return Err(http.is_other(&path, "an id that is none"));
    }
    http.json_if_there(&path, context)
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes: Vec<u8>, json in "[\\[\\]{}\":,a-zA-Z0-9]{0,40}", text in ".{0,20}") {
            for answer in [bytes.as_slice(), json.as_bytes()] {
                drop(serde_json::from_slice::<Info>(answer));
                drop(serde_json::from_slice::<Vec<Container>>(answer));
                drop(serde_json::from_slice::<Detail>(answer));
            }
            assert!(super::bytes(&text).is_none_or(f64::is_finite));
        }
    }
}
