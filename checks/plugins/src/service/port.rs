//! TCP ports of a host: whether one can connect, how long that takes, and what is said there.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;

use crate::context::{Context, Failure};
use crate::service::server::{self, Server};

/// How many may be given: this is no scanner.
const MOST: usize = 1024;
/// How many are tried side by side.
const SIDE_BY_SIDE: usize = 128;
/// How much of what is said is read, in bytes.
const LONGEST: usize = 64 << 10;

/// `--host` and `--port`.
#[must_use]
pub fn arguments() -> [Arg; 2] {
    [
        Arg::new("host")
            .long("host")
            .visible_alias("hostname")
            .short('H')
            .value_name("HOST")
            .default_value("127.0.0.1")
            .help("The host to connect to"),
        Arg::new("port")
            .long("port")
            .alias("ports")
            .short('p')
            .value_name("PORT[,PORT-PORT]")
            .value_delimiter(',')
            .value_parser(range)
            .action(ArgAction::Append)
            .default_value("22")
            .help("The ports to connect to; may be repeated"),
    ]
}

fn range(text: &str) -> Result<(u16, u16), &'static str> {
    const FORM: &str = "use a port such as 22, or 8000-8003";
    let port = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text
            .parse()
            .ok()
            .filter(|port: &u16| is_plain && *port != 0);
        port.ok_or(FORM)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        Err(FORM)
    } else {
        Ok((first, last))
    }
}

/// What `--host` says.
#[must_use]
pub fn host(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("host").map_or("", String::as_str)
}

/// What `--port` says, in words.
#[must_use]
pub fn ports_given(matches: &ArgMatches) -> String {
    let ranges = matches.get_many::<(u16, u16)>("port").unwrap_or_default();
    let words = ranges.map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(",")
}

/// The places that `--host` and `--port` mean.
pub fn servers(matches: &ArgMatches) -> Result<Vec<Server>, Failure> {
    let ranges = matches.get_many::<(u16, u16)>("port").unwrap_or_default();
    let ports: Vec<u16> = ranges.flat_map(|(first, last)| *first..=*last).collect();
    if ports.len() > MOST {
        let what = format!("{} ports are given; give at most {MOST}", ports.len());
        return Err(Failure::new(what));
    }
    let host = host(matches).to_owned();
    let server = |port| Server {
        host: host.clone(),
        port,
    };
    Ok(ports.into_iter().map(server).collect())
}

/// A connection, and how long it took to come about, in seconds.
pub type Connected = (TcpStream, f64);

/// Connects to all of these, side by side, in four fifths of the time that is left. The host is
/// looked up only once.
pub fn connect_all(
    servers: &[Server],
    context: &Context,
) -> Result<Vec<io::Result<Connected>>, Failure> {
    let Some(first) = servers.first() else {
        return Ok(Vec::new());
    };
    context.step(format!("looking up {}", first.host));
    let addresses = first.addresses();
    let addresses: Vec<SocketAddr> = addresses
        .map_err(|error| Failure::new(format!("cannot look up {}: {error}", first.host)))?
        .collect();
    context.step(format!("connecting to {}", first.host));
    let rounds = u32::try_from(servers.len().div_ceil(SIDE_BY_SIDE)).unwrap_or(u32::MAX);
    let within = context.time_left() * 4 / 5 / rounds;
    let connect = |server: &Server| {
        let begun = Instant::now();
        let addresses = addresses.iter().map(|address| {
            let mut address = *address;
            address.set_port(server.port);
            address
        });
        let stream = server::connect(addresses, within)?;
        Ok((stream, begun.elapsed().as_secs_f64()))
    };
    if let [one] = servers {
        return Ok(vec![connect(one)]);
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            match servers.get(place) {
                Some(server) => done.push((place, connect(server))),
                None => return done,
            }
        }
    };
    let mut all = thread::scope(|scope| -> Result<Vec<_>, Failure> {
        let workers = servers.len().min(SIDE_BY_SIDE);
        let workers = (0..workers).map(|_| thread::Builder::new().spawn_scoped(scope, work));
        // All of them begin before any is waited for.
        let workers: Vec<_> = workers.collect();
        let mut all = Vec::new();
        for worker in workers {
            let done = worker?.join();
            all.extend(done.map_err(|_| Failure::new("a thread that connects broke off"))?);
        }
        Ok(all)
    })?;
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, connected)| connected).collect())
}

/// What was said at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// All of it, as far as it was waited for.
    pub text: String,
    /// Whether it was what was expected.
    pub is_expected: bool,
}

/// Says something, if there is something to be said, and listens until it hears what is expected,
/// the other side hangs up, or it has said too much.
pub fn listen(
    mut stream: &TcpStream,
    send: Option<&str>,
    expect: &Regex,
    within: Duration,
) -> io::Result<Heard> {
    let until = Instant::now() + within;
    if let Some(send) = send {
        // As the community's plugin does it.
        stream.write_all(format!("{send}\n").as_bytes())?;
    }
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut buffer)?;
        heard.extend(buffer.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&heard);
        let is_expected = expect.is_match(&text);
        if is_expected || read == 0 || heard.len() > LONGEST {
            let text = text.into_owned();
            return Ok(Heard { text, is_expected });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ports_are_numbers_and_ranges() {
        for (text, range_of) in [
            ("22", (22, 22)),
            ("8000-8003", (8000, 8003)),
            ("1-65535", (1, 65535)),
        ] {
            assert_eq!(range(text), Ok(range_of));
        }
        for bad in [
            "", "0", "x", "65536", "2-1", "1-", "-1", "+1", "1-2-3", "0-5", " 1",
        ] {
            assert!(range(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            if let Ok((first, last)) = range(&text) {
                prop_assert!(first <= last);
            }
        }
    }
}
