//! The attributes of performance management: which counters a port has, how wide they are, and
//! where they stand.
//!
//! `InfiniBand` Architecture Specification, volume 1, chapter 16.1.3 (mandatory) and 16.1.4
//! (optional). A counter **stops** at its largest value. Data counters count octets divided by 4.

use crate::source::infiniband::mad::{Attribute, Method, Request};

/// Which attribute a counter stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Short counters, which each port has.
    PortCounters,
    /// Counters of 64 bits.
    PortCountersExtended,
    /// Why received packets were counted as errors.
    PortRcvErrorDetails,
    /// Why packets were not sent.
    PortXmitDiscardDetails,
}

impl Kind {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Self; 4] = [
        Self::PortCounters,
        Self::PortCountersExtended,
        Self::PortRcvErrorDetails,
        Self::PortXmitDiscardDetails,
    ];

    fn number(self) -> u16 {
        match self {
            Self::PortCounters => 0x0012,
            Self::PortRcvErrorDetails => 0x0015,
            Self::PortXmitDiscardDetails => 0x0016,
            Self::PortCountersExtended => 0x001d,
        }
    }

    /// Its name by IBTA.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PortCounters => "PortCounters",
            Self::PortCountersExtended => "PortCountersExtended",
            Self::PortRcvErrorDetails => "PortRcvErrorDetails",
            Self::PortXmitDiscardDetails => "PortXmitDiscardDetails",
        }
    }

    /// Asks the agent that is in charge of this port for it.
    #[must_use]
    pub fn get(self, port: u8) -> Request {
        Request::performance(Method::Get, self.number()).with(PORT_SELECT, &[port])
    }
}

/// Which port is meant, in bytes from the begin of each attribute.
const PORT_SELECT: usize = 1;
/// Which counters are to be set, likewise.
const COUNTER_SELECT: usize = 2;
/// Which further ones, likewise.
const COUNTER_SELECT_2: usize = 18;

/// One counter in an attribute.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// IBTA's name, as perfquery prints it.
    pub name: &'static str,
    /// The attribute that it stands in.
    pub kind: Kind,
    /// Its first bit.
    offset: usize,
    /// How wide it is.
    pub bits: u8,
    /// Its place in `CounterSelect`, or, less 16, in `CounterSelect2`. Of `PortCounters` only: the
    /// others are never set.
    select: Option<u8>,
}

impl Field {
    /// Its value.
    #[must_use]
    pub fn value(&self, attribute: Attribute<'_>) -> u64 {
        attribute.bits(self.offset, usize::from(self.bits))
    }

    /// Sets it to 0 on this port, and nothing else. `None` for one that cannot be set alone.
    #[must_use]
    pub fn clear(&self, port: u8) -> Option<Request> {
        let select = self.select?;
        let request = Request::performance(Method::Set, self.kind.number());
        let request = request.with(PORT_SELECT, &[port]);
        Some(match select.checked_sub(16) {
            None => request.with(COUNTER_SELECT, &(1_u16 << select).to_be_bytes()),
            Some(select) => request.with(COUNTER_SELECT_2, &[1_u8 << select]),
        })
    }
}

const fn short(name: &'static str, offset: usize, bits: u8, select: u8) -> Field {
    Field {
        name,
        kind: Kind::PortCounters,
        offset,
        bits,
        select: Some(select),
    }
}

const fn extended(name: &'static str, offset: usize) -> Field {
    Field {
        name,
        kind: Kind::PortCountersExtended,
        offset,
        bits: 64,
        select: None,
    }
}

const fn detail(kind: Kind, name: &'static str, offset: usize) -> Field {
    Field {
        name,
        kind,
        offset,
        bits: 16,
        select: None,
    }
}

/// `PortCounters`: name, first bit, bits, place in `CounterSelect`.
static SHORT: [Field; 18] = [
    short("SymbolErrorCounter", 32, 16, 0),
    short("LinkErrorRecoveryCounter", 48, 8, 1),
    short("LinkDownedCounter", 56, 8, 2),
    short("PortRcvErrors", 64, 16, 3),
    short("PortRcvRemotePhysicalErrors", 80, 16, 4),
    short("PortRcvSwitchRelayErrors", 96, 16, 5),
    short("PortXmitDiscards", 112, 16, 6),
    short("PortXmitConstraintErrors", 128, 8, 7),
    short("PortRcvConstraintErrors", 136, 8, 8),
    short("LocalLinkIntegrityErrors", 152, 4, 9),
    short("ExcessiveBufferOverrunErrors", 156, 4, 10),
    short(QP1_DROPPED, 160, 16, 17),
    short("VL15Dropped", 176, 16, 11),
    short("PortXmitData", 192, 32, 12),
    short("PortRcvData", 224, 32, 13),
    short("PortXmitPkts", 256, 32, 14),
    short("PortRcvPkts", 288, 32, 15),
    short(XMIT_WAIT, 320, 32, 16),
];

const XMIT_WAIT: &str = "PortXmitWait";
const QP1_DROPPED: &str = "QP1Dropped";

/// `PortCountersExtended`, without those that came later.
static EXTENDED: [Field; 4] = [
    extended("PortXmitData", 64),
    extended("PortRcvData", 128),
    extended("PortXmitPkts", 192),
    extended("PortRcvPkts", 256),
];

/// Those that agents after the IETF's MIB do not have.
static CAST: [Field; 4] = [
    extended("PortUnicastXmitPkts", 320),
    extended("PortUnicastRcvPkts", 384),
    extended("PortMulticastXmitPkts", 448),
    extended("PortMulticastRcvPkts", 512),
];

/// Those that release 1.3 of the specification added.
static ADDITIONAL: [Field; 14] = [
    extended("SymbolErrorCounter", 576),
    extended("LinkErrorRecoveryCounter", 640),
    extended("LinkDownedCounter", 704),
    extended("PortRcvErrors", 768),
    extended("PortRcvRemotePhysicalErrors", 832),
    extended("PortRcvSwitchRelayErrors", 896),
    extended("PortXmitDiscards", 960),
    extended("PortXmitConstraintErrors", 1024),
    extended("PortRcvConstraintErrors", 1088),
    extended("LocalLinkIntegrityErrors", 1152),
    extended("ExcessiveBufferOverrunErrors", 1216),
    extended("VL15Dropped", 1280),
    extended(XMIT_WAIT, 1344),
    extended(QP1_DROPPED, 1408),
];

static RCV_ERROR: [Field; 6] = [
    detail(Kind::PortRcvErrorDetails, "PortLocalPhysicalErrors", 32),
    detail(Kind::PortRcvErrorDetails, "PortMalformedPktErrors", 48),
    detail(Kind::PortRcvErrorDetails, "PortBufferOverrunErrors", 64),
    detail(Kind::PortRcvErrorDetails, "PortDLIDMappingErrors", 80),
    detail(Kind::PortRcvErrorDetails, "PortVLMappingErrors", 96),
    detail(Kind::PortRcvErrorDetails, "PortLoopingErrors", 112),
];

static XMIT_DISCARD: [Field; 4] = [
    detail(Kind::PortXmitDiscardDetails, "PortInactiveDiscards", 32),
    detail(Kind::PortXmitDiscardDetails, "PortNeighborMTUDiscards", 48),
    detail(
        Kind::PortXmitDiscardDetails,
        "PortSwLifetimeLimitDiscards",
        64,
    ),
    detail(
        Kind::PortXmitDiscardDetails,
        "PortSwHOQLifetimeLimitDiscards",
        80,
    ),
];

/// What an agent can tell, by its `ClassPortInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    mask: u16,
    mask2: u32,
}

/// `PortCountersExtended` is there, whole.
const EXTENDED_WIDTH: u16 = 1 << 9;
/// It is there without the unicast and multicast counters.
const EXTENDED_WIDTH_NO_IETF: u16 = 1 << 10;
/// `PortXmitWait` is there.
const HAS_XMIT_WAIT: u16 = 1 << 12;
/// `QP1Dropped` is there.
const HAS_QP1_DROPPED: u16 = 1 << 15;
/// `PortCountersExtended` has the additional counters.
const ADDITIONAL_EXTENDED: u32 = 1 << 1;

impl Capabilities {
    /// Asks for `ClassPortInfo`.
    #[must_use]
    pub fn get() -> Request {
        Request::performance(Method::Get, 0x0001)
    }

    /// Reads `ClassPortInfo`.
    #[must_use]
    pub fn read(class_port_info: Attribute<'_>) -> Self {
        let narrow = |bits| u32::try_from(bits).unwrap_or_default();
        Self {
            mask: u16::try_from(class_port_info.bits(16, 16)).unwrap_or_default(),
            mask2: narrow(class_port_info.bits(32, 27)),
        }
    }

    /// Whether data and packets are counted with 64 bits.
    #[must_use]
    pub fn has_extended(self) -> bool {
        self.mask & (EXTENDED_WIDTH | EXTENDED_WIDTH_NO_IETF) != 0
    }

    /// Whether errors are, too.
    #[must_use]
    pub fn has_extended_errors(self) -> bool {
        self.has_extended() && self.mask2 & ADDITIONAL_EXTENDED != 0
    }

    /// The counters of such a port, each name once: from the widest attribute that has it. Those of
    /// `details` come last.
    #[must_use]
    pub fn fields(self, details: &[Kind]) -> Vec<&'static Field> {
        let wide = [
            (self.has_extended(), &EXTENDED[..]),
            (self.mask & EXTENDED_WIDTH != 0, &CAST[..]),
            (self.has_extended_errors(), &ADDITIONAL[..]),
        ];
        let wide: Vec<&'static Field> = wide
            .into_iter()
            .filter_map(|(is_there, fields)| is_there.then_some(fields))
            .flatten()
            .filter(|wide| wide.name != QP1_DROPPED || self.mask & HAS_QP1_DROPPED != 0)
            .collect();
        let has = |name: &str| match name {
            XMIT_WAIT => self.mask & HAS_XMIT_WAIT != 0,
            QP1_DROPPED => self.mask & HAS_QP1_DROPPED != 0,
            _ => true,
        };
        let mut fields: Vec<&'static Field> = SHORT
            .iter()
            .filter(|short| has(short.name))
            .filter(|short| !wide.iter().any(|wide| wide.name == short.name))
            .collect();
        fields.extend(wide);
        let details = details.iter().flat_map(|kind| match kind {
            Kind::PortRcvErrorDetails => &RCV_ERROR[..],
            Kind::PortXmitDiscardDetails => &XMIT_DISCARD[..],
            Kind::PortCounters | Kind::PortCountersExtended => &[],
        });
        fields.extend(details);
        fields
    }
}

/// The short counter of this name, by which it can be cleared.
#[must_use]
pub fn short_field(name: &str) -> Option<&'static Field> {
    SHORT.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::infiniband::mad::{BYTES, Class, attribute};
    use std::collections::BTreeSet;

    fn capabilities(mask: u16, mask2: u32) -> Capabilities {
        Capabilities { mask, mask2 }
    }

    fn names(capabilities: Capabilities, bits: u8) -> BTreeSet<&'static str> {
        let fields = capabilities.fields(&[]);
        let all: BTreeSet<_> = fields.iter().map(|field| field.name).collect();
        assert_eq!(all.len(), fields.len(), "each once");
        let wide = fields.iter().filter(|field| field.bits == bits);
        wide.map(|field| field.name).collect()
    }

    #[test]
    fn a_name_comes_from_the_widest_attribute_that_has_it() {
        let old = capabilities(0, 0);
        assert_eq!(names(old, 64).len(), 0);
        for later in [XMIT_WAIT, QP1_DROPPED] {
            assert!(!old.fields(&[]).iter().any(|field| field.name == later));
        }
        let data = ["PortRcvData", "PortRcvPkts", "PortXmitData", "PortXmitPkts"];
        let no_ietf = capabilities(EXTENDED_WIDTH_NO_IETF, 0);
        assert_eq!(names(no_ietf, 64), BTreeSet::from(data));
        assert_eq!(names(no_ietf, 32).len(), 0);
        let mlx4 = capabilities(EXTENDED_WIDTH | HAS_XMIT_WAIT, 0);
        assert_eq!(names(mlx4, 64).len(), 8);
        assert_eq!(names(mlx4, 32), BTreeSet::from([XMIT_WAIT]));
        let all = EXTENDED_WIDTH | HAS_XMIT_WAIT | HAS_QP1_DROPPED;
        let new = capabilities(all, ADDITIONAL_EXTENDED);
        assert_eq!(names(new, 64).len(), 22);
        assert_eq!(new.fields(&[]).len(), 22, "all of them are wide");
    }

    #[test]
    fn no_two_fields_of_an_attribute_share_a_bit() {
        let wide = EXTENDED.iter().chain(&CAST).chain(&ADDITIONAL);
        for fields in [
            SHORT.iter().collect::<Vec<_>>(),
            wide.collect(),
            RCV_ERROR.iter().collect(),
            XMIT_DISCARD.iter().collect(),
        ] {
            let mut taken = BTreeSet::new();
            for field in fields {
                for bit in field.offset..field.offset + usize::from(field.bits) {
                    assert!(taken.insert(bit), "{} at {bit}", field.name);
                }
            }
        }
    }

    #[test]
    fn clearing_selects_one_counter() {
        let selected = |name: &str| {
            let mut request = short_field(name).unwrap().clear(3).unwrap();
            let mad = *request.mad(1);
            assert_eq!(mad.len(), BYTES);
            let data = attribute(Class::Performance, &mad);
            assert_eq!(data.bits(8, 8), 3, "the port");
            (data.bits(16, 16), data.bits(144, 8))
        };
        assert_eq!(selected("SymbolErrorCounter"), (1, 0));
        assert_eq!(selected("PortRcvPkts"), (0x8000, 0));
        assert_eq!(selected("PortXmitWait"), (0, 1));
        assert_eq!(selected("QP1Dropped"), (0, 2));
        assert_eq!(EXTENDED[0].clear(1).map(|_| ()), None);
    }
}
