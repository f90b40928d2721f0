//! A connection to Carbon, with a deadline for whatever may take long.

use crate::settings::{Protocol, Target};
use crate::wire;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// What has to be written before the deadline, in bytes; then it begins anew.
const PORTION: usize = 64 << 10;

/// What came of one try.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Whatever took too long.
    #[error("it did not {what} within {} s", limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// The name does not resolve.
    #[error("the name cannot be resolved: {0}")]
    UnknownHost(String),
    /// Nobody listens, or the connection broke.
    #[error("{0}")]
    Broken(#[source] io::Error),
    /// It ended before Carbon can have read all.
    #[error("it closed the connection before all was read")]
    Closed,
    /// The other side is not the one it should be, or does not speak TLS.
    #[error("TLS: {0}")]
    Tls(String),
}

impl Failure {
    /// Whether the same may have another fate in a moment.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }

    /// Whether Carbon may have gone, and with it what it held in memory.
    #[must_use]
    pub fn has_gone(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Closed)
    }
}

type Session = StreamOwned<ClientConnection, Timed>;

pub(crate) struct Connection {
    kind: Kind,
    limit: Duration,
}

enum Kind {
    Tcp(Timed),
    Tls(Box<Session>),
    Udp(UdpSocket),
}

impl Connection {
    pub(crate) fn open(target: &Target, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Failure> {
        let limit = target.timeout;
        let until = Instant::now() + limit;
        let addresses = resolve(&target.host, target.port, limit)?;
        let kind = match target.protocol {
            Protocol::Udp => Kind::Udp(udp(&addresses, limit)?),
            Protocol::Plaintext | Protocol::Pickle => {
                let tcp = Timed {
                    tcp: connect(&addresses, until, limit)?,
                    until,
                };
                match tls {
                    None => Kind::Tcp(tcp),
                    Some(config) => Kind::Tls(Box::new(handshake(target, config, tcp)?)),
                }
            }
        };
        Ok(Self { kind, limit })
    }

    /// Writes lines, which are whole.
    pub(crate) fn send(&mut self, lines: &str, protocol: Protocol) -> Result<(), Failure> {
        match protocol {
            Protocol::Plaintext => self.write(lines.as_bytes()),
            Protocol::Pickle => self.write(&wire::pickles(lines)),
            Protocol::Udp => {
                let Kind::Udp(socket) = &self.kind else {
                    return Ok(());
                };
                for datagram in wire::datagrams(lines) {
                    socket.send(datagram.as_bytes()).map_err(Failure::Broken)?;
                }
                Ok(())
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let limit = self.limit;
        for portion in bytes.chunks(PORTION) {
            let until = Instant::now() + limit;
            let written = match &mut self.kind {
                Kind::Tcp(tcp) => {
                    tcp.until = until;
                    tcp.write_all(portion)
                }
                Kind::Tls(tls) => {
                    tls.sock.until = until;
                    tls.write_all(portion).and_then(|()| tls.flush())
                }
                Kind::Udp(_) => Ok(()),
            };
            written.map_err(|error| failure(error, "take the lines", limit))?;
        }
        Ok(())
    }

    /// Fails where the other side has closed it, as far as can be known without sending.
    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        let limit = self.limit;
        let mut buffer = [0; 512];
        loop {
            let read = match &mut self.kind {
                Kind::Udp(_) => return Ok(()),
                Kind::Tcp(tcp) => tcp.look(|tcp| tcp.read(&mut buffer)),
                // Tickets and the like, which TLS sends by itself.
                Kind::Tls(tls) => {
                    let set = |tls: &Session, on| tls.sock.tcp.set_nonblocking(on);
                    tls.sock.until = Instant::now() + limit;
                    set(tls, true).map_err(Failure::Broken)?;
                    let read = tls.read(&mut buffer);
                    set(tls, false).map_err(Failure::Broken)?;
                    read
                }
            };
            match read {
                Ok(0) => return Err(Failure::Closed),
                // Carbon says nothing; whatever it is, it shows that somebody is there.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(failure(error, "answer", limit)),
            }
        }
    }

    /// Says that nothing more comes, and waits until the other side closes: Carbon does when it
    /// has read all that was sent.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.look()?;
        let limit = self.limit;
        let until = Instant::now() + limit;
        match self.kind {
            Kind::Udp(socket) => match socket.take_error() {
                Ok(None) => Ok(()),
                // Nobody listens, and that host has said so.
                Ok(Some(error)) | Err(error) => Err(Failure::Broken(error)),
            },
            Kind::Tcp(mut tcp) => {
                tcp.until = until;
                let ended = tcp.tcp.shutdown(Shutdown::Write);
                ended.map_err(|error| failure(error, "take the lines", limit))?;
                read_to_end(&mut tcp, limit)
            }
            Kind::Tls(mut tls) => {
                tls.sock.until = until;
                tls.conn.send_close_notify();
                tls.flush()
                    .map_err(|error| failure(error, "take the lines", limit))?;
                let tcp = &tls.sock.tcp;
                let ended = tcp.shutdown(Shutdown::Write);
                ended.map_err(|error| failure(error, "take the lines", limit))?;
                // Read as TLS: it may say that it refused us after the handshake, and an end
                // without its farewell may be anybody's.
                read_to_end(&mut tls, limit)
            }
        }
    }
}

fn read_to_end(stream: &mut impl Read, limit: Duration) -> Result<(), Failure> {
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(failure(error, "read all and close", limit)),
        }
    }
}

fn failure(error: io::Error, what: &'static str, limit: Duration) -> Failure {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::Timeout { what, limit },
        // The last where it is gone before we say that no more comes.
        ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotConnected => Failure::Closed,
        _ => match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(error) => Failure::Tls(error.to_string()),
            None => Failure::Broken(error),
        },
    }
}

/// The library's resolver knows no deadline: it is asked on a thread that is left behind where it
/// takes too long.
fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let asked = thread::Builder::new().spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // Nobody listens where it took too long.
        sender
            .send(found.map(Iterator::collect))
            .unwrap_or_default();
    });
    asked.map_err(Failure::Broken)?;
    match receiver.recv_timeout(limit) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(Failure::UnknownHost(error.to_string())),
        Err(_) => Err(Failure::Timeout {
            what: "get an address by its name",
            limit,
        }),
    }
}

/// The first address that answers; the time is shared among them.
fn connect(
    addresses: &[SocketAddr],
    until: Instant,
    limit: Duration,
) -> Result<TcpStream, Failure> {
    let mut last = Failure::UnknownHost("it has no address".to_owned());
    for (address, after) in addresses.iter().zip((0..addresses.len()).rev()) {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(after + 1).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = failure(error, "take the connection", limit),
        }
    }
    Err(last)
}

fn udp(addresses: &[SocketAddr], limit: Duration) -> Result<UdpSocket, Failure> {
    let Some(address) = addresses.first() else {
        return Err(Failure::UnknownHost("it has no address".to_owned()));
    };
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let open = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_write_timeout(Some(limit))?;
        Ok(socket)
    };
    open().map_err(Failure::Broken)
}

fn handshake(target: &Target, config: &Arc<ClientConfig>, tcp: Timed) -> Result<Session, Failure> {
    let tls = |error: &dyn std::fmt::Display| Failure::Tls(error.to_string());
    let name = ServerName::try_from(target.host.clone()).map_err(|error| tls(&error))?;
    let session = ClientConnection::new(Arc::clone(config), name).map_err(|error| tls(&error))?;
    let mut stream = StreamOwned::new(session, tcp);
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(|error| failure(error, "agree on TLS", target.timeout))?;
    }
    Ok(stream)
}

/// A socket of which nothing takes longer than until this moment.
struct Timed {
    tcp: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }

    /// Without waiting for anything.
    fn look<T>(&mut self, look: impl FnOnce(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        self.tcp.set_nonblocking(true)?;
        let seen = look(&mut self.tcp);
        self.tcp.set_nonblocking(false)?;
        seen
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
