//! Asks a port, here or at the other end of the cable, for all that it tells by datagrams.

use std::time::Instant;

use crate::source::infiniband::facts::Facts;
use crate::source::infiniband::mad::{self, Attribute, Class, Mad};
use crate::source::infiniband::performance::{Capabilities, Field, Kind};
use crate::source::infiniband::subnet::{self, NodeInfo, NodeKind};
use crate::source::infiniband::umad::{To, Umad, UmadError};

/// A port whose performance management agent can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The local identifier of its node, or, of a channel adapter, its own.
    pub lid: u16,
    /// Its number on the node.
    pub number: u8,
}

/// What an agent can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// By its `ClassPortInfo`.
    pub capabilities: Capabilities,
    /// Those of the optional attributes that were wanted and that it answers.
    pub details: Vec<Kind>,
}

/// The other end of a cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it is.
    pub kind: NodeKind,
    /// The GUID of the node.
    pub guid: u64,
    /// What the node is called, e.g. `Switch1` or `venus002 HCA-1`.
    pub description: String,
    /// The port.
    pub address: Address,
}

/// What a port has answered last, kept for reuse.
#[derive(Debug, Default)]
pub struct Answers {
    mads: [Option<Mad>; Kind::ALL.len()],
}

impl Answers {
    /// The value of a counter, if its attribute was answered.
    #[must_use]
    pub fn value(&self, field: &Field) -> Option<u64> {
        let mads = Kind::ALL.iter().zip(&self.mads);
        let mut mads = mads.filter(|(kind, _)| **kind == field.kind);
        let mad = mads.find_map(|(_, mad)| mad.as_ref())?;
        Some(field.value(performance(mad)))
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.mads = Default::default();
    }
}

fn performance(mad: &Mad) -> Attribute<'_> {
    mad::attribute(Class::Performance, mad)
}

fn subnet(mad: &Mad) -> Attribute<'_> {
    mad::attribute(Class::DirectedSubnet, mad)
}

/// What a port of this host is like.
pub fn facts(umad: &mut Umad, port: u8, deadline: Instant) -> Result<Facts, UmadError> {
    let answer = umad.ask(To::Route, subnet::get_port(&[], port), deadline)?;
    Ok(subnet::read_port(subnet(&answer)))
}

/// What the agent of a port can tell. Whether it has the optional attributes is tried.
pub fn offer(
    umad: &mut Umad,
    port: Address,
    wanted: &[Kind],
    deadline: Instant,
) -> Result<Offer, UmadError> {
    let to = To::Lid(port.lid);
    let answer = umad.ask(to, Capabilities::get(), deadline)?;
    let capabilities = Capabilities::read(performance(&answer));
    let mut details = Vec::new();
    for kind in wanted {
        match umad.ask(to, kind.get(port.number), deadline) {
            Ok(_) => details.push(*kind),
            Err(UmadError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Offer {
        capabilities,
        details,
    })
}

/// Reads these attributes of a port. On an error there are no answers, not even the old ones.
pub fn read(
    umad: &mut Umad,
    port: Address,
    kinds: &[Kind],
    answers: &mut Answers,
    deadline: Instant,
) -> Result<(), UmadError> {
    answers.clear();
    let wanted = Kind::ALL.iter().zip(&mut answers.mads);
    for (kind, place) in wanted.filter(|(kind, _)| kinds.contains(kind)) {
        match umad.ask(To::Lid(port.lid), kind.get(port.number), deadline) {
            Ok(answer) => *place = Some(answer),
            Err(error) => {
                answers.clear();
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Sets one counter of a port to 0, and tells what it has then. `None` for one that cannot be set
/// alone.
pub fn clear(
    umad: &mut Umad,
    port: Address,
    field: &Field,
    deadline: Instant,
) -> Result<Option<u64>, UmadError> {
    let Some(request) = field.clear(port.number) else {
        return Ok(None);
    };
    let answer = umad.ask(To::Lid(port.lid), request, deadline)?;
    Ok(Some(field.value(performance(&answer))))
}

/// Who is at the other end of the cable in this port.
pub fn peer(umad: &mut Umad, own_port: u8, deadline: Instant) -> Result<Peer, UmadError> {
    let hops = [own_port];
    let node = umad.ask(To::Route, NodeInfo::get(&hops), deadline)?;
    let node = NodeInfo::read(subnet(&node));
    let description = umad.ask(To::Route, subnet::get_description(&hops), deadline)?;
    let with_lid = match node.kind {
        // All ports of a switch have the LID of its management port.
        NodeKind::Switch => 0,
        NodeKind::ChannelAdapter | NodeKind::Other => node.port,
    };
    let facts = umad.ask(To::Route, subnet::get_port(&hops, with_lid), deadline)?;
    Ok(Peer {
        kind: node.kind,
        guid: node.guid,
        description: subnet::read_description(subnet(&description)),
        address: Address {
            lid: subnet::read_port(subnet(&facts)).lid.unwrap_or_default(),
            number: node.port,
        },
    })
}
