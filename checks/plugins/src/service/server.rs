//! `HOST:PORT`, and a connection to it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::context::Context;
use crate::service::ServiceError;

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl FromStr for Server {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use HOST:PORT, with an IPv6 address in brackets";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) => host,
            None if host.contains([':', '[', ']']) => return Err(FORM),
            None => host,
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(FORM)?;
        let spaced =
            host.contains(|character: char| character.is_whitespace() || character.is_control());
        if host.is_empty() || spaced {
            return Err(FORM);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

impl Server {
    /// Connects, to each of its addresses in turn, within this time in all. Reads and writes have
    /// as much time each; that of all of them together is the check's.
    pub fn connect(&self, context: &Context, within: Duration) -> Result<TcpStream, ServiceError> {
        context.step(format!("connecting to {self}"));
        self.try_connect(within)
            .map_err(|error| ServiceError::io(format!("connecting to {self}"), &error))
    }

    fn try_connect(&self, within: Duration) -> io::Result<TcpStream> {
        connect(self.addresses()?, within)
    }

    /// Its addresses, by the resolver of this system.
    pub(super) fn addresses(&self) -> io::Result<impl Iterator<Item = SocketAddr>> {
        (self.host.as_str(), self.port).to_socket_addrs()
    }
}

/// Connects to one of these, see [`Server::connect`].
pub(super) fn connect(
    addresses: impl IntoIterator<Item = SocketAddr>,
    within: Duration,
) -> io::Result<TcpStream> {
    let until = Instant::now() + within;
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address");
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_read_timeout(Some(within))?;
                stream.set_write_timeout(Some(within))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for good in ["venus001:2181", "127.0.0.1:1", "[::1]:65535"] {
            assert_eq!(good.parse::<Server>().unwrap().to_string(), good);
        }
        assert_eq!("[::1]:80".parse::<Server>().unwrap().host, "::1");
        for bad in [
            "", ":1", "h", "h:", "h:0", "h:65536", "::1:80", "h h:1", "[::1:80", "[]:1",
        ] {
            assert!(bad.parse::<Server>().is_err(), "{bad:?}");
        }
    }
}
