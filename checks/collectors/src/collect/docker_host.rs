//! The option `--docker-host`, which collectors share that show containers by name.

use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::docker::Host;
use crate::spec::Setup;

/// Where Docker is asked for names.
pub(crate) const OPTION: OptionSpec = OptionSpec {
    name: "docker-host",
    short: None,
    kind: Kind::Text,
    value_name: "URI",
    help: "Where Docker tells the names of containers [default: unix:///var/run/docker.sock]",
};

/// What that option says, or else whoever builds the collector.
pub(crate) fn host(setup: &Setup<'_>) -> Result<Host, OptionError> {
    let Some(uri) = setup.given.text(OPTION.name) else {
        return Ok(setup.docker.clone());
    };
    Host::new(uri).ok_or_else(|| OptionError::BadValue {
        name: OPTION.name,
        value: uri.to_owned(),
        why: "use unix:///PATH, the socket of a Docker on this host".to_owned(),
    })
}
