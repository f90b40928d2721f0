//! A connection over TCP, encrypted where that is wanted.

pub mod inspect;

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, value_parser};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::server::Server;

/// `--tls`, `--ca-file`, `--cert-file` and `--key-file`.
pub(super) fn arguments() -> [Arg; 4] {
    let file = |name: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
    };
    [
        Arg::new("tls")
            .long("tls")
            .alias("ssl")
            .action(ArgAction::SetTrue)
            .help("Connect with TLS"),
        file("ca-file")
            .help("Who vouches for its certificate, in PEM [default: whom this system trusts]"),
        file("cert-file")
            .alias("tls-cert")
            .requires("key-file")
            .help("Our own certificate and its chain, in PEM, where it wants one"),
        file("key-file")
            .alias("tls-key")
            .requires("cert-file")
            .help("The key of that certificate, in PEM"),
    ]
}

/// Whom to trust, and how to prove who we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The authorities that are trusted; the system's if none.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Reads the files.
    pub fn config(&self, context: &Context) -> Result<Arc<ClientConfig>, Failure> {
        let identity = match &self.identity {
            Some((chain, key)) => Some((certificates(chain, context)?, private_key(key, context)?)),
            None => None,
        };
        let mut roots = roots(self.ca_file.as_deref(), context)?;
        // Some sites have their own authority in the chain of the client, as the agent knows.
        if let (None, Some((chain, _))) = (&self.ca_file, &identity) {
            roots.add_parsable_certificates(chain.clone());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match (identity, &self.identity) {
            (Some((chain, key)), Some((file, _))) => config
                .with_client_auth_cert(chain, key)
                .map_err(|error| Failure::malformed(file, error))?,
            _ => config.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// Whom this file has, or else whom this system trusts.
fn roots(ca_file: Option<&Path>, context: &Context) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        for one in certificates(file, context)? {
            let added = roots.add(one);
            added.map_err(|error| Failure::malformed(file, error))?;
        }
    } else {
        context.step("reading the certificates that this system trusts");
        // Some of them may be of a kind that is not known here.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(roots)
}

fn certificates(file: &Path, context: &Context) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = context.read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Failure::malformed(file, "it has no certificate in PEM")),
        Err(error) => Err(Failure::malformed(file, error)),
    }
}

fn private_key(file: &Path, context: &Context) -> Result<PrivateKeyDer<'static>, Failure> {
    let text = context.read(file)?;
    // What the parser says of a key is not shown: it may have some of it.
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| Failure::malformed(file, "it has no private key in PEM"))
}

/// A socket that may give up reading at some point, however much comes until then: a time limit of each read
/// alone is outlasted by whoever sends a byte now and then.
pub struct Socket {
    tcp: TcpStream,
    until: Option<Instant>,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(until) = self.until {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.tcp.set_read_timeout(Some(left))?;
        }
        self.tcp.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// A connection, as it is or encrypted.
pub enum Stream {
    /// As it is.
    Plain(Socket),
    /// Encrypted.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    /// Connects. The deadline is that of the check, or its share of the time.
    pub fn connect(
        server: &Server,
        tls: Option<&Arc<ClientConfig>>,
        context: &Context,
    ) -> Result<Self, ServiceError> {
        let tcp = server.connect(context, context.time())?;
        let mut socket = Socket {
            tcp,
            until: context.end_of_share(),
        };
        let Some(config) = tls else {
            return Ok(Self::Plain(socket));
        };
        let doing = format!("beginning TLS with {server}");
        context.step(doing.clone());
        let name = ServerName::try_from(server.host.clone());
        let name =
            name.map_err(|error| ServiceError::Unclear(format!("{doing} failed: {error}")))?;
        let mut connection = ClientConnection::new(Arc::clone(config), name)
            .map_err(|error| ServiceError::Unclear(format!("{doing} failed: {error}")))?;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut socket)
                .map_err(|error| broke(&doing, &error))?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// How long all reads together may take from now on.
    pub fn be_patient(&mut self, time: Duration) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        };
        socket.until = Some(Instant::now() + time);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection broke during `what`.
pub(super) fn broke(what: impl Display, error: &io::Error) -> ServiceError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let why = match inner {
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak TLS; leave --tls out, or give the port that does".to_owned()
        }
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            format!("{error}; if that is the right one, give who vouches for it with --ca-file")
        }
        Some(error @ rustls::Error::AlertReceived(_)) => {
            format!("{error}; does it want a certificate, see --cert-file?")
        }
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
        None => return ServiceError::io(what, error),
    };
    ServiceError::Unclear(format!("{what} failed: {why}"))
}
