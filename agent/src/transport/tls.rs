//! TLS to a broker: whom we trust, and how we prove who we are.

use crate::settings::Tls;
use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What makes TLS connections as these settings want them.
///
/// The files are read each time, so that a renewed certificate is used by the
/// next connection. An error names the file.
pub(super) fn connector(tls: &Tls) -> io::Result<RustlsConnector> {
    let identity = match &tls.identity {
        Some((chain, key)) => Some((certificates(chain)?, private_key(key)?)),
        None => None,
    };
    if !tls.verify {
        return unverified(identity);
    }
    let mut config = match &tls.ca_file {
        Some(file) => {
            RustlsConnectorConfig::default().with_parsable_certificates(certificates(file)?)
        }
        None => RustlsConnectorConfig::new_with_native_certs()?,
    };
    // Some sites have their own authority in the chain of the client.
    if let Some((chain, _)) = &identity {
        config.add_parsable_certificates(chain.clone());
    }
    match identity {
        Some((chain, key)) => config.connector_with_single_cert(chain, key),
        None => config.connector_with_no_client_auth(),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if found.is_empty() => Err(unusable(file, "it holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(file, &error.to_string())),
    }
}

fn private_key(file: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, &error.to_string()))
}

fn unusable(file: &Path, why: &str) -> io::Error {
    io::Error::other(format!("cannot use {}: {why}", file.display()))
}

/// Without a look at who answers: what `"verify": false` asks for.
fn unverified(identity: Option<Identity>) -> io::Result<RustlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    let config = match identity {
        Some((chain, key)) => config
            .with_client_auth_cert(chain, key)
            .map_err(io::Error::other)?,
        None => config.with_no_client_auth(),
    };
    Ok(RustlsConnector::from(config))
}

/// Takes every certificate, but not a handshake that its holder did not sign.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
