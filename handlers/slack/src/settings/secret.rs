//! What nobody may see: whoever knows it can post.

use std::fmt;
use ureq::http::Uri;

/// An incoming webhook's address. Whoever knows it can post, so that neither
/// `Debug` nor any message shows more of it than the host.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl WebhookUrl {
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

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}, ...)", self.host())
    }
}

/// A bot's token for Slack's Web API (`xoxb-…`).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub(crate) fn new(token: String) -> Self {
        Self(token)
    }

    /// The token, for the request alone.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}
