//! A port of this host, and the port at the other end of its cable.

use std::time::Instant;

use crate::collect::infiniband::counters::{Counter, Counters, Files};
use crate::collect::infiniband::share;
use crate::collect::infiniband::totals::Totals;
use crate::collector::CollectError;
use crate::graphite;
use crate::source::infiniband::fabric::{self, Address, Peer};
use crate::source::infiniband::facts::{FactFiles, Facts, Tenths};
use crate::source::infiniband::sysfs::{Failure, LinkLayer};
use crate::source::infiniband::umad::{Umad, UmadError};

/// A port of this host.
pub(super) struct Port {
    pub(super) device: String,
    pub(super) number: u8,
    /// Scheme, device and port with the dot after it.
    pub(super) prefix: Vec<u8>,
    pub(super) facts: FactFiles,
    pub(super) counters: Counters,
    pub(super) remote: Option<Remote>,
    /// Why some of it is not asked for.
    pub(super) because: Option<CollectError>,
    /// Whether it is to be listed anew when its link comes up.
    pub(super) waits_for_link: bool,
    pub(super) failures: Vec<Failure>,
}

/// The other end of a cable.
pub(super) struct Remote {
    pub(super) peer: Peer,
    pub(super) counters: Counters,
}

/// What a port of this host, and the other end of its cable, told.
#[derive(Debug)]
pub struct Reading {
    /// E.g. `mlx4_0`.
    pub device: String,
    /// From 1.
    pub port: u8,
    /// How its link is.
    pub facts: Facts,
    /// Its counters, by name in the order of the metrics.
    pub counters: Vec<Counter>,
    /// The other end of its cable, and its counters.
    pub remote: Option<(Peer, Vec<Counter>)>,
}

/// What a port is read with.
pub(super) struct Tools<'a> {
    pub(super) umad: Option<&'a mut Umad>,
    pub(super) totals: Option<&'a mut Totals>,
    pub(super) resets: bool,
    pub(super) deadline: Instant,
}

impl Port {
    /// Whether it is read by asking.
    pub(super) fn asks(&self) -> bool {
        self.counters.are_asked() || self.remote.is_some()
    }

    /// Reads it and writes its lines.
    pub(super) fn collect(
        &mut self,
        out: &mut graphite::Lines<'_>,
        tools: &mut Tools<'_>,
        problems: &mut Vec<CollectError>,
    ) -> Files {
        let facts = self.ask(tools, problems);
        let address = self.address(&facts);
        let resets = tools.resets && tools.umad.is_some() && why_unreachable(&facts).is_none();
        let totals = tools.totals.as_deref_mut();
        let mut files = self.counters.write(out, resets, totals, problems);
        if self.waits_for_link && is_up(&facts) {
            files = Files::Changed;
        }
        write_facts(&self.prefix, &facts, out);
        if resets {
            let reset = reset(&mut self.counters, address, tools);
            problems.extend(reset.err());
        }
        if let Some(Remote { peer, counters }) = &mut self.remote {
            let totals = tools.totals.as_deref_mut();
            counters.write(out, resets, totals, problems);
            if resets {
                problems.extend(reset(counters, peer.address, tools).err());
            }
        }
        files
    }

    /// Reads it.
    pub(super) fn read(
        &mut self,
        tools: &mut Tools<'_>,
        problems: &mut Vec<CollectError>,
    ) -> Reading {
        let facts = self.ask(tools, problems);
        Reading {
            device: self.device.clone(),
            port: self.number,
            facts,
            counters: self.counters.values(problems),
            remote: self.remote.as_mut().map(|remote| {
                let counters = remote.counters.values(problems);
                (remote.peer.clone(), counters)
            }),
        }
    }

    fn address(&self, facts: &Facts) -> Address {
        Address {
            lid: facts.lid.unwrap_or_default(),
            number: self.number,
        }
    }

    /// Reads the facts, and asks for what is asked for at both ends of the cable.
    fn ask(&mut self, tools: &mut Tools<'_>, problems: &mut Vec<CollectError>) -> Facts {
        self.counters.forget();
        if let Some(remote) = &mut self.remote {
            remote.counters.forget();
        }
        let Some(facts) = self.read_facts(tools, problems) else {
            return Facts::default();
        };
        let address = self.address(&facts);
        let Some(umad) = tools.umad.as_deref_mut().filter(|_| self.asks()) else {
            return facts;
        };
        if let Some(why) = why_unreachable(&facts) {
            problems.push(CollectError::Unreachable {
                port: self.counters.label().to_owned(),
                why,
            });
            // The link may come back by another cable.
            self.remote = None;
            self.waits_for_link = true;
            return facts;
        }
        let parties = if self.remote.is_some() { 2 } else { 1 };
        let asked = self
            .counters
            .ask(umad, address, share(tools.deadline, parties));
        problems.extend(asked.err());
        if let Some(Remote { peer, counters }) = &mut self.remote {
            let asked = counters.ask(umad, peer.address, tools.deadline);
            problems.extend(asked.err());
        }
        facts
    }

    /// By asking where the counters are asked for, as one answer has them all.
    fn read_facts(
        &mut self,
        tools: &mut Tools<'_>,
        problems: &mut Vec<CollectError>,
    ) -> Option<Facts> {
        if let (true, Some(umad)) = (self.asks(), tools.umad.as_deref_mut()) {
            let asked = ask_facts(umad, self.number, &mut self.facts, tools.deadline);
            return asked
                .map_err(|source| {
                    problems.push(CollectError::Fabric {
                        port: self.counters.label().to_owned(),
                        source,
                    });
                })
                .ok();
        }
        let facts = self.facts.read(&mut self.failures);
        let failures = self.failures.drain(..);
        problems.extend(failures.map(|(path, error)| CollectError::from_file(&path, error)));
        Some(facts)
    }

    /// What it is read from, a line for each end of the cable.
    pub(super) fn explain(&self, lines: &mut Vec<String>) {
        lines.push(self.counters.explain());
        lines.extend(self.because.as_ref().map(CollectError::to_string));
        if let Some(remote) = &self.remote {
            let peer = &remote.peer;
            lines.push(format!(
                "{} (node GUID {:#018x}, LID {})",
                remote.counters.explain(),
                peer.guid,
                peer.address.lid
            ));
        }
    }
}

/// What a port is like by one question, or by its files where nobody may ask: subnet management
/// can be behind a key.
pub(super) fn ask_facts(
    umad: &mut Umad,
    port: u8,
    files: &mut FactFiles,
    deadline: Instant,
) -> Result<Facts, UmadError> {
    fabric::facts(umad, port, share(deadline, 3)).or_else(|error| {
        let facts = files.read(&mut Vec::new());
        if facts.state.is_some() && facts.lid.is_some() {
            Ok(facts)
        } else {
            Err(error)
        }
    })
}

fn reset(
    counters: &mut Counters,
    address: Address,
    tools: &mut Tools<'_>,
) -> Result<(), CollectError> {
    let Some(umad) = tools.umad.as_deref_mut() else {
        return Ok(());
    };
    let totals = tools.totals.as_deref_mut();
    counters.reset_saturated(umad, address, tools.deadline, totals)
}

fn is_up(facts: &Facts) -> bool {
    matches!(facts.state, Some(3..=4)) && facts.lid != Some(0)
}

pub(super) const NO_LID: &str = "it has no LID; is a subnet manager running?";

/// Why nobody on this port can be asked by LID.
pub(super) fn why_unreachable(facts: &Facts) -> Option<&'static str> {
    match (facts.state, facts.lid) {
        (None, _) | (_, None) => Some("its state is not known"),
        (Some(3..=4), Some(0)) => Some(NO_LID),
        (Some(3..=4), Some(_)) => None,
        (Some(2), Some(_)) => Some("it waits for a subnet manager; is one running?"),
        (Some(_), Some(_)) => Some("its link is down"),
    }
}

/// The facts as numbers; speeds in Gbit/s.
fn write_facts(prefix: &[u8], facts: &Facts, out: &mut graphite::Lines<'_>) {
    let mut number = |name: &str, value: Option<u16>| {
        if let Some(value) = value {
            out.number(&[prefix, name.as_bytes()], value);
        }
    };
    number("state", facts.state.map(u16::from));
    number("phys_state", facts.phys_state.map(u16::from));
    number("lid", facts.lid);
    number("sm_lid", facts.sm_lid);
    // As the verbs number them.
    number(
        "link_layer",
        facts.link_layer.map(|layer| match layer {
            LinkLayer::InfiniBand => 1,
            LinkLayer::Ethernet => 2,
        }),
    );
    number("width", facts.width.map(u16::from));
    for (name, speed) in [("speed", facts.speed), ("rate", facts.rate())] {
        if let Some(Tenths(tenths)) = speed {
            let mut whole = itoa::Buffer::new();
            let whole = whole.format(tenths / 10).as_bytes();
            let tenth = [b'.', b'0' + u8::try_from(tenths % 10).unwrap_or_default()];
            // No tenths where there are none, as the kernel prints them.
            let tenth = if tenths % 10 == 0 { &[][..] } else { &tenth };
            out.texts(&[prefix, name.as_bytes()], &[whole, tenth]);
        }
    }
}
