//! What `scontrol show slurmd` and `scontrol show config` say: `KEY = VALUE` lines.

use super::time;

/// What a `slurmd` says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// The node that it is.
    pub node: String,
    /// Its process.
    pub pid: Option<u32>,
    /// `22.05.8`.
    pub version: String,
    /// When the controller last spoke to it, in seconds since the epoch.
    pub last_heard: Option<u64>,
}

/// What it says, if it has a version in it.
#[must_use]
pub fn daemon_of(printed: &str) -> Option<Daemon> {
    Some(Daemon {
        node: value(printed, "Hostname").unwrap_or_default().to_owned(),
        pid: value(printed, "Slurmd PID").and_then(|pid| pid.parse().ok()),
        version: value(printed, "Version")?.to_owned(),
        last_heard: value(printed, "Last slurmctld msg time").and_then(time),
    })
}

/// The controller's version.
#[must_use]
pub fn version_of(config: &str) -> Option<&str> {
    value(config, "SLURM_VERSION")
}

fn value<'a>(printed: &'a str, key: &str) -> Option<&'a str> {
    let value = printed.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim())
    });
    value.filter(|value| !value.is_empty())
}
