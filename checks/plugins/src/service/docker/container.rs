//! How a container is: an entry of `/containers/json`, and `/containers/ID/json`.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use venus_collectors::source::docker::slot;

/// The labels that a task of Swarm has.
const SERVICE: &str = "com.docker.swarm.service.name";
const TASK: &str = "com.docker.swarm.task.name";

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, and never started, or not in vain.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It has ended, and is to be started anew.
    Restarting,
    /// It is about to go.
    Removing,
    /// It has ended.
    Exited,
    /// It could not be removed.
    Dead,
    /// On an engine that the classic Swarm has lost.
    HostDown,
    /// Something that this program does not know.
    Unknown,
}

impl State {
    /// Every one that an engine tells of, in the order of a container's life.
    pub const TOLD: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Exited,
        Self::Dead,
    ];

    /// Its name in the API, since 1.23; before, only what is written for people tells it.
    fn new(name: Option<&str>, status: &str) -> Self {
        let named = Self::TOLD
            .into_iter()
            .find(|state| Some(state.name()) == name);
        match (named, status) {
            (_, "Host Down") => Self::HostDown,
            (Some(state), _) => state,
            // Before 1.7 this was left empty.
            (None, "" | "Created") => Self::Created,
            (None, "Dead") => Self::Dead,
            (None, "Removal In Progress") => Self::Removing,
            (None, status) if status.starts_with("Exited (") => Self::Exited,
            (None, status) if status.starts_with("Restarting (") => Self::Restarting,
            (None, status) if status.starts_with("Up ") && status.ends_with("(Paused)") => {
                Self::Paused
            }
            (None, status) if status.starts_with("Up ") => Self::Running,
            (None, _) => Self::Unknown,
        }
    }

    /// As the API has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::HostDown => "on an engine that is down",
            Self::Unknown => "in an unknown state",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How a container that has a health check finds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Too early to tell.
    Starting,
    /// Fine.
    Healthy,
    /// Not.
    Unhealthy,
}

/// An entry of `/containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    names: Option<Vec<String>>,
    /// What it was made of: `bb`, `registry:5000/web:1.2`, `web:1.2@sha256:…`.
    #[serde(default)]
    pub image: String,
    /// When, in seconds since the epoch.
    #[serde(default)]
    pub created: i64,
    labels: Option<HashMap<String, String>>,
    state: Option<String>,
    /// `Up 5 minutes (healthy)`, `Exited (137) 2 hours ago`.
    #[serde(default)]
    status: String,
}

impl Container {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// What it is called by itself, and not by what links to it; in the classic Swarm with its
    /// engine before it, `docker1/hpcg1`.
    #[must_use]
    pub fn own_name(&self) -> Option<&str> {
        let names = || {
            let names = self.names.iter().flatten();
            names.map(|name| name.strip_prefix('/').unwrap_or(name))
        };
        let own = names().find(|name| !name.contains('/'));
        own.or_else(|| names().next())
            .filter(|name| !name.is_empty())
    }

    /// The service and the slot of a task of Swarm: `web.1`, see [`slot`].
    #[must_use]
    pub fn slot(&self) -> Option<String> {
        slot(self.label(SERVICE)?, self.label(TASK)?)
    }

    /// What to show: its slot, its own name, or else its short id.
    #[must_use]
    pub fn name(&self) -> String {
        let own = || self.own_name().map(str::to_owned);
        let id = || self.id.chars().take(12).collect();
        self.slot().or_else(own).unwrap_or_else(id)
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        State::new(self.state.as_deref(), &self.status)
    }

    /// How it finds itself, if it runs and has a health check.
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        let (_, last) = self.status.rsplit_once(" (")?;
        match last {
            "healthy)" => Some(Health::Healthy),
            "unhealthy)" => Some(Health::Unhealthy),
            "health: starting)" => Some(Health::Starting),
            _ => None,
        }
    }

    /// For how many seconds it has run, or more: `Up 5 hours` is rounded. `None` if that cannot be
    /// told.
    #[must_use]
    pub fn up_at_least(&self) -> Option<u64> {
        let mut words = self.status.strip_prefix("Up ")?.split(' ');
        let (number, unit) = match (words.next()?, words.next()?) {
            // "About a minute", "About an hour".
            ("About", _) => (1, words.next()?),
            (number, unit) => (number.parse::<u64>().ok()?, unit),
        };
        let (seconds, rounded) = match unit.trim_end_matches('s') {
            "second" => (1, 0),
            "minute" => (60, 0),
            // Newer ones count them up from the half.
            "hour" => (3600, 1800),
            "day" => (86_400, 1800),
            "week" => (604_800, 1800),
            "month" => (2_592_000, 1800),
            "year" => (31_536_000, 1800),
            _ => return None,
        };
        Some(number.saturating_mul(seconds).saturating_sub(rounded))
    }

    /// How it has ended, if it has.
    #[must_use]
    pub fn exit_code(&self) -> Option<i64> {
        let rest = self.status.strip_prefix("Exited (");
        let rest = rest.or_else(|| self.status.strip_prefix("Restarting ("))?;
        rest.split(')').next()?.parse().ok()
    }
}

/// `/containers/ID/json`: what the list does not tell of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Detail {
    /// How often Docker has started it anew by itself, since somebody has started it.
    #[serde(default)]
    pub restart_count: u64,
    /// How it is.
    pub state: DetailedState,
}

/// How it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DetailedState {
    /// Whether the kernel has killed something in it for lack of memory.
    #[serde(rename = "OOMKilled", default)]
    pub out_of_memory: bool,
    /// Why it could not be started; may be empty.
    #[serde(default)]
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn container(json: &str) -> Container {
        serde_json::from_str(&format!(r#"{{"Id":"0123456789abcdef",{json}}}"#)).unwrap()
    }

    #[test]
    fn a_container_has_the_name_that_its_owner_knows() {
        for (json, name) in [
            (r#""Names":["/hpcg1"]"#, "hpcg1"),
            (r#""Names":["/web/db","/db"],"Labels":{}"#, "db"),
            (r#""Names":["/docker1/hpcg1"]"#, "docker1/hpcg1"),
            (r#""Names":null,"Labels":null"#, "0123456789ab"),
            (r#""Names":["/"]"#, "0123456789ab"),
            (
                r#""Names":["/web.1.x9"],"Labels":{"com.docker.swarm.service.name":"web",
                   "com.docker.swarm.task.name":"web.1.x9"}"#,
                "web.1",
            ),
        ] {
            assert_eq!(container(json).name(), name, "{json}");
        }
    }

    #[test]
    fn a_state_is_told_or_read_from_what_is_for_people() {
        for (state, status, expected, health, exit_code) in [
            ("running", "Up 5 minutes", State::Running, None, None),
            (
                "running",
                "Up 5 minutes (healthy)",
                State::Running,
                Some(Health::Healthy),
                None,
            ),
            (
                "running",
                "Up 1 second (unhealthy)",
                State::Running,
                Some(Health::Unhealthy),
                None,
            ),
            (
                "running",
                "Up 1 second (health: starting)",
                State::Running,
                Some(Health::Starting),
                None,
            ),
            ("paused", "Up 2 hours (Paused)", State::Paused, None, None),
            (
                "restarting",
                "Restarting (1) now",
                State::Restarting,
                None,
                Some(1),
            ),
            (
                "exited",
                "Exited (137) 2 days ago",
                State::Exited,
                None,
                Some(137),
            ),
            (
                "exited",
                "Exited (-1) 2 days ago",
                State::Exited,
                None,
                Some(-1),
            ),
            ("created", "Created", State::Created, None, None),
            ("dead", "Dead", State::Dead, None, None),
            (
                "removing",
                "Removal In Progress",
                State::Removing,
                None,
                None,
            ),
            ("exited", "Host Down", State::HostDown, None, None),
        ] {
            let status = format!(r#""Status":"{status}""#);
            for json in [format!(r#""State":"{state}",{status}"#), status] {
                let container = container(&json);
                assert_eq!(container.state(), expected, "{json}");
                assert_eq!(container.health(), health, "{json}");
                assert_eq!(container.exit_code(), exit_code, "{json}");
            }
        }
        assert_eq!(container(r#""Status":"""#).state(), State::Created);
        assert_eq!(
            container(r#""Status":"Hibernating""#).state(),
            State::Unknown
        );
    }

    #[test]
    fn how_long_one_runs_is_written_for_people() {
        for (status, expected) in [
            ("Up Less than a second", None),
            ("Up 1 second", Some(1)),
            ("Up 12 seconds (healthy)", Some(12)),
            ("Up About a minute", Some(60)),
            ("Up 5 minutes (Paused)", Some(300)),
            ("Up About an hour", Some(1800)),
            ("Up 2 hours", Some(5400)),
            ("Up 3 days", Some(257_400)),
            ("Up 2 weeks", Some(1_207_800)),
            ("Up 2 months", Some(5_182_200)),
            ("Up 99999999999999999 years", Some(u64::MAX - 1800)),
            ("Up -1 seconds", None),
            ("Up 5 eons", None),
            ("Up 5", None),
            ("Up ", None),
            ("Exited (0) 5 minutes ago", None),
            ("", None),
        ] {
            let container = Container {
                status: status.to_owned(),
                ..Container::default()
            };
            assert_eq!(container.up_at_least(), expected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in ".{0,20}") {
            let odd = Container { status: text.clone(), names: Some(vec![text]), ..Container::default() };
            drop((odd.name(), odd.state(), odd.health(), odd.exit_code(), odd.up_at_least()));
        }
    }
}
