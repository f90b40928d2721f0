//! rtnetlink(7): the network interfaces of this namespace, where the other end of a veth is, and
//! that something has changed.
//!
//! Attributes are read leniently: what is not known, or longer than it was, is passed over, as
//! each kernel adds some. Numbers of messages and attributes are those of the kernel's
//! `include/uapi/linux/{rtnetlink,if_link,net_namespace}.h`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, recvfrom,
    send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_TARGET_NETNSID: u16 = 46;
const IFLA_INFO_KIND: u16 = 1;
/// No counters, which would be most of an answer (Linux 4.4).
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

const NETNSA_NSID: u16 = 1;
const NETNSA_PID: u16 = 2;
const NETNSA_FD: u16 = 3;

/// The head of a message, in bytes: length, type, flags, sequence, port.
const HEAD: usize = 16;
/// What precedes the attributes of a link: `struct ifinfomsg`.
const LINK_HEAD: usize = 16;
/// What precedes those of a namespace: `struct rtgenmsg`, padded.
const NSID_HEAD: usize = 4;

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number, which is given once in its namespace.
    pub index: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// Whether it is one end of a veth pair.
    pub is_veth: bool,
    /// The number of the interface at its other end, or below it.
    pub peer: Option<u32>,
    /// The namespace in which that is, where it is another one: by the id that this namespace has
    /// for it.
    pub peer_nsid: Option<i32>,
    /// The namespace that was asked for it, where that was another one.
    pub asked_nsid: Option<i32>,
}

/// A socket for questions.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Rtnetlink {
    /// What the kernel puts into one datagram of a dump at most, in bytes.
    const DATAGRAM: usize = 32 * 1024;
    /// A dump during which something changed is begun anew this often.
    const TRIES: usize = 3;

    /// Opens one, for the namespace that the calling thread is in.
    pub fn open() -> io::Result<Self> {
        let socket = netlink(SockFlag::empty(), 0)?;
        // The kernel answers at once; this is for one that does not.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(2))?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: vec![0; Self::DATAGRAM],
        })
    }

    /// All interfaces of this namespace.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        for _ in 0..Self::TRIES {
            links.clear();
            let mut body = vec![0; LINK_HEAD];
            attribute(&mut body, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
            let changed = self.ask(RTM_GETLINK, NLM_F_DUMP, &body, |kind, payload| {
                if kind == RTM_NEWLINK {
                    links.extend(link(payload));
                }
            })?;
            if !changed {
                break;
            }
        }
        Ok(links)
    }

    /// An interface of another namespace; `None` if it, or the namespace, is not there. Since
    /// Linux 4.20, with `CAP_NET_ADMIN` over that namespace; older kernels do not answer for it
    /// either, which is `None` too.
    pub fn link_in(&mut self, nsid: i32, index: u32) -> io::Result<Option<Link>> {
        let mut body = vec![0; 4];
        body.extend_from_slice(&index.to_ne_bytes());
        body.resize(LINK_HEAD, 0);
        attribute(&mut body, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        attribute(&mut body, IFLA_TARGET_NETNSID, nsid.cast_unsigned());
        let mut found = None;
        let asked = self.ask(RTM_GETLINK, 0, &body, |kind, payload| {
            if kind == RTM_NEWLINK {
                found = link(payload);
            }
        });
        match asked {
            // A kernel that does not know the attribute tells of an interface of ours.
            Ok(_) => Ok(found.filter(|link| link.index == index && link.asked_nsid == Some(nsid))),
            Err(error) if is(&error, Errno::ENODEV) || is(&error, Errno::EINVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of the namespace that a file of it stands for; `None` if it has none yet: no link
    /// leads there. Since Linux 4.0.
    pub fn nsid_of_file(&mut self, file: BorrowedFd<'_>) -> io::Result<Option<i32>> {
        self.nsid(NETNSA_FD, file.as_raw_fd().cast_unsigned())
    }

    /// The id of the namespace that a process is in, by its pid among those that the caller sees.
    /// Unlike the file `ns/net` of the process, anybody may ask for this.
    pub fn nsid_of_process(&mut self, pid: u32) -> io::Result<Option<i32>> {
        self.nsid(NETNSA_PID, pid)
    }

    fn nsid(&mut self, by: u16, value: u32) -> io::Result<Option<i32>> {
        let mut body = vec![0; NSID_HEAD];
        attribute(&mut body, by, value);
        let mut id = None;
        self.ask(RTM_GETNSID, 0, &body, |kind, payload| {
            if kind == RTM_NEWNSID {
                let attributes = payload.get(NSID_HEAD..).unwrap_or_default();
                id = find(attributes, NETNSA_NSID).and_then(number);
            }
        })?;
        // -1: it has none.
        Ok(id.map(u32::cast_signed).filter(|id| *id >= 0))
    }

    /// Asks, hands over each message of the answer, and tells whether something changed meanwhile.
    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        mut message: impl FnMut(u16, &[u8]),
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEAD + body.len()).map_err(io::Error::other)?;
        let mut request = Vec::with_capacity(HEAD + body.len());
        request.extend_from_slice(&length.to_ne_bytes());
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        request.extend_from_slice(&self.sequence.to_ne_bytes());
        request.extend_from_slice(&0_u32.to_ne_bytes());
        request.extend_from_slice(body);
        send(self.socket.as_raw_fd(), &request, MsgFlags::empty())?;

        let mut changed = false;
        loop {
            let (length, from) =
                recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut self.buffer)?;
            // Other processes can send to this socket as well; the kernel is port 0.
            if from.is_none_or(|from| from.pid() != 0) {
                continue;
            }
            for one in messages(self.buffer.get(..length).unwrap_or_default()) {
                if one.sequence != self.sequence {
                    continue;
                }
                changed |= one.flags & NLM_F_DUMP_INTR != 0;
                match one.kind {
                    NLMSG_DONE => return Ok(changed),
                    NLMSG_ERROR => {
                        let code = number(one.payload.get(..4).unwrap_or_default());
                        let code = code.map_or(0, u32::cast_signed);
                        return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                    }
                    kind => message(kind, one.payload),
                }
                if flags & NLM_F_DUMP == 0 {
                    return Ok(changed);
                }
            }
        }
    }
}

/// A socket on which the kernel tells that an interface or a namespace has come, changed or gone.
#[derive(Debug)]
pub struct Events {
    socket: OwnedFd,
}

impl Events {
    /// `RTNLGRP_LINK` is group 1, `RTNLGRP_NSID` group 28.
    const GROUPS: u32 = 1 | 1 << 27;
    /// How many events are taken at a time; what is left is one more occasion.
    const AT_ONCE: usize = 1024;

    /// Subscribes, in the namespace that the calling thread is in.
    pub fn open() -> io::Result<Self> {
        let socket = netlink(SockFlag::SOCK_NONBLOCK, Self::GROUPS)?;
        Ok(Self { socket })
    }

    /// Whether anything has happened since this was asked before. One system call if not.
    pub fn happened(&mut self) -> bool {
        let mut some = false;
        for _ in 0..Self::AT_ONCE {
            // Of what happened nothing is read: it is looked at as a whole.
            match recv(self.socket.as_raw_fd(), &mut [0], MsgFlags::empty()) {
                Err(Errno::EAGAIN) => break,
                // ENOBUFS: so much happened that some of it was dropped.
                Ok(_) | Err(_) => some = true,
            }
        }
        some
    }
}

fn netlink(flags: SockFlag, groups: u32) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags | SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_fd().as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// Whether an error is this one of the system's.
fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

/// Appends an attribute with a number.
fn attribute(body: &mut Vec<u8>, kind: u16, value: u32) {
    body.extend_from_slice(&8_u16.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(&value.to_ne_bytes());
}

/// A message of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `RTM_NEWLINK` and others.
    pub kind: u16,
    /// `NLM_F_…`
    pub flags: u16,
    /// Of the question that it answers.
    pub sequence: u32,
    /// What follows its head.
    pub payload: &'a [u8],
}

/// The messages of a datagram, up to the first that does not fit into it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(number(rest.get(..4)?)?).ok()?;
        let message = Message {
            kind: half(rest.get(4..6)?)?,
            flags: half(rest.get(6..8)?)?,
            sequence: number(rest.get(8..12)?)?,
            payload: rest.get(HEAD..length)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in a payload, up to the first that does not fit into it.
fn attributes(payload: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    /// A nested attribute, or one in network byte order.
    const FLAGS: u16 = 0xc000;
    let mut rest = payload;
    std::iter::from_fn(move || {
        let length = usize::from(half(rest.get(..2)?)?);
        let kind = half(rest.get(2..4)?)? & !FLAGS;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn find(payload: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(payload).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

/// The interface that the payload of an `RTM_NEWLINK` is about; none without a name.
#[must_use]
pub fn link(payload: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: number(payload.get(4..8)?)?,
        ..Link::default()
    };
    for (kind, value) in attributes(payload.get(LINK_HEAD..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value).to_vec(),
            IFLA_LINK => link.peer = number(value),
            IFLA_LINKINFO => {
                link.is_veth =
                    find(value, IFLA_INFO_KIND).is_some_and(|kind| text(kind) == b"veth");
            }
            IFLA_LINK_NETNSID => link.peer_nsid = number(value).map(u32::cast_signed),
            IFLA_TARGET_NETNSID => link.asked_nsid = number(value).map(u32::cast_signed),
            _ => {}
        }
    }
    Some(link).filter(|link| !link.name.is_empty())
}

/// Up to the first null byte.
fn text(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

fn half(value: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn head(index: u32) -> Vec<u8> {
        [&[0; 4][..], &index.to_ne_bytes(), &[0; 8]].concat()
    }

    #[test]
    fn a_veth_tells_where_its_other_end_is() {
        let info = [raw(IFLA_INFO_KIND, b"veth\0"), raw(2, b"\x01\x02\x03")].concat();
        let payload = [
            head(7),
            raw(999, b"of a later kernel"),
            raw(IFLA_IFNAME, b"veth2a24fb8\0"),
            raw(IFLA_LINK, &4_u32.to_ne_bytes()),
            // Nested attributes may carry a flag that says so.
            raw(IFLA_LINKINFO | 0x8000, &info),
            raw(IFLA_LINK_NETNSID, &3_u32.to_ne_bytes()),
        ];
        let expected = Link {
            index: 7,
            name: b"veth2a24fb8".to_vec(),
            is_veth: true,
            peer: Some(4),
            peer_nsid: Some(3),
            asked_nsid: None,
        };
        assert_eq!(link(&payload.concat()), Some(expected));
        assert_eq!(link(&head(7)), None, "without a name");
        assert_eq!(link(b"short"), None);
    }

    #[test]
    fn lengths_that_cannot_be_end_the_reading() {
        for length in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = raw(1, b"abcd");
            bytes[..2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&bytes).count(), 0, "{length}");
        }
        for length in [0_u32, 15, 21, u32::MAX] {
            let mut bytes = vec![0; 20];
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&bytes).count(), 0, "{length}");
        }
    }

    #[test]
    fn the_interfaces_of_this_namespace_are_listed() {
        let links = Rtnetlink::open().unwrap().links().unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.name == b"lo" && link.index == 1)
        );
        assert!(!Events::open().unwrap().happened());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, start in 0_u32..64) {
            let message = [&start.to_ne_bytes()[..], &bytes].concat();
            for one in messages(&message) {
                drop(link(one.payload));
            }
            drop(link(&bytes));
            attributes(&bytes).for_each(drop);
        }
    }
}
