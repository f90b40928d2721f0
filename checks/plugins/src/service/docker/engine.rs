//! How an engine is: `/info`.

use serde::Deserialize;

/// `/info`, as far as it is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    /// The name of the host.
    #[serde(default)]
    pub name: String,
    /// All containers.
    pub containers: u64,
    /// Those that run, are paused, and the rest: told since Docker 1.10.
    pub containers_running: Option<u64>,
    /// See there.
    pub containers_paused: Option<u64>,
    /// See there.
    pub containers_stopped: Option<u64>,
    /// How many images it has.
    pub images: Option<u64>,
    /// `overlay2`, `devicemapper`; empty in the classic Swarm.
    #[serde(default)]
    pub driver: String,
    /// What the storage driver tells of itself; before API 1.22 the classic Swarm's engines.
    driver_status: Option<Vec<Vec<String>>>,
    /// The classic Swarm's engines, since API 1.22.
    system_status: Option<Vec<Vec<String>>>,
    /// File descriptors that it has open, 0 where it does not tell.
    #[serde(rename = "NFd", default)]
    pub file_descriptors: u64,
    /// The same of its goroutines.
    #[serde(rename = "NGoroutines", default)]
    pub goroutines: u64,
    /// Clients that wait for events.
    #[serde(rename = "NEventsListener")]
    pub event_listeners: Option<u64>,
    /// What it finds wrong with its host or settings: told since Docker 18.09.
    warnings: Option<Vec<String>>,
    /// Its part in a swarm: told since Docker 1.12.
    pub swarm: Option<Membership>,
}

/// The part of an engine in a swarm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Membership {
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    #[serde(default)]
    pub local_node_state: String,
    /// Whether it is a manager.
    #[serde(default)]
    pub control_available: bool,
    /// Why it is no active member; may be empty.
    #[serde(default)]
    pub error: String,
    remote_managers: Option<Vec<Manager>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manager {
    #[serde(default)]
    addr: String,
}

impl Membership {
    /// Where managers of the swarm are: `192.168.12.11`.
    pub fn managers(&self) -> impl Iterator<Item = &str> {
        let managers = self.remote_managers.iter().flatten();
        managers.map(|manager| {
            let address = manager.addr.as_str();
            address.rsplit_once(':').map_or(address, |(host, _)| host)
        })
    }
}

/// The room that a storage driver has for something, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Space {
    /// `data` or `metadata`.
    pub of: &'static str,
    /// How much is used.
    pub used: f64,
    /// Of how much.
    pub total: f64,
}

impl Info {
    /// What is wrong with its host or settings, as it says.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let all = self.warnings.iter().flatten();
        all.map(|warning| warning.strip_prefix("WARNING: ").unwrap_or(warning))
    }

    /// The lines of its storage driver.
    pub fn driver_status(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.driver_status.as_deref())
    }

    /// The lines of the whole, which only the classic Swarm has.
    pub fn system_status(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.system_status.as_deref())
    }

    /// The room of a storage driver that has its own, as devicemapper does.
    #[must_use]
    pub fn spaces(&self) -> Vec<Space> {
        let of = |of, used: &str, total: &str| {
            let get = |wanted: &str| {
                let mut lines = self.driver_status();
                lines.find_map(|(name, value)| (name == wanted).then_some(value))
            };
            let (used, total) = (bytes(get(used)?)?, bytes(get(total)?)?);
            (total > 0.0).then_some(Space { of, used, total })
        };
        let data = of("data", "Data Space Used", "Data Space Total");
        let metadata = of("metadata", "Metadata Space Used", "Metadata Space Total");
        [data, metadata].into_iter().flatten().collect()
    }
}

fn pairs(lines: Option<&[Vec<String>]>) -> impl Iterator<Item = (&str, &str)> {
    let lines = lines.unwrap_or_default().iter();
    lines.filter_map(|line| match line.as_slice() {
        [name, value] => Some((name.as_str(), value.as_str())),
        _ => None,
    })
}

/// A size as Docker writes it for people: `107.4 GB`, `2.147GB`, `1.021 GiB`, `0 B`.
#[must_use]
pub fn bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, unit) = text.split_at_checked(end?)?;
    let number: f64 = number.parse().ok()?;
    let (base, unit) = match unit.trim().strip_suffix('B')? {
        "" => return Some(number),
        unit => match unit.strip_suffix('i') {
            Some(unit) => (1024.0_f64, unit),
            None => (1000.0_f64, unit),
        },
    };
    let power = ["k", "M", "G", "T", "P", "E"]
        .iter()
        .position(|known| known.eq_ignore_ascii_case(unit))?;
    let power = i32::try_from(power).ok()?.saturating_add(1);
    Some((number * base.powi(power)).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        for (text, expected) in [
            ("107.4 GB", Some(107.4e9)),
            ("2.147GB", Some(2.147e9)),
            ("11.87 kB", Some(11_870.0)),
            ("1.5 GiB", Some(1.5 * 1_073_741_824.0)),
            ("0 B", Some(0.0)),
            ("12", None),
            ("GB", None),
            ("1.2.3 GB", None),
            ("1 XB", None),
            ("1 iB", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn only_devicemapper_has_room_of_its_own() {
        let info = |status: &str| -> Info {
            let json = format!(r#"{{"Containers":0,"DriverStatus":{status}}}"#);
            serde_json::from_str(&json).unwrap()
        };
        let room = info(
            r#"[["Data Space Used","50 GB"],["Data Space Total","100 GB"],["odd"],
                ["Metadata Space Used","1 MB"],["Metadata Space Total","0 B"]]"#,
        );
        let data = Space {
            of: "data",
            used: 50e9,
            total: 100e9,
        };
        assert_eq!(room.spaces(), [data]);
        for none in ["null", "[]", r#"[["Backing Filesystem","extfs"]]"#] {
            assert_eq!(info(none).spaces(), []);
        }
    }
}
