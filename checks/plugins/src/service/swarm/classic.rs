//! The classic Swarm, a manager of its own before Docker 1.12: its `/info` lists the engines in
//! lines that are made for people, in `SystemStatus` since its version 1.1 and API 1.22, else in
//! `DriverStatus`.

use crate::service::docker::{Info, bytes};

/// What its manager tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classic {
    /// `primary`, or `replica` of one that asks the primary; told since 0.4.
    pub role: Option<String>,
    /// The engines, in its order.
    pub engines: Vec<Engine>,
}

/// An engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Engine {
    /// Its host name; `(unknown)` of one that was never reached.
    pub name: String,
    /// Where it listens: `192.168.12.11:2376`.
    pub address: String,
    /// `Healthy`, `Unhealthy`, `Pending`, `Maintenance` or `Disconnected`; told since 1.1.
    pub status: Option<String>,
    /// How many containers it has, whether they run or not.
    pub containers: Option<u64>,
    /// Processors that its containers have reserved, and those that it has.
    pub cpus: Option<(u64, u64)>,
    /// The same of its memory, in bytes, as exact as it is told.
    pub memory: Option<(f64, f64)>,
    /// What went wrong last.
    pub error: Option<String>,
}

impl Classic {
    /// What an answer tells of engines. `None` if it is not of a classic Swarm.
    #[must_use]
    pub fn of(info: &Info) -> Option<Self> {
        let mut classic = Self::default();
        let (mut is_classic, mut in_engine) = (false, false);
        for (name, value) in info.system_status().chain(info.driver_status()) {
            // Before API 1.22 a backspace takes away the blank with which the client begins a line.
            let name = name.trim_matches(['\u{8}', ' ']);
            // Clients and terminals have been seen to make `?` of it.
            let attribute = name.strip_prefix(['└', '?']).map(str::trim);
            match attribute {
                Some(name) if in_engine => {
                    if let Some(engine) = classic.engines.last_mut() {
                        engine.take(name, value);
                    }
                }
                None if is_classic => {
                    // After the engines others list their own things, without addresses.
                    in_engine = value.contains(':');
                    if in_engine {
                        classic.engines.push(Engine {
                            name: name.to_owned(),
                            address: value.to_owned(),
                            ..Engine::default()
                        });
                    }
                }
                None if name == "Nodes" => is_classic = true,
                None if name == "Role" => classic.role = Some(value.to_owned()),
                Some(_) | None => {}
            }
        }
        is_classic.then_some(classic)
    }
}

impl Engine {
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "Status" => self.status = Some(value.to_owned()),
            // `13`, and since 1.2.4 `1 (0 Running, 0 Paused, 1 Stopped)`.
            "Containers" => {
                let number = value.split(' ').next().unwrap_or_default();
                self.containers = number.parse().ok();
            }
            "Reserved CPUs" => {
                self.cpus = of(value, |text| text.parse().ok());
            }
            "Reserved Memory" => self.memory = of(value, bytes),
            "Error" if value != "(none)" && !value.is_empty() => {
                self.error = Some(value.to_owned());
            }
            _ => {}
        }
    }
}

/// `0 / 8`.
fn of<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let (reserved, all) = text.split_once(" / ")?;
    Some((parse(reserved)?, parse(all)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(json: &str) -> Info {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn lists_for_people_are_read() {
        let classic = Classic::of(&info(
            r#"{"Containers":3,"DriverStatus":[["\bRole","replica"],["\bStrategy","spread"],
                ["\bNodes","2"],["docker1","192.168.12.11:2376"],[" ? Containers","2"],
                [" ? Reserved CPUs","1 / 8"],[" ? Reserved Memory","2.5 GiB / 30 GiB"],
                ["(unknown)","192.168.12.12:2376"],[" └ Status","Pending"],
                [" └ Containers","1 (0 Running, 0 Paused, 1 Stopped)"],[" └ Error","(none)"],
                ["Cluster Managers","1"],["192.168.12.11","Healthy"],[" └ Status","odd"]]}"#,
        ))
        .unwrap();
        let gib = 1_073_741_824.0;
        let expected = Classic {
            role: Some("replica".to_owned()),
            engines: vec![
                Engine {
                    name: "docker1".to_owned(),
                    address: "192.168.12.11:2376".to_owned(),
                    containers: Some(2),
                    cpus: Some((1, 8)),
                    memory: Some((2.5 * gib, 30.0 * gib)),
                    ..Engine::default()
                },
                Engine {
                    name: "(unknown)".to_owned(),
                    address: "192.168.12.12:2376".to_owned(),
                    status: Some("Pending".to_owned()),
                    containers: Some(1),
                    ..Engine::default()
                },
            ],
        };
        assert_eq!(classic, expected);
    }

    #[test]
    fn an_engine_alone_is_no_swarm() {
        for json in [
            r#"{"Containers":0}"#,
            r#"{"Containers":0,"DriverStatus":null,"SystemStatus":null}"#,
            r#"{"Containers":0,"DriverStatus":[["Backing Filesystem","extfs"]]}"#,
        ] {
            assert_eq!(Classic::of(&info(json)), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_lines_make_it_panic(lines: Vec<(String, String)>, values: Vec<String>) {
            let names = ["Nodes", "x", " └ Containers", " └ Reserved CPUs", " └ Reserved Memory"];
            let known = values.iter().zip(names.iter().cycle()).map(|(value, name)| {
                (name.to_string(), format!("{value}: / {value}"))
            });
            let lines: Vec<_> = lines.into_iter().chain(known).collect();
            let json = serde_json::json!({"Containers": 0, "SystemStatus": lines});
            drop(Classic::of(&serde_json::from_value(json).unwrap()));
        }
    }
}
