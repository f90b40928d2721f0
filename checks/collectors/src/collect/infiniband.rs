//! `metrics-infiniband`: the counters of each InfiniBand or RoCE port, under IBTA's names.
//!
//! Source `SYS/class/infiniband/DEVICE/ports/N/{counters,counters_ext,hw_counters}/`, one file per
//! counter, all kept open: one read each. Which there are is listed when the collector starts, each
//! minute, and at once when a file that was there cannot be read: new devices and counters show
//! within a minute, and one that came back under its old name at once. Since Linux 2.6.14;
//! `hw_counters` since 4.8.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::collect::infiniband_names::name_of;
use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::infiniband::{self, Failure, LinkLayer, Port};
use crate::source::kernel_file::{self, ATTRIBUTE_BYTES, FileError, KernelFile};
use crate::source::text::only_decimal;
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-infiniband",
    about: "Error and traffic counters of each InfiniBand port",
    scheme_suffix: "infiniband",
    builtin: Some(Builtin {
        check: "ib_metrics",
        subscription: "infiniband",
    }),
    options: &[
        OptionSpec {
            name: "device-in-path",
            short: None,
            kind: Kind::Choice(&["auto", "always", "never"]),
            value_name: "WHEN",
            help: "Name the device before the port; auto: if several devices are shown",
        },
        OptionSpec {
            name: "link-layer",
            short: None,
            kind: Kind::Choice(&["all", "infiniband", "ethernet"]),
            value_name: "LAYER",
            help: "Show only ports that speak this; ethernet is RoCE",
        },
    ],
    build,
};

/// How long the list of devices, ports and counters is believed, in seconds.
const LIST_SECONDS: u64 = 60;

struct Infiniband {
    prefix: Vec<u8>,
    class: PathBuf,
    device_in_path: DeviceInPath,
    link_layer: Option<LinkLayer>,
    counters: Vec<Counter>,
    /// When they were listed, in seconds since the epoch.
    listed: Option<u64>,
}

/// When a path names the device.
#[derive(Clone, Copy)]
enum DeviceInPath {
    Auto,
    Always,
    Never,
}

struct Counter {
    /// The whole path of its line.
    path: Vec<u8>,
    file: KernelFile,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Infiniband {
        prefix: setup.scheme.prefix(),
        class: infiniband::class(&setup.roots.sys),
        device_in_path: match setup.given.choice("device-in-path") {
            Some("always") => DeviceInPath::Always,
            Some("never") => DeviceInPath::Never,
            Some(_) | None => DeviceInPath::Auto,
        },
        link_layer: match setup.given.choice("link-layer") {
            Some("infiniband") => Some(LinkLayer::InfiniBand),
            Some("ethernet") => Some(LinkLayer::Ethernet),
            Some(_) | None => None,
        },
        counters: Vec::new(),
        listed: None,
    }))
}

impl Collector for Infiniband {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let known = problems.len();
        // The clock may also have been set back.
        let is_listed = self
            .listed
            .is_some_and(|then| now.abs_diff(then) < LIST_SECONDS);
        if is_listed {
            let before = out.len();
            if self.write(now, out, problems) == Files::AsListed {
                return Ok(Presence::Here);
            }
            out.truncate(before);
            problems.truncate(known);
        }
        self.listed = None;
        if let Some(reason) = self.list(problems)? {
            return Ok(Presence::Absent(reason));
        }
        self.listed = Some(now);
        if self.write(now, out, problems) == Files::Changed {
            self.listed = None;
        }
        Ok(Presence::Here)
    }

    fn explain(&self) -> Vec<String> {
        vec![format!("counters from {}", self.class.display())]
    }
}

/// Whether all files that were listed are still there.
#[derive(PartialEq, Eq)]
enum Files {
    AsListed,
    Changed,
}

impl Infiniband {
    fn write(&mut self, now: u64, out: &mut Vec<u8>, problems: &mut Vec<CollectError>) -> Files {
        let mut files = Files::AsListed;
        let mut buffer = [0; ATTRIBUTE_BYTES];
        let mut lines = graphite::Lines::new(out, now);
        for counter in &mut self.counters {
            match counter.file.read_attribute(&mut buffer) {
                Ok(text) => match only_decimal(text) {
                    Ok(value) => lines.number(&[&counter.path], value),
                    Err(malformed) => {
                        problems.push(CollectError::malformed(counter.file.path(), malformed));
                    }
                },
                Err(error) => {
                    if kernel_file::has_vanished(&error) {
                        files = Files::Changed;
                    }
                    problems.push(CollectError::read(counter.file.path(), error));
                }
            }
        }
        files
    }

    /// Lists the counters anew, or says why there are none.
    fn list(&mut self, problems: &mut Vec<CollectError>) -> Result<Option<String>, CollectError> {
        self.counters.clear();
        let mut failures = Vec::new();
        let ports = infiniband::ports(&self.class, &mut failures)
            .map_err(|error| CollectError::read(&self.class, error))?;
        let Some(mut ports) = ports else {
            return Ok(Some(format!(
                "no InfiniBand device below {}",
                self.class.display()
            )));
        };
        if let Some(wanted) = self.link_layer {
            ports.retain(|port| match port.link_layer() {
                Ok(layer) => layer == wanted,
                Err(failure) => {
                    failures.push(failure);
                    false
                }
            });
        }
        let mut devices: Vec<&str> = ports.iter().map(|port| port.device.as_str()).collect();
        devices.dedup();
        let with_device = match self.device_in_path {
            DeviceInPath::Always => true,
            DeviceInPath::Auto => devices.len() > 1,
            DeviceInPath::Never if devices.len() > 1 => {
                return Err(CollectError::PathsCollide {
                    path: self.class.clone(),
                    count: devices.len(),
                });
            }
            DeviceInPath::Never => false,
        };
        for port in &ports {
            let prefix = self.port_prefix(port, with_device);
            self.counters
                .extend(counters_of(port, &prefix, &mut failures));
        }
        problems.extend(
            failures
                .into_iter()
                .map(|(path, error)| CollectError::from_file(&path, error)),
        );
        Ok(ports.is_empty().then(|| {
            format!(
                "no port to show of the InfiniBand devices below {}",
                self.class.display()
            )
        }))
    }

    /// Scheme, device and port with the dot before the counter.
    fn port_prefix(&self, port: &Port, with_device: bool) -> Vec<u8> {
        let mut prefix = self.prefix.clone();
        if with_device {
            prefix.extend_from_slice(graphite::sanitise(&port.device).as_bytes());
            prefix.push(b'.');
        }
        prefix.extend_from_slice(format!("port{}.", port.number).as_bytes());
        prefix
    }
}

/// The counters of a port in the order of its lines. Of two files with the same name the first
/// folder's is taken: a 64-bit counter in place of its short twin.
fn counters_of(port: &Port, prefix: &[u8], failures: &mut Vec<Failure>) -> Vec<Counter> {
    let before = failures.len();
    let files = port.counters(failures);
    if files.is_empty() && failures.len() == before {
        let none = io::Error::other("the port has no counters");
        failures.push((port.path.clone(), FileError::Io(none)));
    }
    let mut named = BTreeMap::new();
    for (folder, file, path) in &files {
        if let Some(name) = name_of(*folder, file) {
            named.entry(name).or_insert(path);
        }
    }
    named
        .into_iter()
        .map(|(name, path)| Counter {
            path: [prefix, graphite::sanitise(name.text).as_bytes()].concat(),
            file: KernelFile::new(path.clone()),
        })
        .collect()
}
