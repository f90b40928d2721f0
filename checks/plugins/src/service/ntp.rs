//! What an NTP server says the time is, by one question: SNTP, RFC 5905 section 14.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgMatches};

use crate::context::Context;
use crate::service::ServiceError;
use crate::service::server::Server;

/// Where NTP servers listen.
const PORT: u16 = 123;
/// How often a server is asked before it is given up: packets get lost.
const ATTEMPTS: u32 = 3;
/// Seconds from 1900, where NTP begins, to 1970.
const TO_EPOCH: u64 = 2_208_988_800;
/// The bytes of a question, and of an answer without what may follow.
const LENGTH: usize = 48;
/// Version 4, a client.
const QUESTION: u8 = 4 << 3 | 3;

/// What a server answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Seconds that its clock is ahead of ours; below 0, behind.
    pub offset: f64,
    /// Seconds that the question and the answer took on their way. The offset may be wrong by
    /// half of it.
    pub delay: f64,
    /// How far it is from a clock of its own: 1 has one.
    pub stratum: u8,
}

/// Why an answer tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Useless {
    /// It has another form.
    #[error("it does not speak NTP")]
    Nonsense,
    /// Not to what we have sent.
    #[error("it answers another question than was asked")]
    Stray,
    /// It does not want to be asked.
    #[error("it refuses: {0}, a kiss of death; ask another, or less often")]
    Kiss(String),
    /// It does not know the time.
    #[error("it is not synchronised itself")]
    Unsynchronised,
}

/// A server as an argument has it: the port may be left out.
pub fn server(text: &str) -> Result<Server, &'static str> {
    let with_port = || format!("{text}:{PORT}").parse();
    text.parse()
        .or_else(|_| with_port())
        .map_err(|_: &str| "use HOST or HOST:PORT, with an IPv6 address in brackets")
}

/// `--ntp-server`.
#[must_use]
pub fn argument() -> Arg {
    Arg::new("ntp-server")
        .long("ntp-server")
        .value_name("HOST[:PORT]")
        .value_parser(server)
        .action(ArgAction::Append)
        .help("Ask this NTP server for the time, too; may be repeated")
}

/// Those that were given.
#[must_use]
pub fn servers(matches: &ArgMatches) -> Vec<Server> {
    let given = matches.get_many("ntp-server").unwrap_or_default();
    given.cloned().collect()
}

/// Asks each of them. One that does not answer takes its share of the time only.
pub fn ask_all(
    matches: &ArgMatches,
    context: &Context,
) -> impl Iterator<Item = (Server, Result<Answer, ServiceError>)> {
    let servers = servers(matches);
    let shares = u32::try_from(servers.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let within = context.time_left() / shares;
    servers.into_iter().map(move |server| {
        let answer = ask(&server, context, within);
        (server, answer)
    })
}

/// Asks for the time, for so long at most.
pub fn ask(server: &Server, context: &Context, within: Duration) -> Result<Answer, ServiceError> {
    let asking = format!("asking {server} by NTP");
    context.step(asking.clone());
    let fail = |error| ServiceError::io(&asking, &error);
    let found = (server.host.as_str(), server.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = found.map_err(fail)?.collect();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address");
    let turns = usize::try_from(ATTEMPTS).unwrap_or(1);
    for address in addresses.iter().cycle().take(turns) {
        match exchange(*address, within / ATTEMPTS) {
            Ok(answered) => {
                return answered.map_err(|useless| {
                    ServiceError::Unclear(format!("{asking} failed: {useless}"))
                });
            }
            Err(error) => last = error,
        }
    }
    Err(fail(last))
}

/// One question. From a port of its own, so that a late answer to the one before goes nowhere.
fn exchange(address: SocketAddr, within: Duration) -> io::Result<Result<Answer, Useless>> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(within))?;
    let sent = now();
    socket.send(&question(sent))?;
    // More than an answer has, which is cut off.
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer)?;
    let received = now();
    let packet = buffer.get(..length).unwrap_or_default();
    Ok(Answer::parse(packet, sent, received))
}

/// The time in NTP's form: seconds since 1900 and, below the point, 32 bits. It begins anew in
/// 2036, which differences do not notice.
fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is compared is this clock itself, at this moment"
    )]
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.unwrap_or_default();
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    time.as_secs().wrapping_add(TO_EPOCH) << 32 | fraction
}

fn question(sent: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    if let Some((begin, end)) = packet.split_last_chunk_mut::<8>() {
        *end = sent.to_be_bytes();
        begin.iter_mut().take(1).for_each(|first| *first = QUESTION);
    }
    packet
}

impl Answer {
    /// What a packet says that was received for a question, both at these times of ours.
    pub fn parse(packet: &[u8], sent: u64, received: u64) -> Result<Self, Useless> {
        let packet: &[u8; LENGTH] = packet.first_chunk().ok_or(Useless::Nonsense)?;
        let [flags, stratum, ..] = *packet;
        let (leap, mode) = (flags >> 6, flags & 7);
        if mode != 4 {
            return Err(Useless::Nonsense);
        }
        let time = |at: usize| {
            let bytes = packet.get(at..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        let [originate, arrived, transmitted] = [24, 32, 40].map(time);
        if originate != sent {
            return Err(Useless::Stray);
        }
        if stratum == 0 {
            let code: Vec<u8> = packet.iter().skip(12).take(4).copied().collect();
            if code.iter().all(u8::is_ascii_uppercase) {
                return Err(Useless::Kiss(String::from_utf8_lossy(&code).into_owned()));
            }
        }
        if leap == 3 || stratum == 0 || stratum > 15 {
            return Err(Useless::Unsynchronised);
        }
        if transmitted == 0 {
            return Err(Useless::Nonsense);
        }
        let (there, back) = (since(arrived, sent), since(transmitted, received));
        let delay = since(received, sent) - since(transmitted, arrived);
        Ok(Self {
            offset: f64::midpoint(there, back),
            delay: delay.max(0.0),
            stratum,
        })
    }
}

/// Seconds from one time to another, at most 68 years either way.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is far apart need not be exact"
)]
fn since(time: u64, from: u64) -> f64 {
    time.wrapping_sub(from).cast_signed() as f64 / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1 << 32;

    fn packet(flags: u8, stratum: u8, code: [u8; 4], times: [u64; 3]) -> [u8; LENGTH] {
        let mut packet = [0; LENGTH];
        packet[..2].copy_from_slice(&[flags, stratum]);
        packet[12..16].copy_from_slice(&code);
        for (at, time) in [24, 32, 40].into_iter().zip(times) {
            packet[at..at + 8].copy_from_slice(&time.to_be_bytes());
        }
        packet
    }

    #[test]
    fn the_offset_is_that_of_the_middle() {
        // It took 3 s on its way there, 1 s at the server, and 1 s back; the server is 9 s ahead.
        let sent = 100 * SECOND;
        let times = [sent, sent + 12 * SECOND, sent + 13 * SECOND];
        let received = sent + 5 * SECOND;
        let answer = Answer::parse(&packet(0x24, 2, [9; 4], times), sent, received).unwrap();
        let expected = Answer {
            offset: 10.0,
            delay: 4.0,
            stratum: 2,
        };
        assert_eq!(answer, expected);
    }

    #[test]
    fn the_year_2036_is_one_like_any_other() {
        let sent = u64::MAX - SECOND / 2;
        let arrived = sent.wrapping_add(SECOND);
        let bytes = packet(0x24, 15, [0; 4], [sent, arrived, arrived]);
        let answer = Answer::parse(&bytes, sent, sent).unwrap();
        assert!((answer.offset - 1.0).abs() < 1e-9);
        assert_eq!((answer.delay, answer.stratum), (0.0, 15));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let sent = 7 * SECOND;
        let times = [sent, sent, sent];
        for (bytes, useless) in [
            (packet(0x23, 2, [0; 4], times), Useless::Nonsense),
            (packet(0x25, 2, [0; 4], times), Useless::Nonsense),
            (packet(0x24, 2, [0; 4], [sent, sent, 0]), Useless::Nonsense),
            (
                packet(0x24, 2, [0; 4], [sent + 1, sent, sent]),
                Useless::Stray,
            ),
            (
                packet(0xe4, 0, *b"RATE", times),
                Useless::Kiss("RATE".to_owned()),
            ),
            (packet(0xe4, 0, [0; 4], times), Useless::Unsynchronised),
            (packet(0xe4, 3, [0; 4], times), Useless::Unsynchronised),
            (packet(0x24, 16, [0; 4], times), Useless::Unsynchronised),
        ] {
            assert_eq!(Answer::parse(&bytes, sent, sent), Err(useless));
        }
        assert_eq!(Answer::parse(&[0x24; 47], 0, 0), Err(Useless::Nonsense));
    }

    #[test]
    fn a_server_may_go_without_its_port() {
        for (given, shown) in [
            ("ntp1", "ntp1:123"),
            ("ntp1:124", "ntp1:124"),
            ("[::1]", "[::1]:123"),
        ] {
            assert_eq!(server(given).unwrap().to_string(), shown);
        }
        for bad in ["", "::1", "a b", "ntp1:0"] {
            assert!(server(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_question_is_what_a_server_takes() {
        let sent = now();
        let bytes = question(sent);
        assert_eq!((bytes[0], &bytes[1..40]), (0x23, &[0; 39][..]));
        assert_eq!(bytes[40..], sent.to_be_bytes());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, times: [u64; 4], is_ours: bool) {
            let [sent, received, arrived, transmitted] = times;
            if is_ours && bytes.len() >= 2 {
                let code = [bytes[0]; 4];
                let times = [sent, arrived, transmitted];
                bytes = packet(bytes[0] & 0xf8 | 4, bytes[1], code, times).to_vec();
            }
            match Answer::parse(&bytes, sent, received) {
                Ok(answer) => prop_assert!(answer.offset.is_finite() && answer.delay >= 0.0),
                Err(useless) => prop_assert!(!useless.to_string().contains('\n')),
            }
        }
    }
}
