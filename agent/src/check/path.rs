//! Where the programs of checks, hooks and handlers are found.

use crate::settings::Environment;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where checks and handlers are found beside the agent's own PATH.
const PATHS: [&str; 3] = [
    "/usr/lib/venus/checks",
    "/etc/sensu/plugins",
    "/etc/sensu/handlers",
];

/// The agent's PATH, where the agent itself is, and [`PATHS`].
pub(crate) fn child_path(environment: &Environment) -> OsString {
    let own = environment.get("PATH").cloned().unwrap_or_default();
    let beside = env::current_exe().ok();
    let beside = beside.and_then(|program| program.parent().map(PathBuf::from));
    let all = env::split_paths(&own)
        .chain(beside)
        .chain(PATHS.map(PathBuf::from));
    env::join_paths(all).unwrap_or_else(|_| OsString::from(own))
}
