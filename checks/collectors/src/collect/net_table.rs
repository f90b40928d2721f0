//! The interfaces of one network namespace: which are shown, under which paths, and in whose
//! directions.

use std::path::{Path, PathBuf};

use crate::collect::filter::Filter;
use crate::collector::CollectError;
use crate::graphite;
use crate::source::net_dev::{self, Counters};
use crate::source::net_speed;
use crate::source::text::Malformed;

/// How long a link speed is believed, in seconds.
const SPEED_SECONDS: u64 = 60;

/// How an interface appears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// Under its own name.
    Device,
    /// Under this path, which is that of its other end, and so with that end's directions.
    OtherEnd(String),
    /// Under this name, with its own directions.
    Named(String),
    /// Not at all.
    Hidden,
}

/// The interfaces of a namespace, sorted by name.
pub(super) struct Table {
    /// What each path begins with, and a dot.
    prefix: Vec<u8>,
    /// The folder that has a folder for each interface; sysfs shows one namespace only.
    class: Option<PathBuf>,
    filter: Filter,
    interfaces: Vec<Interface>,
}

impl Table {
    pub(super) fn new(prefix: Vec<u8>, class: Option<PathBuf>, filter: Filter) -> Self {
        Self {
            prefix,
            class,
            filter,
            interfaces: Vec::new(),
        }
    }

    /// Takes the content of `PROC/net/dev`; `label` is asked about those that are new.
    pub(super) fn update(
        &mut self,
        text: &[u8],
        label: impl Fn(&[u8]) -> Label,
    ) -> Result<(), Malformed> {
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
                    let mut interface = Interface::new(name, self.class.as_deref());
                    interface.show_as(&label(name), &self.prefix, &self.filter);
                    interface.counters = Some(counters);
                    self.interfaces.insert(place, interface);
                }
            }
        })?;
        self.interfaces
            .retain(|interface| interface.counters.is_some());
        Ok(())
    }

    /// Asks anew about all of them.
    pub(super) fn relabel(&mut self, label: impl Fn(&[u8]) -> Label) {
        for interface in &mut self.interfaces {
            let label = label(&interface.name);
            interface.show_as(&label, &self.prefix, &self.filter);
        }
    }

    /// Whether any is shown.
    pub(super) fn shows_any(&self) -> bool {
        self.interfaces.iter().any(|interface| interface.is_shown)
    }

    pub(super) fn write(
        &mut self,
        now: u64,
        lines: &mut graphite::Lines<'_>,
        problems: &mut Vec<CollectError>,
    ) {
        for interface in self.interfaces.iter_mut().filter(|one| one.is_shown) {
            interface.refresh_speed(now, problems);
            interface.write(lines);
        }
    }
}

/// What is kept of an interface for as long as it exists.
struct Interface {
    name: Vec<u8>,
    is_shown: bool,
    /// Whether what it sends is shown as received, and the other way round.
    is_other_end: bool,
    /// Scheme and name with the dot before the metric.
    prefix: Vec<u8>,
    /// As just read; `None` marks one that has vanished.
    counters: Option<Counters>,
    speed_file: Option<PathBuf>,
    /// In Mbit/s, where the driver tells.
    speed: Option<i64>,
    /// When it was read, in seconds since the epoch.
    speed_read: Option<u64>,
}

impl Interface {
    fn new(name: &[u8], class: Option<&Path>) -> Self {
        Self {
            name: name.to_vec(),
            is_shown: false,
            is_other_end: false,
            prefix: Vec::new(),
            counters: None,
            speed_file: class.map(|class| net_speed::path(class, name)),
            speed: None,
            speed_read: None,
        }
    }

    fn show_as(&mut self, label: &Label, scheme: &[u8], filter: &Filter) {
        let device = String::from_utf8_lossy(&self.name);
        self.is_shown = *label != Label::Hidden && device != "lo" && filter.shows(&device);
        self.is_other_end = matches!(label, Label::OtherEnd(_));
        let own;
        let path = match label {
            Label::OtherEnd(path) | Label::Named(path) => path,
            Label::Device | Label::Hidden => {
                own = graphite::sanitise(&device);
                &own
            }
        };
        self.prefix.clear();
        self.prefix.extend_from_slice(scheme);
        self.prefix.extend_from_slice(path.as_bytes());
        self.prefix.push(b'.');
    }

    fn refresh_speed(&mut self, now: u64, problems: &mut Vec<CollectError>) {
        let Some(file) = &self.speed_file else {
            return;
        };
        // The clock may also have been set back.
        if self
            .speed_read
            .is_some_and(|then| now.abs_diff(then) < SPEED_SECONDS)
        {
            return;
        }
        // After an error it is asked again the next time.
        (self.speed, self.speed_read) = match net_speed::read(file) {
            Ok(speed) => (speed, Some(now)),
            Err(error) => {
                problems.push(CollectError::from_file(file, error));
                (None, None)
            }
        };
    }

    fn write(&self, lines: &mut graphite::Lines<'_>) {
        let Some(counters) = self.counters else {
            return;
        };
        let counters = if self.is_other_end {
            counters.of_the_other_end()
        } else {
            counters
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
