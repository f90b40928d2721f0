//! `metrics-infiniband`: the counters of each InfiniBand or RoCE port, under IBTA's names, and what
//! its link is like; on request those of the port at the other end of the cable, too.
//!
//! Sources: `SYS/class/infiniband/DEVICE/ports/N/`, one file per counter, all kept open, one read
//! each; and where that has fewer bits, `DEV/infiniband/umadN`, one datagram for each attribute.
//! Which ports, files and agents there are is listed when the collector starts, each minute, and at
//! once when a file that was there cannot be read: new devices and counters show within a minute,
//! and one that came back under its old name at once. Sysfs since Linux 2.6.14, `hw_counters` since
//! 4.8, umad since 2.6.24.

mod counters;
mod listing;
mod names;
mod port;
mod totals;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::collector::{CollectError, Collector, Presence, Roots};
use crate::graphite;
use crate::options::{Kind, OptionError, OptionSpec};
use crate::source::infiniband::sysfs::LinkLayer;
use crate::source::infiniband::umad::{self, UmadError};
use crate::spec::{Builtin, Setup, Spec};
use crate::state;

use counters::Files;
use listing::Reach;
use port::{Port, Tools};
use totals::Totals;

pub use counters::Counter;
pub use port::Reading;

pub(crate) static SPEC: Spec = Spec {
    name: "metrics-infiniband",
    about: "Error and traffic counters of each InfiniBand port",
    scheme_suffix: "infiniband",
    builtin: Some(Builtin {
        check: "ib_metrics",
        subscription: "infiniband",
    }),
    options: &[
        choice(
            "device-in-path",
            &["auto", "always", "never"],
            "WHEN",
            "Name the device before the port; auto: if several devices are shown",
        ),
        choice(
            "link-layer",
            &["all", "infiniband", "ethernet"],
            "LAYER",
            "Show only ports that speak this; ethernet is RoCE",
        ),
        choice(
            "source",
            &["auto", "sysfs", "umad"],
            "SOURCE",
            "Where counters are read; auto: umad for those that have fewer bits in sysfs",
        ),
        flag(
            "details",
            "Show why packets were counted as errors or discarded, where the port tells (umad)",
        ),
        flag(
            "remote",
            "Show the counters of the port at the other end of the cable, too (umad)",
        ),
        flag(
            "monotonic",
            "Show all that was counted, across resets and restarts, not what the port has now",
        ),
        flag(
            "reset-saturated",
            "Reset a counter that is about to stop, and no other (umad)",
        ),
        OptionSpec {
            // Not `timeout`, which Sensu has for each check.
            name: "umad-timeout",
            short: None,
            kind: Kind::Seconds,
            value_name: "SECONDS",
            help: "How long all questions by umad may take together [default: 2]",
        },
        OptionSpec {
            name: "state-dir",
            short: None,
            kind: Kind::Text,
            value_name: "DIR",
            help: "Where --monotonic remembers what was counted [default: /var/cache/venus]",
        },
    ],
    build,
};

const fn choice(
    name: &'static str,
    words: &'static [&'static str],
    value_name: &'static str,
    help: &'static str,
) -> OptionSpec {
    OptionSpec {
        name,
        short: None,
        kind: Kind::Choice(words),
        value_name,
        help,
    }
}

const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        short: None,
        kind: Kind::Flag,
        value_name: "",
        help,
    }
}

/// How long the list of devices, ports and counters is believed, in seconds.
const LIST_SECONDS: u64 = 60;
/// How long all questions may take together.
const BUDGET: Duration = Duration::from_secs(2);

/// What was asked for.
struct Options {
    device_in_path: DeviceInPath,
    link_layer: Option<LinkLayer>,
    source: Source,
    details: bool,
    remote: bool,
    resets: bool,
    budget: Duration,
}

/// When a path names the device.
#[derive(Clone, Copy)]
enum DeviceInPath {
    Auto,
    Always,
    Never,
}

/// Where counters are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Auto,
    Sysfs,
    Umad,
}

struct Infiniband {
    prefix: Vec<u8>,
    roots: Roots,
    options: Options,
    reach: Reach,
    totals: Option<Totals>,
    ports: Vec<Port>,
    /// When they were listed, in seconds since the epoch.
    listed: Option<u64>,
    /// Whether somebody did not answer then, and may the next time.
    is_provisional: bool,
    /// Whether this collection may wait for answers, as far as whoever runs it has asked.
    may_ask: bool,
}

fn build(setup: &Setup<'_>) -> Result<Box<dyn Collector>, OptionError> {
    let given = setup.given;
    let folder = given.text("state-dir").unwrap_or(state::DEFAULT_FOLDER);
    let totals = given.flag("monotonic");
    Ok(Box::new(Infiniband {
        prefix: setup.scheme.prefix(),
        roots: setup.roots.clone(),
        options: Options {
            device_in_path: match given.choice("device-in-path") {
                Some("always") => DeviceInPath::Always,
                Some("never") => DeviceInPath::Never,
                Some(_) | None => DeviceInPath::Auto,
            },
            link_layer: match given.choice("link-layer") {
                Some("infiniband") => Some(LinkLayer::InfiniBand),
                Some("ethernet") => Some(LinkLayer::Ethernet),
                Some(_) | None => None,
            },
            source: match given.choice("source") {
                Some("sysfs") => Source::Sysfs,
                Some("umad") => Source::Umad,
                Some(_) | None => Source::Auto,
            },
            details: given.flag("details"),
            remote: given.flag("remote"),
            resets: given.flag("reset-saturated"),
            budget: given.seconds("umad-timeout").unwrap_or(BUDGET),
        },
        reach: Reach::default(),
        totals: totals.then(|| Totals::new(Path::new(folder))),
        ports: Vec::new(),
        listed: None,
        is_provisional: false,
        may_ask: true,
    }))
}

impl Collector for Infiniband {
    fn collect(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
    ) -> Result<Presence, CollectError> {
        let deadline = Instant::now() + self.options.budget;
        let may_ask = std::mem::replace(&mut self.may_ask, true);
        if let Some(totals) = &mut self.totals {
            problems.extend(totals.open()?.map(CollectError::from));
        }
        let known = problems.len();
        if self.is_listed(now) {
            let before = out.len();
            match self.write(now, out, problems, deadline) {
                Files::AsListed => return Ok(Presence::Here),
                // Listing them asks, which is for the next time.
                Files::Changed if !may_ask && self.asks_when_listing() => {
                    self.listed = None;
                    return Ok(Presence::Here);
                }
                Files::Changed => {}
            }
            out.truncate(before);
            problems.truncate(known);
        }
        self.listed = None;
        if let Some(reason) = self.list(problems, share(deadline, 2))? {
            return Ok(Presence::Absent(reason));
        }
        let files = self.write(now, out, problems, deadline);
        self.listed = Some(now).filter(|_| files == Files::AsListed && !self.is_provisional);
        Ok(Presence::Here)
    }

    fn may_wait(&mut self, now: u64) -> bool {
        let asks = if self.is_listed(now) {
            self.options.resets || self.ports.iter().any(Port::asks)
        } else {
            self.asks_when_listing()
        };
        // Totals are written to a disk.
        self.may_ask = asks || self.totals.is_some();
        self.may_ask
    }

    fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for port in &self.ports {
            port.explain(&mut lines);
        }
        lines
    }
}

/// Appends all ports as they are now, with the other ends of their cables, to `readings`. All
/// questions by umad together take no longer than `budget`.
pub fn read(
    roots: &Roots,
    budget: Duration,
    readings: &mut Vec<Reading>,
    problems: &mut Vec<CollectError>,
) -> Result<Presence, CollectError> {
    let deadline = Instant::now() + budget;
    let mut all = Infiniband {
        prefix: Vec::new(),
        roots: roots.clone(),
        options: Options {
            device_in_path: DeviceInPath::Always,
            link_layer: None,
            source: Source::Auto,
            details: false,
            remote: true,
            resets: false,
            budget,
        },
        reach: Reach::default(),
        totals: None,
        ports: Vec::new(),
        listed: None,
        is_provisional: false,
        may_ask: true,
    };
    if let Some(reason) = all.list(problems, share(deadline, 2))? {
        return Ok(Presence::Absent(reason));
    }
    all.each(deadline, problems, |port, tools, problems| {
        readings.push(port.read(tools, problems));
        Files::AsListed
    });
    Ok(Presence::Here)
}

impl Infiniband {
    /// Whether somebody is asked who may not answer.
    fn asks_when_listing(&self) -> bool {
        let Options {
            source,
            remote,
            resets,
            ..
        } = self.options;
        (source != Source::Sysfs || remote || resets) && umad::is_there(&self.roots.sys)
    }

    fn is_listed(&self, now: u64) -> bool {
        // The clock may also have been set back.
        self.listed
            .is_some_and(|then| now.abs_diff(then) < LIST_SECONDS)
    }

    fn write(
        &mut self,
        now: u64,
        out: &mut Vec<u8>,
        problems: &mut Vec<CollectError>,
        deadline: Instant,
    ) -> Files {
        let mut lines = graphite::Lines::new(out, now);
        let files = self.each(deadline, problems, |port, tools, problems| {
            port.collect(&mut lines, tools, problems)
        });
        if let Some(totals) = &self.totals {
            problems.extend(totals.write().err().map(CollectError::from));
        }
        files
    }

    /// Has each port read, within its part of the time.
    fn each(
        &mut self,
        deadline: Instant,
        problems: &mut Vec<CollectError>,
        mut read: impl FnMut(&mut Port, &mut Tools<'_>, &mut Vec<CollectError>) -> Files,
    ) -> Files {
        let mut files = Files::AsListed;
        let mut left = self.ports.iter().filter(|port| port.asks()).count();
        for port in &mut self.ports {
            let mut tools = Tools {
                umad: self.reach.umad(&port.device, port.number),
                totals: self.totals.as_mut(),
                resets: self.options.resets,
                deadline: share(deadline, left),
            };
            left -= usize::from(port.asks());
            let before = problems.len();
            if read(port, &mut tools, problems) == Files::Changed {
                files = Files::Changed;
            }
            let new = problems.get(before..).unwrap_or_default();
            if new.iter().any(has_failed) {
                self.reach.close(&port.device, port.number);
                files = Files::Changed;
            }
        }
        files
    }
}

/// Whether a device has to be opened anew.
fn has_failed(problem: &CollectError) -> bool {
    matches!(
        problem,
        CollectError::Fabric {
            source: UmadError::Failed { .. },
            ..
        }
    )
}

/// A fair part of the time that is left, for one of several parties.
fn share(deadline: Instant, parties: usize) -> Instant {
    let now = Instant::now();
    let left = deadline.saturating_duration_since(now);
    let parties = u32::try_from(parties.max(1)).unwrap_or(u32::MAX);
    now + left / parties
}
