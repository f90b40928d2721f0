//! ICMP echo (RFC 792, RFC 4443), by the kernel's own sockets for it where this group may use them
//! (`net.ipv4.ping_group_range`), else by a raw socket.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt,
};

use crate::arguments::seconds;
use crate::context::{Context, Failure};

/// What is sent with each, in bytes, as ping(8) does.
const PAYLOAD: usize = 56;
/// The head of a packet.
const HEAD: usize = 8;

/// `--host`, `--count`, `--interval`, `--wait`, `--ipv4` and `--ipv6`.
#[must_use]
pub fn arguments() -> [Arg; 6] {
    let time = |name: &'static str, short, default, help| {
        let argument = Arg::new(name).long(name).short(short).value_name("SECONDS");
        argument
            .value_parser(seconds)
            .default_value(default)
            .help(help)
    };
    let family = |name: &'static str, short, help| {
        let flag = Arg::new(name).long(name).short(short);
        flag.action(ArgAction::SetTrue).help(help)
    };
    [
        Arg::new("host")
            .long("host")
            .short('H')
            .value_name("HOST")
            .default_value("127.0.0.1")
            .help("The host to ask"),
        Arg::new("count")
            .long("count")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=10_000))
            .default_value("5")
            .help("How often to ask"),
        time("interval", 'i', "0.2", "How long from one time to the next"),
        time(
            "wait",
            'T',
            "2",
            "How long to wait for the answer to the last one",
        ),
        family("ipv4", '4', "Ask its first IPv4 address").conflicts_with("ipv6"),
        family("ipv6", '6', "Ask its first IPv6 address"),
    ]
}

/// What `--host` says.
#[must_use]
pub fn host(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("host").map_or("", String::as_str)
}

/// How often to ask, how long from one time to the next, and after the last.
struct Plan {
    count: u16,
    interval: Duration,
    wait: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pings {
    /// How many were sent.
    pub sent: u16,
    /// How long each that came back took, in milliseconds.
    pub times: Vec<f64>,
    /// Why one did not, if that was told.
    pub why: Option<String>,
    /// How long all of it took.
    pub took: Duration,
}

impl Pings {
    /// How many did not come back, in percent.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let lost = usize::from(self.sent).saturating_sub(self.times.len());
        #[expect(clippy::cast_precision_loss, reason = "there are at most 65,535")]
        let lost = lost as f64;
        100.0 * lost / f64::from(self.sent.max(1))
    }

    /// How long they took on average.
    #[must_use]
    pub fn average(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "there are at most 65,535")]
        let count = self.times.len() as f64;
        (!self.times.is_empty()).then(|| self.times.iter().sum::<f64>() / count)
    }

    /// How far they are from the average, as ping(8) has it: the root of the mean square.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        let average = self.average()?;
        let squares = self.times.iter().map(|time| (time - average).powi(2));
        #[expect(clippy::cast_precision_loss, reason = "there are at most 65,535")]
        let count = self.times.len() as f64;
        Some((squares.sum::<f64>() / count).sqrt())
    }
}

/// Asks the host.
pub fn ping(matches: &ArgMatches, context: &Context) -> Result<Pings, Failure> {
    let time = |name| matches.get_one(name).copied().unwrap_or_default();
    let plan = Plan {
        count: matches.get_one("count").copied().unwrap_or(5),
        interval: time("interval"),
        wait: time("wait"),
    };
    let [only_v4, only_v6] = ["ipv4", "ipv6"].map(|name| matches.get_flag(name));
    let host = host(matches);
    context.step(format!("looking up {host}"));
    let mut found = (host, 0)
        .to_socket_addrs()
        .map_err(|error| Failure::new(format!("cannot look up {host}: {error}")))?;
    let is_wanted =
        |address: &SocketAddr| !(only_v4 && address.is_ipv6() || only_v6 && address.is_ipv4());
    let address = found
        .find(is_wanted)
        .ok_or_else(|| Failure::new(format!("{host} has no such address")))?;
    context.step(format!("pinging {host}"));
    let socket = Socket::open(address)?;
    let sending = plan.interval * u32::from(plan.count.saturating_sub(1));
    let left = (context.time_left() * 4 / 5).checked_sub(sending);
    let left = left.filter(|time| !time.is_zero()).ok_or_else(|| {
        Failure::new(format!(
            "{} pings every {} s take longer than there is time; give more with --timeout",
            plan.count,
            plan.interval.as_secs_f64()
        ))
    })?;
    if let Err(error) = socket.udp.connect(address) {
        return Ok(Pings {
            sent: plan.count,
            times: Vec::new(),
            why: Some(error.to_string()),
            took: Duration::ZERO,
        });
    }
    Ok(socket.run(&plan, plan.wait.min(left)))
}

/// What comes.
enum Heard {
    /// The answer to that one of ours.
    Answer(u16),
    /// Something else.
    Other,
    /// Nothing in time.
    Nothing,
}

struct Socket {
    /// It sends and receives on any connected socket, not only on those of UDP.
    udp: UdpSocket,
    is_v6: bool,
    /// Whether what is received begins with an IP header.
    has_header: bool,
    /// By what our own are known, on a raw socket that hears all.
    token: [u8; 8],
}

impl Socket {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let is_v6 = address.is_ipv6();
        let (family, protocol) = if is_v6 {
            (AddressFamily::Inet6, SockProtocol::IcmpV6)
        } else {
            (AddressFamily::Inet, SockProtocol::Icmp)
        };
        let open = |kind| socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol);
        let (opened, is_raw) = match open(SockType::Datagram) {
            Ok(opened) => (opened, false),
            Err(_) => match open(SockType::Raw) {
                Ok(opened) => (opened, true),
                Err(Errno::EPERM | Errno::EACCES) => {
                    return Err(Failure::new(
                        "this user may not ping; run as root or with CAP_NET_RAW, or add its group \
                         to those of sysctl net.ipv4.ping_group_range",
                    ));
                }
                Err(error) => {
                    let what = format!("cannot open a socket to ping: {}", error.desc());
                    return Err(Failure::new(what));
                }
            },
        };
        // So that it is told when a router knows no way.
        if is_v6 {
            setsockopt(&opened, sockopt::Ipv6RecvErr, &true)?;
        } else {
            setsockopt(&opened, sockopt::Ipv4RecvErr, &true)?;
        }
        Ok(Self {
            udp: UdpSocket::from(opened),
            is_v6,
            has_header: is_raw && !is_v6,
            token: RandomState::new().build_hasher().finish().to_ne_bytes(),
        })
    }

    /// Sends all, and waits for what comes back until all is there, or for so long after the last.
    fn run(&self, plan: &Plan, patience: Duration) -> Pings {
        let begun = Instant::now();
        let mut sent_at: Vec<Instant> = Vec::new();
        let mut times: Vec<Option<f64>> = vec![None; plan.count.into()];
        let mut why = None;
        loop {
            let next = begun + plan.interval * u32::try_from(sent_at.len()).unwrap_or(u32::MAX);
            let is_all_sent = sent_at.len() == usize::from(plan.count);
            let now = Instant::now();
            if !is_all_sent && now >= next {
                // The count is that of a u16.
                let number = u16::try_from(sent_at.len()).unwrap_or(u16::MAX);
                sent_at.push(now);
                if let Err(error) = self.udp.send(&packet(self.is_v6, number, self.token)) {
                    why = Some(error.to_string());
                }
                continue;
            }
            let until = match sent_at.last() {
                Some(last) if is_all_sent => *last + patience,
                _ => next,
            };
            let wait = until.saturating_duration_since(now);
            if is_all_sent && times.iter().all(Option::is_some) {
                break;
            }
            // What lies there is taken even if the time is up.
            let is_over = is_all_sent && wait.is_zero();
            match self.receive(wait) {
                Ok(Heard::Answer(number)) => {
                    let number = usize::from(number);
                    if let (Some(time), Some(sent)) = (times.get_mut(number), sent_at.get(number)) {
                        // What comes twice counts once.
                        time.get_or_insert(sent.elapsed().as_secs_f64() * 1000.0);
                    }
                }
                Ok(Heard::Nothing) if is_over => break,
                Ok(Heard::Nothing | Heard::Other) => {}
                Err(error) => why = Some(error.to_string()),
            }
        }
        Pings {
            sent: plan.count,
            times: times.into_iter().flatten().collect(),
            why,
            took: begun.elapsed(),
        }
    }

    /// What comes in this time.
    fn receive(&self, wait: Duration) -> io::Result<Heard> {
        let mut buffer = [0; 2048];
        self.udp
            .set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        let length = match self.udp.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(Heard::Nothing),
                    _ => Err(error),
                };
            }
        };
        let received = buffer.get(..length).unwrap_or_default();
        let number = answered(received, self.is_v6, self.has_header, self.token);
        Ok(number.map_or(Heard::Other, Heard::Answer))
    }
}

/// A request.
fn packet(is_v6: bool, number: u16, token: [u8; 8]) -> Vec<u8> {
    let mut packet = vec![if is_v6 { 128 } else { 8 }, 0, 0, 0];
    let [high, low, ..] = token;
    // A socket of the kernel's own puts in its own identifier, and over IPv6 the checksum is the
    // kernel's as well.
    packet.extend([high, low]);
    packet.extend(number.to_be_bytes());
    packet.extend(token);
    packet.resize(HEAD + PAYLOAD, 0);
    let sum = checksum(&packet).to_be_bytes();
    packet.splice(2..4, sum);
    packet
}

/// The number of the request of ours that this is the answer to, if it is one.
fn answered(received: &[u8], is_v6: bool, has_header: bool, token: [u8; 8]) -> Option<u16> {
    let length = match received.first() {
        // In words of four bytes.
        Some(first) if has_header => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let packet = received.get(length..)?;
    let (head, payload) = packet.split_at_checked(HEAD)?;
    let &[kind, 0, _, _, _, _, high, low] = head else {
        return None;
    };
    let is_answer = kind == if is_v6 { 129 } else { 0 };
    (is_answer && payload.starts_with(&token)).then(|| u16::from_be_bytes([high, low]))
}

/// The ones' complement of the ones' complement sum (RFC 1071).
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [high] => u16::from_be_bytes([*high, 0]),
        _ => 0,
    });
    !words.fold(0, |sum: u16, word| {
        let (sum, carries) = sum.overflowing_add(word);
        sum + u16::from(carries)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_are_those_of_ping() {
        let pings = |sent, times: &[f64]| Pings {
            sent,
            times: times.to_vec(),
            why: None,
            took: Duration::ZERO,
        };
        let some = pings(5, &[1.0, 2.0, 3.0]);
        assert_eq!((some.loss(), some.average()), (40.0, Some(2.0)));
        assert!((some.deviation().unwrap() - 0.816_496).abs() < 1e-5);
        let none = pings(3, &[]);
        assert_eq!(
            (none.loss(), none.average(), none.deviation()),
            (100.0, None, None)
        );
    }

    #[test]
    fn a_packet_sums_up_to_nothing() {
        let packet = packet(false, 3, *b"whoever!");
        assert_eq!((packet.len(), checksum(&packet)), (64, 0));
        assert_eq!(packet[..2], [8, 0]);
    }

    #[test]
    fn only_answers_to_our_own_count() {
        let token = *b"whoever!";
        let mut answer = packet(false, 258, token);
        assert_eq!(answered(&answer, false, false, token), None, "a request");
        answer[0] = 0;
        assert_eq!(answered(&answer, false, false, token), Some(258));
        assert_eq!(answered(&answer, true, false, token), None);
        assert_eq!(answered(&answer, false, false, *b"somebody"), None);
        let with_header = [&[0x45][..], &[0; 19], &answer].concat();
        assert_eq!(answered(&with_header, false, true, token), Some(258));
        // Unreachable, with the request in it.
        answer[0] = 3;
        assert_eq!(answered(&answer, false, false, token), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, is_v6: bool, has_header: bool) {
            prop_assert_eq!(answered(&bytes, is_v6, has_header, *b"whoever!"), None);
            checksum(&bytes);
        }
    }
}
