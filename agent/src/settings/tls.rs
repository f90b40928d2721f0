//! `ssl`: how a connection to a broker is encrypted.

use super::reader::Reader;
use serde_json::Value;
use std::path::PathBuf;

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain and private key that prove who we are (PEM files).
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Authorities that we trust (a PEM file); the system's if none.
    pub ca_file: Option<PathBuf>,
    /// Whether the broker has to prove who it is.
    pub verify: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            identity: None,
            ca_file: None,
            verify: true,
        }
    }
}

/// `ssl`: an object, or just whether.
pub(super) fn read_tls(part: &mut Reader<'_>) -> Option<Tls> {
    if let Some(Value::Bool(wanted)) = part.get("ssl") {
        return wanted.then(Tls::default);
    }
    let mut ssl = part.child("ssl")?;
    let mut file = |key: &str| ssl.string(key).map(PathBuf::from);
    let chain = file("cert_chain_file");
    let key = file("private_key_file");
    let ca_file = file("cacert");
    let verify = ssl.boolean("verify").unwrap_or(true);
    if chain.is_some() != key.is_some() {
        ssl.problem("cert_chain_file", "and private_key_file go together");
    }
    Some(Tls {
        identity: chain.zip(key),
        ca_file,
        verify,
    })
}
