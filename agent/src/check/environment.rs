//! What the commands of checks, hooks and handlers find in their environment
//! beside the agent's own.

use crate::settings::{Environment, Settings};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// PATH where the agent was started without one.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where programs are found beside the agent's own PATH.
const PATHS: [&str; 3] = [
    "/usr/lib/venus/checks",
    "/etc/sensu/plugins",
    "/etc/sensu/handlers",
];
/// Which files the settings are from, with colons between: where the plugins
/// of Sensu's community look for settings of their own.
const FILES: &str = "SENSU_CONFIG_FILES";
/// Linux takes no longer one: with it no command would start (execve(2)).
const LONGEST: usize = 100_000;

/// Variables by their names.
pub type Variables = Vec<(&'static str, OsString)>;

/// The environment of commands.
#[derive(Debug, Clone)]
pub struct ChildEnvironment {
    path: OsString,
}

impl ChildEnvironment {
    /// PATH is the agent's own, where the agent itself is, and where Sensu's plugins are.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let own = environment.get("PATH").filter(|path| !path.is_empty());
        let own = own.map_or(DEFAULT_PATH, String::as_str);
        let beside = env::current_exe().ok();
        let beside = beside.and_then(|program| program.parent().map(PathBuf::from));
        let all = env::split_paths(own)
            .chain(beside)
            .chain(PATHS.map(PathBuf::from));
        Self {
            path: env::join_paths(all).unwrap_or_else(|_| OsString::from(own)),
        }
    }

    /// PATH.
    #[must_use]
    pub fn path(&self) -> &OsStr {
        &self.path
    }

    /// Everything, with these settings.
    #[must_use]
    pub fn variables(&self, settings: &Settings) -> Variables {
        let mut variables = vec![("PATH", self.path.clone())];
        let files = settings.files.iter().map(|file| file.as_os_str());
        let files = files.collect::<Vec<_>>().join(OsStr::new(":"));
        if files.len() <= LONGEST {
            variables.push((FILES, files));
        }
        variables
    }
}
