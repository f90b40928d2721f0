//! A server of the domain name system, asked over UDP, and over TCP where that does not suffice.

mod wire;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::server::Server;

pub use wire::{Kind, Question, Reply, code_name};

/// How often a question is sent over UDP, which may lose it.
const TRIES: u32 = 2;
/// The longest message over UDP without EDNS is 512 bytes; one that is longer is no harm.
const LONGEST: usize = 4096;

/// `--domain`, `--type`, `--server` and what belongs to it.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let argument = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    vec![
        argument(
            "domain",
            "NAME",
            "The name to ask for, or with PTR the address",
        )
        .short('d')
        .default_value("localhost"),
        argument("type", "TYPE", "The type of records to ask for")
            .short('t')
            .value_parser(|text: &str| text.parse::<Kind>())
            .default_value("A"),
        argument(
            "server",
            "HOST[:PORT]",
            "The server to ask; may be repeated [default: each that this system asks]",
        )
        .action(ArgAction::Append),
        argument("port", "PORT", "The port of servers that are given without")
            .short('p')
            .value_parser(value_parser!(u16).range(1..))
            .default_value("53"),
        argument(
            "resolv-conf",
            "FILE",
            "Where it is told whom this system asks",
        )
        .value_parser(value_parser!(PathBuf))
        .default_value("/etc/resolv.conf"),
        Arg::new("use-tcp")
            .long("use-tcp")
            .short('T')
            .action(ArgAction::SetTrue)
            .help("Ask over TCP at once"),
    ]
}

/// Where `--server` or else `--resolv-conf` says that servers are.
pub fn servers(matches: &ArgMatches, context: &Context) -> Result<Vec<Server>, Failure> {
    let port = matches.get_one("port").copied().unwrap_or(53);
    if let Some(given) = matches.get_many::<String>("server") {
        return given.map(|text| server(text, port)).collect();
    }
    let Some(file) = matches.get_one::<PathBuf>("resolv-conf") else {
        return Err(Failure::new("no --server given"));
    };
    let text = context.read(file)?;
    let text = String::from_utf8_lossy(&text);
    let all: Vec<Server> = text
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next())
        .map(|text| server(text, port))
        .collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Err(Failure::malformed(
            file,
            "it names no server; give one with --server",
        ));
    }
    Ok(all)
}

fn server(text: &str, port: u16) -> Result<Server, Failure> {
    let is_bare = text.parse::<Ipv6Addr>().is_ok() || text.starts_with("fe80:");
    let whole = if is_bare {
        format!("[{text}]:{port}")
    } else if text.contains(':') {
        text.to_owned()
    } else {
        format!("{text}:{port}")
    };
    whole
        .parse()
        .map_err(|why| Failure::new(format!("{text:?} is no server: {why}")))
}

/// What is asked for.
pub fn question(matches: &ArgMatches) -> Result<Question, Failure> {
    let name = name(matches);
    Question::new(name, kind(matches))
        .map_err(|why| Failure::new(format!("{name:?} cannot be asked for: {why}")))
}

/// What `--domain` says.
#[must_use]
pub fn name(matches: &ArgMatches) -> &str {
    matches
        .get_one::<String>("domain")
        .map_or("", String::as_str)
}

/// What `--type` says.
#[must_use]
pub fn kind(matches: &ArgMatches) -> Kind {
    matches.get_one("type").copied().unwrap_or(Kind::A)
}

/// What a server replied, and how long that took in seconds.
pub type Answer = Result<(Reply, f64), ServiceError>;

/// Asks each of these servers, each within its share of the time.
pub fn ask_all(
    servers: &[Server],
    matches: &ArgMatches,
    context: &Context,
) -> Result<Vec<Answer>, Failure> {
    let question = question(matches)?;
    let over_tcp = matches.get_flag("use-tcp");
    let share = context.time_left() * 4 / 5;
    let share = share / u32::try_from(servers.len().max(1)).unwrap_or(u32::MAX);
    let what = format!("{} {}", name(matches), kind(matches));
    let mut all = Vec::new();
    for server in servers {
        let begun = Instant::now();
        let asking = format!("asking {server} for {what}");
        context.step(asking.clone());
        let until = begun + share;
        let reply = if over_tcp {
            ask_tcp(server, &question, until)
        } else {
            match ask_udp(server, &question, until) {
                Ok(reply) if reply.is_truncated => ask_tcp(server, &question, until),
                other => other,
            }
        };
        let reply = reply.map_err(|error| ServiceError::io(asking, &error));
        all.push(reply.map(|reply| (reply, begun.elapsed().as_secs_f64())));
    }
    Ok(all)
}

/// Nobody else may know it beforehand.
fn number() -> u16 {
    (RandomState::new().build_hasher().finish() & 0xffff) as u16
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    (!left.is_zero())
        .then_some(left)
        .ok_or_else(|| ErrorKind::TimedOut.into())
}

fn malformed(error: wire::NotOne) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn ask_udp(server: &Server, question: &Question, until: Instant) -> io::Result<Reply> {
    let address = server.addresses()?.next();
    let address = address.ok_or_else(|| io::Error::other("it has no address"))?;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // So that nobody else is heard, and that nobody is there is told.
    socket.connect(address)?;
    let number = number();
    let mut buffer = [0; LONGEST];
    for try_left in (1..=TRIES).rev() {
        socket.send(&question.message(number))?;
        let try_until = Instant::now() + left(until)? / try_left;
        while let Ok(left) = left(try_until) {
            socket.set_read_timeout(Some(left))?;
            let message = match socket.recv(&mut buffer) {
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            match question.read(number, message) {
                // Late, or from somebody who guesses.
                Err(wire::NotOne::Other) => {}
                read => return read.map_err(malformed),
            }
        }
    }
    Err(ErrorKind::TimedOut.into())
}

fn ask_tcp(server: &Server, question: &Question, until: Instant) -> io::Result<Reply> {
    let mut stream = super::server::connect(server.addresses()?, left(until)?)?;
    let number = number();
    let message = question.message(number);
    // A name has 255 bytes at most.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes()[..], &message].concat())?;
    let mut length = [0; 2];
    let mut read = |into: &mut [u8]| {
        stream.set_read_timeout(Some(left(until)?))?;
        stream.read_exact(into).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => io::Error::other("it hung up before its answer was whole"),
            _ => error,
        })
    };
    read(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    read(&mut message)?;
    question.read(number, &message).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_have_a_port() {
        for (text, written) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
            ("fe80::1%eth0", "[fe80::1%eth0]:53"),
            ("venus001", "venus001:53"),
        ] {
            assert_eq!(server(text, 53).unwrap().to_string(), written);
        }
        for bad in ["", "a b", "a:b", ":53", "1::2::3"] {
            assert!(server(bad, 53).is_err(), "{bad:?}");
        }
    }
}
