//! TLS to what stands before Carbon, which has none itself: whom we trust, and how we prove who
//! we are.

use crate::settings::Tls;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, crypto};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Missing, unreadable, or of another kind.
    #[error("cannot use {} for TLS: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system has none either.
    #[error("this system has no authorities that TLS could trust: name a file in tls.cacert")]
    NoAuthorities,
    /// Certificate and key do not belong together.
    #[error("cannot use tls.cert_chain_file with tls.private_key_file: {0}")]
    Identity(#[source] rustls::Error),
    /// What our own library does not support.
    #[error("TLS: {0}")]
    Library(#[source] rustls::Error),
}

/// What each connection is made with.
pub(crate) fn config(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_root_certificates(authorities(tls.cacert.as_deref())?);
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => {
            let read = PrivateKeyDer::from_pem_file(key);
            let read = read.map_err(|error| unusable(key, &error.to_string()))?;
            config
                .with_client_auth_cert(certificates(chain)?, read)
                .map_err(TlsError::Identity)?
        }
    };
    Ok(Arc::new(config))
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut trusted = RootCertStore::empty();
    let Some(file) = file else {
        // Those that this library cannot read are of no use to it, but the others are.
        let (added, _) =
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match added {
            0 => Err(TlsError::NoAuthorities),
            _ => Ok(trusted),
        };
    };
    for certificate in certificates(file)? {
        let added = trusted.add(certificate);
        added.map_err(|error| unusable(file, &error.to_string()))?;
    }
    Ok(trusted)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(found) if found.is_empty() => Err(unusable(file, "it holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(file, &error.to_string())),
    }
}

fn unusable(file: &Path, why: &str) -> TlsError {
    TlsError::File {
        file: file.to_owned(),
        why: why.to_owned(),
    }
}
