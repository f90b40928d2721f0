//! Management datagrams (MADs): 256 bytes, a header and the attribute that is asked for.
//!
//! `InfiniBand` Architecture Specification, volume 1, chapter 13.4 (header), 14.2.1 (directed
//! route) and 16.1 (performance management). All numbers are big-endian.

/// A datagram.
pub type Mad = [u8; BYTES];

/// How long each datagram is.
pub const BYTES: usize = 256;

/// An attribute's data as it stands in a datagram. Fields are told by their offset in bits.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a>(&'a [u8]);

/// Where the common header's fields are, in bytes.
mod at {
    pub(super) const BASE_VERSION: usize = 0;
    pub(super) const CLASS: usize = 1;
    pub(super) const CLASS_VERSION: usize = 2;
    pub(super) const METHOD: usize = 3;
    pub(super) const STATUS: usize = 4;
    /// Directed route only: how many hops were taken, and how many there are.
    pub(super) const HOP_COUNT: usize = 7;
    pub(super) const TRANSACTION: usize = 8;
    pub(super) const ATTRIBUTE: usize = 16;
    pub(super) const MODIFIER: usize = 20;
    /// Directed route only: no part of the way is routed by LID.
    pub(super) const SOURCE_LID: usize = 32;
    pub(super) const DESTINATION_LID: usize = 34;
    /// The attribute, in both classes.
    pub(super) const DATA: usize = 64;
    /// Directed route only: the egress port of each hop, the first of them unused.
    pub(super) const INITIAL_PATH: usize = 128;
}

/// Which agent of a node is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Performance management, by LID.
    Performance,
    /// Subnet management by a route of egress ports, for which nobody needs a LID.
    DirectedSubnet,
}

impl Class {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Performance => 0x04,
            Self::DirectedSubnet => 0x81,
        }
    }

    /// How many bytes of attribute a datagram carries.
    fn data_bytes(self) -> usize {
        match self {
            Self::Performance => 192,
            Self::DirectedSubnet => 64,
        }
    }
}

/// What is wanted of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To have it.
    Get,
    /// To change it.
    Set,
}

/// The method of what comes back, for both.
const GET_RESPONSE: u8 = 0x81;
/// Base version, and class version of both classes.
const VERSION: u8 = 1;
/// The LID of whom a directed route alone leads to.
const PERMISSIVE_LID: u16 = 0xffff;
/// The bit of the status that says in a directed route that this is the way back.
const DIRECTION: u16 = 0x8000;
/// The bit of the status by which an agent says that it is busy.
const BUSY: u16 = 0x0001;

/// A datagram that asks for something.
#[derive(Debug, Clone)]
pub struct Request {
    class: Class,
    attribute: u16,
    mad: Mad,
}

/// Why what came is not the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It answers something else: a late answer, or none of ours.
    Other,
    /// The agent is busy and wants to be asked again.
    Busy,
    /// The agent refuses, with this status (chapter 13.4.7): 0x000c for an attribute or method that it
    /// does not have, 0x001c for a value that it does not take.
    Refused(u16),
}

impl Request {
    /// Asks the performance management agent of a node.
    #[must_use]
    pub fn performance(method: Method, attribute: u16) -> Self {
        Self::new(Class::Performance, method, attribute, 0)
    }

    /// Asks for an attribute of the node that one gets to by leaving through these ports, one after
    /// the other; of the own node where there are none. More than 63 do not fit, and are cut.
    #[must_use]
    pub fn directed(attribute: u16, modifier: u32, hops: &[u8]) -> Self {
        let mut request = Self::new(Class::DirectedSubnet, Method::Get, attribute, modifier);
        request.put(at::SOURCE_LID, &PERMISSIVE_LID.to_be_bytes());
        request.put(at::DESTINATION_LID, &PERMISSIVE_LID.to_be_bytes());
        let hops = hops.get(..63).unwrap_or(hops);
        request.put(
            at::HOP_COUNT,
            &[u8::try_from(hops.len()).unwrap_or_default()],
        );
        request.put(at::INITIAL_PATH + 1, hops);
        request
    }

    fn new(class: Class, method: Method, attribute: u16, modifier: u32) -> Self {
        let mut request = Self {
            class,
            attribute,
            mad: [0; BYTES],
        };
        request.put(at::BASE_VERSION, &[VERSION]);
        request.put(at::CLASS, &[class.number()]);
        request.put(at::CLASS_VERSION, &[VERSION]);
        let method = match method {
            Method::Get => 0x01,
            Method::Set => 0x02,
        };
        request.put(at::METHOD, &[method]);
        request.put(at::ATTRIBUTE, &attribute.to_be_bytes());
        request.put(at::MODIFIER, &modifier.to_be_bytes());
        request
    }

    /// Sets bytes of the attribute, from this offset in bytes.
    #[must_use]
    pub fn with(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.put(at::DATA + offset, bytes);
        self
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        for (place, byte) in self.mad.iter_mut().skip(offset).zip(bytes) {
            *place = *byte;
        }
    }

    /// Which agent it is for.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// The datagram under this transaction id. The kernel replaces the upper half of the id.
    #[must_use]
    pub fn mad(&mut self, transaction: u32) -> &Mad {
        self.put(at::TRANSACTION, &u64::from(transaction).to_be_bytes());
        &self.mad
    }

    /// Whether a datagram is the answer to this one under this transaction id.
    pub fn check(&self, transaction: u32, mad: &Mad) -> Result<(), NoAnswer> {
        let header = Attribute(mad);
        let byte = |offset: usize| header.bits(8 * offset, 8);
        let id = header.bits(8 * at::TRANSACTION + 32, 32);
        let is_ours = byte(at::BASE_VERSION) == u64::from(VERSION)
            && byte(at::CLASS) == u64::from(self.class.number())
            && byte(at::METHOD) == u64::from(GET_RESPONSE)
            && header.bits(8 * at::ATTRIBUTE, 16) == u64::from(self.attribute)
            && id == u64::from(transaction);
        if !is_ours {
            return Err(NoAnswer::Other);
        }
        let status = u16::try_from(header.bits(8 * at::STATUS, 16)).unwrap_or(u16::MAX);
        let status = match self.class {
            Class::Performance => status,
            Class::DirectedSubnet => status & !DIRECTION,
        };
        match status {
            0 => Ok(()),
            status if status & BUSY != 0 => Err(NoAnswer::Busy),
            status => Err(NoAnswer::Refused(status)),
        }
    }
}

/// The attribute in a datagram of this class.
#[must_use]
pub fn attribute(class: Class, mad: &Mad) -> Attribute<'_> {
    let end = at::DATA + class.data_bytes();
    Attribute(mad.get(at::DATA..end).unwrap_or_default())
}

impl Attribute<'_> {
    /// The number at this offset with this many bits, 64 at most. What is outside is 0, as all that
    /// is reserved.
    #[must_use]
    pub fn bits(&self, offset: usize, count: usize) -> u64 {
        let bit = |offset: usize| {
            let byte = self.0.get(offset / 8).copied().unwrap_or_default();
            u64::from(byte >> (7 - offset % 8) & 1)
        };
        (offset..offset + count).fold(0, |number, offset| number << 1 | bit(offset))
    }

    /// Bytes from this offset in bytes; fewer where there are none.
    #[must_use]
    pub fn bytes(&self, offset: usize, count: usize) -> &[u8] {
        let rest = self.0.get(offset..).unwrap_or_default();
        rest.get(..count).unwrap_or(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(request: &Request, transaction: u32, status: u16) -> Mad {
        let mut answer = request.clone();
        answer.put(at::METHOD, &[GET_RESPONSE]);
        answer.put(at::STATUS, &status.to_be_bytes());
        *answer.mad(transaction)
    }

    #[test]
    fn only_the_answer_to_what_was_asked_is_taken() {
        let request = Request::performance(Method::Get, 0x12);
        let check = |mad: &Mad| request.check(7, mad);
        assert_eq!(check(&answer(&request, 7, 0)), Ok(()));
        assert_eq!(check(&answer(&request, 8, 0)), Err(NoAnswer::Other), "late");
        let other = Request::performance(Method::Get, 0x1d);
        assert_eq!(check(&answer(&other, 7, 0)), Err(NoAnswer::Other));
        let class = Request::directed(0x12, 0, &[]);
        assert_eq!(check(&answer(&class, 7, 0)), Err(NoAnswer::Other));
        let echo = *request.clone().mad(7);
        assert_eq!(check(&echo), Err(NoAnswer::Other), "our own request");
        assert_eq!(check(&[0; BYTES]), Err(NoAnswer::Other));
    }

    #[test]
    fn the_kernel_may_change_the_upper_half_of_the_transaction() {
        let request = Request::performance(Method::Get, 0x12);
        let mut mad = answer(&request, 7, 0);
        mad[at::TRANSACTION..][..4].fill(0xab);
        assert_eq!(request.check(7, &mad), Ok(()));
    }

    #[test]
    fn a_status_says_why_not() {
        let request = Request::performance(Method::Get, 0x15);
        for (status, why) in [
            (0x0001, NoAnswer::Busy),
            (0x000c, NoAnswer::Refused(0x000c)),
            (0x8000, NoAnswer::Refused(0x8000)),
        ] {
            assert_eq!(request.check(1, &answer(&request, 1, status)), Err(why));
        }
        let directed = Request::directed(0x11, 0, &[1]);
        assert_eq!(directed.check(1, &answer(&directed, 1, 0x8000)), Ok(()));
    }

    #[test]
    fn a_directed_route_begins_after_an_unused_byte() {
        let mut request = Request::directed(0x15, 3, &[1, 24]);
        let mad = request.mad(1);
        assert_eq!(mad[at::HOP_COUNT], 2);
        assert_eq!(mad[at::INITIAL_PATH..][..4], [0, 1, 24, 0]);
        assert_eq!(mad[at::SOURCE_LID..][..4], [0xff; 4]);
        assert_eq!(mad[at::MODIFIER..][..4], [0, 0, 0, 3]);
        assert_eq!(Request::directed(0, 0, &[1; 100]).mad[at::HOP_COUNT], 63);
    }

    proptest! {
        #[test]
        fn numbers_are_read_from_any_bits(value: u64, offset in 0_usize..200, count in 0_usize..=64) {
            let value = if count == 64 { value } else { value & ((1 << count) - 1) };
            let mut bytes = [0xa5_u8; 33];
            for (place, bit) in (offset..offset + count).zip((0..count).rev()) {
                let mask = 1 << (7 - place % 8);
                if value >> bit & 1 == 1 {
                    bytes[place / 8] |= mask;
                } else {
                    bytes[place / 8] &= !mask;
                }
            }
            prop_assert_eq!(Attribute(&bytes).bits(offset, count), value);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, offset in 0_usize..5000, count in 0_usize..=64) {
            let attribute = Attribute(&bytes);
            prop_assert!(count == 64 || attribute.bits(offset, count) < 1 << count);
            prop_assert!(attribute.bytes(offset, count).len() <= count);
        }

        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), BYTES), id: u32) {
            let mad: Mad = bytes.try_into().unwrap();
            prop_assert!(Request::performance(Method::Get, 0xdead).check(id, &mad).is_err());
        }
    }
}
