//! `metrics-net`: packets, bytes, errors and speed of each network interface but `lo`.
//!
//! Sources `PROC/net/dev`, kept open, for all counters at once, and `SYS/class/net/IF/speed` in
//! Mbit/s, which each interface is asked for once a minute: some drivers ask their hardware. Any
//! Linux since 2.6. One read, and one per interface each minute.

use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::collector::{CollectError, Collector, Presence};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::kernel_file::KernelFile;
use crate::source::net_dev::{self, Counters};
use crate::source::net_speed;
use crate::spec::{Builtin, Setup, Spec};

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-net",
    about: "Packets, bytes, errors and speed of each network interface",
    scheme_suffix: "net",
    builtin: Some(Builtin {
        check: "net_metrics",
        subscription: "physical",
    }),
    options: &[
        OptionSpec {
            name: "include-device",
            short: Some('i'),
            kind: Kind::Regex,
            value_name: "REGEX",
            help: "Show only interfaces whose name has a match",
        },
        OptionSpec {
            name: "ignore-device",
            short: Some('I'),
            kind: Kind::Regex,
            value_name: "REGEX",
            help: "Leave out interfaces whose name has a match, even if included",
        },
    ],
    build,
};

/// How long a link speed is believed, in seconds.
const SPEED_SECONDS: u64 = 60;

struct Net {
    prefix: Vec<u8>,
    file: KernelFile,
    buffer: Vec<u8>,
    /// The folder that has a folder for each interface.
    class: PathBuf,
    filter: Filter,
    /// Sorted by name.
    interfaces: Vec<Interface>,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    Ok(Box::new(Net {
        prefix: setup.scheme.prefix(),
        file: KernelFile::new(setup.roots.proc.join("net/dev")),
        buffer: Vec::new(),
        class: setup.roots.sys.join("class/net"),
        filter: Filter {
            include: setup.given.regex("include-device").cloned(),
            ignore: setup.given.regex("ignore-device").cloned(),
        },
        interfaces: Vec::new(),
    }))
}

impl Collector for Net {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Err(CollectError::read(self.file.path(), error)),
        };
        for interface in &mut self.interfaces {
            interface.counters = None;
        }
        net_dev::parse(text, |name, counters| {
            let place = self
                .interfaces
                .binary_search_by(|interface| interface.name.as_slice().cmp(name));
            match place {
                Ok(known) => {
                    if let Some(interface) = self.interfaces.get_mut(known) {
                        interface.counters = Some(counters);
                    }
                }
                Err(place) => {
                    let mut interface =
                        Interface::new(name, &self.prefix, &self.class, &self.filter);
                    interface.counters = Some(counters);
                    self.interfaces.insert(place, interface);
                }
            }
        })
        .map_err(|malformed| CollectError::malformed(self.file.path(), malformed))?;
        self.interfaces
            .retain(|interface| interface.counters.is_some());

        let before = out.len();
        graphite::write(out, now, |lines| {
            for interface in self.interfaces.iter_mut().filter(|one| one.is_shown) {
                interface.refresh_speed(now, problems);
                interface.write(lines);
            }
            Ok::<(), CollectError>(())
        })?;
        if out.len() == before {
            return Ok(Presence::Absent(format!(
                "no network interface to show in {}; lo is never shown",
                self.file.path().display()
            )));
        }
        Ok(Presence::Here)
    }

    fn explain(&self) -> Vec<String> {
        vec![
            format!("counters from {}", self.file.path().display()),
            format!("speeds from {}/IF/speed", self.class.display()),
        ]
    }
}

/// Which interfaces are to be shown, by name.
struct Filter {
    include: Option<Regex>,
    ignore: Option<Regex>,
}

impl Filter {
    fn shows(&self, name: &str) -> bool {
        name != "lo"
            && self
                .include
                .as_ref()
                .is_none_or(|regex| regex.is_match(name))
            && !self
                .ignore
                .as_ref()
                .is_some_and(|regex| regex.is_match(name))
    }
}

/// What is kept of an interface for as long as it exists.
struct Interface {
    name: Vec<u8>,
    is_shown: bool,
    /// Scheme and name with the dot before the metric.
    prefix: Vec<u8>,
    /// As just read; `None` marks one that has vanished.
    counters: Option<Counters>,
    speed_file: PathBuf,
    /// In Mbit/s, where the driver tells.
    speed: Option<i64>,
    /// When it was read, in seconds since the epoch.
    speed_read: Option<u64>,
}

impl Interface {
    fn new(name: &[u8], scheme: &[u8], class: &Path, filter: &Filter) -> Self {
        let readable = String::from_utf8_lossy(name);
        let mut prefix = scheme.to_vec();
        prefix.extend_from_slice(graphite::sanitise(&readable).as_bytes());
        prefix.push(b'.');
        Self {
            name: name.to_vec(),
            is_shown: filter.shows(&readable),
            prefix,
            counters: None,
            speed_file: net_speed::path(class, name),
            speed: None,
            speed_read: None,
        }
    }

    fn refresh_speed(&mut self, now: u64, problems: &mut Vec<CollectError>) {
        // The clock may also have been set back.
        if self
            .speed_read
            .is_some_and(|then| now.abs_diff(then) < SPEED_SECONDS)
        {
            return;
        }
        // After an error it is asked again the next time.
        (self.speed, self.speed_read) = match net_speed::read(&self.speed_file) {
            Ok(speed) => (speed, Some(now)),
            Err(error) => {
                problems.push(CollectError::from_file(&self.speed_file, error));
                (None, None)
            }
        };
    }

    fn write(&self, lines: &mut graphite::Lines<'_>) {
        let Some(counters) = self.counters else {
            return;
        };
        let mut number = |name: &[u8], value| lines.number(&[&self.prefix, name], value);
        number(b"tx_packets", counters.tx_packets);
        number(b"rx_packets", counters.rx_packets);
        number(b"tx_bytes", counters.tx_bytes);
        number(b"rx_bytes", counters.rx_bytes);
        number(b"tx_errors", counters.tx_errors);
        number(b"rx_errors", counters.rx_errors);
        if let Some(speed) = self.speed {
            lines.number(&[&self.prefix, b"if_speed"], speed);
        }
    }
}
