//! A handshake, and all that is wrong with the certificate that a server shows.
//!
//! rustls refuses a bad certificate with the first reason that it meets, and so it does here: a
//! connection that comes about is one to trust. What was shown is kept, and each thing that is
//! wrong with it is asked for by itself.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name,
};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};

use crate::context::{Context, Failure};
use crate::service::certificate::Certificate;

/// A connection that is trusted.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// One thing that is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It holds no more.
    Expired {
        /// For how many whole days.
        days: i64,
        /// The day until which it held.
        last: String,
    },
    /// It does not hold yet.
    NotYet(String),
    /// It is for these hosts, and not for the one that was asked for.
    Name(String, Vec<String>),
    /// Nobody but itself vouches for it.
    SelfSigned,
    /// It was issued by this one, whom nobody trusts that is trusted here.
    UnknownIssuer(String),
    /// Anything else, for which it is refused.
    Other(String),
}

impl Problem {
    /// Whether it is about the name of the host.
    #[must_use]
    pub fn is_of_name(&self) -> bool {
        matches!(self, Self::Name(..))
    }

    /// Whether it is about who vouches for it.
    #[must_use]
    pub fn is_of_trust(&self) -> bool {
        matches!(self, Self::SelfSigned | Self::UnknownIssuer(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ADVICE: &str = "if that is right, give who vouches for it with --ca-file";
        match self {
            Self::Expired { days: 0, last } => {
                write!(formatter, "expired less than a day ago ({last})")
            }
            Self::Expired { days: 1, last } => write!(formatter, "expired 1 day ago ({last})"),
            Self::Expired { days, last } => write!(formatter, "expired {days} days ago ({last})"),
            Self::NotYet(first) => write!(formatter, "is not valid before {first}"),
            Self::Name(asked, names) if names.is_empty() => {
                write!(formatter, "is for no host by name, not for {asked}")
            }
            Self::Name(asked, names) => {
                let names = names.join(", ");
                write!(formatter, "is for {names}, not for {asked}")
            }
            Self::SelfSigned => write!(formatter, "is self-signed; {ADVICE}"),
            Self::UnknownIssuer(issuer) => write!(
                formatter,
                "was issued by {issuer}, who is not trusted; {ADVICE}"
            ),
            Self::Other(what) => write!(formatter, "is refused: {what}"),
        }
    }
}

/// What a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its certificate, then those that lead to the one who is trusted.
    pub chain: Vec<Certificate>,
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
    /// Whether it has the key of the certificate.
    pub is_proven: bool,
}

/// What came of a handshake.
pub struct Handshake {
    /// What the server showed, if it came to that.
    pub shown: Option<Shown>,
    /// The connection, or why there is none.
    pub stream: io::Result<Stream>,
}

/// One that verifies servers.
pub struct Client {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    now: UnixTime,
}

impl Client {
    /// One that trusts whom this file has, or else whom this system trusts.
    pub fn new(ca_file: Option<&Path>, context: &Context) -> Result<Self, Failure> {
        let roots = super::roots(ca_file, context)?;
        Ok(Self {
            provider: Arc::new(crypto::ring::default_provider()),
            roots: Arc::new(roots),
            now: UnixTime::since_unix_epoch(Duration::from_secs(context.now)),
        })
    }

    /// Shakes hands with a server that is to have a certificate for this name.
    pub fn handshake(&self, mut stream: TcpStream, name: &str) -> Result<Handshake, Failure> {
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::new(format!("{name} is no name that a certificate can have")))?;
        // Where nobody is trusted at all, nobody is.
        let strict = (!self.roots.is_empty())
            .then(|| {
                let (roots, provider) = (self.roots.clone(), self.provider.clone());
                WebPkiServerVerifier::builder_with_provider(roots, provider).build()
            })
            .transpose()?;
        let recorder = Arc::new(Recorder {
            strict,
            provider: self.provider.clone(),
            roots: self.roots.clone(),
            now: self.now,
            shown: Mutex::default(),
            is_proven: AtomicBool::new(false),
        });
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            // Its verdict is that of rustls' own verifier.
            .dangerous()
            .with_custom_certificate_verifier(recorder.clone())
            .with_no_client_auth();
        let mut connection = ClientConnection::new(Arc::new(config), server)?;
        let done = connection.complete_io(&mut stream);
        let shown = recorder
            .shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok(Handshake {
            shown: shown.map(|shown| Shown {
                is_proven: recorder.is_proven.load(Ordering::Relaxed),
                ..shown
            }),
            stream: done
                .map(|_| StreamOwned::new(connection, stream))
                .map_err(plain),
        })
    }
}

/// An error in words for those who do not know TLS.
fn plain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let why = match inner {
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(Error::AlertReceived(alert)) => format!("it ended the handshake: {alert:?}"),
        Some(other) => other.to_string(),
        None => return error,
    };
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Keeps what was shown, and leaves the verdict to rustls.
#[derive(Debug)]
struct Recorder {
    strict: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    now: UnixTime,
    shown: Mutex<Option<Shown>>,
    is_proven: AtomicBool,
}

impl Recorder {
    /// All that is wrong with a certificate, of which rustls gives this verdict.
    fn problems(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        verdict: Option<&Error>,
    ) -> Vec<Problem> {
        let other = |error: &dyn fmt::Display| Problem::Other(error.to_string());
        let (read, parsed) = match (Certificate::read(own), ParsedCertificate::try_from(own)) {
            (Ok(read), Ok(parsed)) => (read, parsed),
            (Err(error), _) => return vec![other(&error)],
            (_, Err(error)) => return vec![other(&error)],
        };
        let mut problems = Vec::new();
        let now = self.now.as_secs();
        let second = i64::try_from(now).unwrap_or(i64::MAX);
        if second > read.not_after {
            problems.push(Problem::Expired {
                days: (-1 - read.days_left(now)).max(0),
                last: read.last_day(),
            });
        } else if second < read.not_before {
            problems.push(Problem::NotYet(read.first_day()));
        }
        if verify_server_name(&parsed, name).is_err() {
            let asked = name.to_str().into_owned();
            problems.push(Problem::Name(asked, read.names.clone()));
        }
        // Asked for a time at which it holds, as else nothing but that would be told.
        let then = second.clamp(read.not_before, read.not_after.max(read.not_before));
        let then = UnixTime::since_unix_epoch(Duration::from_secs(then.try_into().unwrap_or(0)));
        let known = self.provider.signature_verification_algorithms.all;
        let trusted =
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, then, known);
        match trusted {
            Ok(()) => {}
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                problems.push(if read.is_self_issued {
                    Problem::SelfSigned
                } else {
                    // The last link that was shown is the one that hangs in the air.
                    let last = others.last().and_then(|last| Certificate::read(last).ok());
                    Problem::UnknownIssuer(last.unwrap_or(read).issuer)
                });
            }
            Err(error) => problems.push(other(&error)),
        }
        if let (Some(error), []) = (verdict, &problems[..]) {
            problems.push(other(error));
        }
        problems
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.strict {
            Some(strict) => strict.verify_server_cert(own, others, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let shown = Shown {
            // Those that cannot be read are missing here; where its own is, that is a problem.
            chain: std::iter::once(own)
                .chain(others)
                .filter_map(|one| Certificate::read(one).ok())
                .collect(),
            problems: self.problems(own, others, name, verdict.as_ref().err()),
            is_proven: false,
        };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        let valid = crypto::verify_tls12_signature(message, own, signed, known)?;
        self.is_proven.store(true, Ordering::Relaxed);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        let valid = crypto::verify_tls13_signature(message, own, signed, known)?;
        self.is_proven.store(true, Ordering::Relaxed);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}
