//! The attributes of subnet management: what a node is called, and how a port's link is.
//!
//! `InfiniBand` Architecture Specification, volume 1, chapter 14.2.5.

use crate::source::infiniband::facts::{Facts, Tenths};
use crate::source::infiniband::mad::{Attribute, Request};
use crate::source::infiniband::sysfs::LinkLayer;

/// What sort of node one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A channel adapter: a host.
    ChannelAdapter,
    /// A switch.
    Switch,
    /// A router, or something that the specification does not know yet.
    Other,
}

/// What a node says of itself, and of the port that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeInfo {
    /// What it is.
    pub kind: NodeKind,
    /// The node's GUID.
    pub guid: u64,
    /// The number of the port that the question came in by.
    pub port: u8,
}

impl NodeInfo {
    /// Asks the node at the end of this route.
    #[must_use]
    pub fn get(hops: &[u8]) -> Request {
        Request::directed(0x0011, 0, hops)
    }

    /// Reads the answer.
    #[must_use]
    pub fn read(attribute: Attribute<'_>) -> Self {
        Self {
            kind: match attribute.bits(16, 8) {
                1 => NodeKind::ChannelAdapter,
                2 => NodeKind::Switch,
                _ => NodeKind::Other,
            },
            guid: attribute.bits(96, 64),
            port: narrow(attribute.bits(288, 8)),
        }
    }
}

/// Asks the node at the end of this route for its description, 64 bytes of UTF-8.
#[must_use]
pub fn get_description(hops: &[u8]) -> Request {
    Request::directed(0x0010, 0, hops)
}

/// Reads the description: up to the first NUL, without blanks around it. What cannot be printed is
/// replaced, as whoever is root on another node has written it.
#[must_use]
pub fn read_description(attribute: Attribute<'_>) -> String {
    let bytes = attribute.bytes(0, 64);
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    text.trim()
        .chars()
        .map(|character| match character {
            character if character.is_control() => '?',
            character => character,
        })
        .collect()
}

/// Asks the node at the end of this route for its port of this number.
#[must_use]
pub fn get_port(hops: &[u8], port: u8) -> Request {
    Request::directed(0x0015, u32::from(port), hops)
}

/// Reads `PortInfo`. A switch has its LID at port 0.
#[must_use]
pub fn read_port(attribute: Attribute<'_>) -> Facts {
    let lanes = match attribute.bits(248, 8) {
        1 => Some(1),
        2 => Some(4),
        4 => Some(8),
        8 => Some(12),
        16 => Some(2),
        _ => None,
    };
    // As the kernel names them in sysfs, in tenths of Gbit/s a lane.
    let speed = match (attribute.bits(496, 4), attribute.bits(280, 4)) {
        (1, _) => Some(140),
        (2, _) => Some(250),
        (4, _) => Some(500),
        (8, _) => Some(1000),
        (_, 1) => Some(25),
        (_, 2) => Some(50),
        (_, 4) => Some(100),
        _ => None,
    };
    Facts {
        state: Some(narrow(attribute.bits(260, 4))),
        phys_state: Some(narrow(attribute.bits(264, 4))),
        width: lanes,
        speed: speed.map(Tenths),
        lid: u16::try_from(attribute.bits(128, 16)).ok(),
        sm_lid: u16::try_from(attribute.bits(144, 16)).ok(),
        link_layer: Some(LinkLayer::InfiniBand),
    }
}

fn narrow(bits: u64) -> u8 {
    u8::try_from(bits).unwrap_or_default()
}
