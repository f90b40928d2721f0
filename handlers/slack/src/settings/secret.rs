//! What nobody may see: whoever knows it can post.

use std::fmt;
use ureq::http::Uri;

/// An address of which only the host may be seen: neither `Debug` nor any message shows more. Whoever
/// knows that of an incoming webhook can post.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Uri);

impl SecretUrl {
    /// Reads an http or https address.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().filter(|host| !host.is_empty())?;
        // `Uri` has no port where the number is none or too large.
        let has_good_port = uri.port().is_some() || uri.authority()?.as_str().ends_with(host);
        (is_web && has_good_port).then_some(Self(uri))
    }

    /// The host, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or("")
    }

    /// The whole address, for the request alone.
    pub(crate) fn secret(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({}, ...)", self.host())
    }
}

/// A bot's token for Slack's Web API (`xoxb-…`), or the password for a proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// It, for the request alone.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}
