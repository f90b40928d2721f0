//! What may come of a request, and what it means for the ones behind it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::StatusCode;
use venus_spool::SpoolError;

/// What came of one try. Texts of the HTTP library are not passed on where they
/// could hold the webhook's address.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Whatever took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The name does not resolve.
    #[error("there is no host of this name")]
    UnknownHost,
    /// Refused, reset, closed, or not trusted.
    #[error("{0}")]
    Connection(#[source] io::Error),
    /// It could not be noted that it is sent, so that it was not.
    #[error("{0}")]
    NotNoted(String),
    /// The setting `cacert` leads to nothing that TLS could trust.
    #[error("cannot use {} of the setting cacert: {why}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What answers there does not prove that it is who it should be.
    #[error("TLS: {0}: see the setting cacert")]
    Untrusted(String),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// The proxy does not let us through.
    #[error("it refused the connection: see proxy_username and proxy_password, or its own log")]
    Proxy,
    /// Something answers there, but not with HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// Something answers there, but not as Slack's Web API does.
    #[error("the answer is not that of Slack's Web API: see the setting api_url")]
    NotSlack,
    /// Any other answer than "taken".
    #[error("it answered {status}{}{}", shown(word.as_deref()), advice(word.as_deref()))]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// Slack's word for it.
        word: Option<String>,
        /// How long Slack wants us to be quiet.
        retry_after: Option<Duration>,
    },
}

/// What a failure is about, and so who else it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The way to Slack, the webhook or the token: all messages.
    All,
    /// This channel.
    Channel,
    /// This message, which will never be taken as it is.
    Message,
}

/// Slack's words for a moment that passes.
const PASSING: [&str; 9] = [
    "accesslimited",
    "fatal_error",
    "internal_error",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "rollup_error",
    "service_unavailable",
    "team_added_to_org",
];

/// Those of them after which Slack may have taken the message all the same.
const UNCERTAIN: [&str; 3] = ["fatal_error", "internal_error", "request_timeout"];

/// For a webhook that is gone.
const NO_WEBHOOK: [&str; 6] = [
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "team_disabled",
];

/// For a token that is not, or no longer, good for this.
const NO_TOKEN: [&str; 14] = [
    "access_denied",
    "account_inactive",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
];

/// For a channel that is gone, or not for us.
const NO_CHANNEL: [&str; 14] = [
    "action_prohibited",
    "cannot_dm_bot",
    "channel_is_archived",
    "channel_not_found",
    "invalid_channel",
    "is_archived",
    "messages_tab_disabled",
    "not_in_channel",
    "posting_to_general_channel_denied",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "user_not_found",
];

/// Who may have named it.
const CHANNEL: &str = ": see the setting channel, and slack_channel of client and check";

impl Failure {
    /// Whether the same request may have another fate soon.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, word, .. } => {
                status.is_server_error()
                    || *status == StatusCode::TOO_MANY_REQUESTS
                    || is_one(word.as_deref(), &PASSING)
            }
            Self::NotNoted(_) | Self::NotSlack | Self::Authorities { .. } | Self::Untrusted(_) => {
                false
            }
            Self::Timeout(_)
            | Self::UnknownHost
            | Self::Connection(_)
            | Self::Tls(_)
            | Self::Proxy
            | Self::NotHttp => true,
        }
    }

    /// Whether Slack has not taken the message, for certain, although it may have been sent.
    pub(super) fn is_certain(&self) -> bool {
        match self {
            Self::Refused { status, word, .. } => {
                !(status.is_success() && is_one(word.as_deref(), &UNCERTAIN))
            }
            Self::UnknownHost
            | Self::NotNoted(_)
            | Self::Authorities { .. }
            | Self::Untrusted(_)
            | Self::Tls(_)
            | Self::Proxy => true,
            Self::Timeout(_) | Self::Connection(_) | Self::NotHttp | Self::NotSlack => false,
        }
    }

    /// What it is about. A word that nobody knows is about the message, as it would otherwise stop
    /// all that come after it.
    #[must_use]
    pub fn concern(&self) -> Concern {
        let Self::Refused { status, word, .. } = self else {
            return Concern::All;
        };
        let word = word.as_deref();
        if self.is_passing() || is_one(word, &NO_WEBHOOK) || is_one(word, &NO_TOKEN) {
            return Concern::All;
        }
        if is_one(word, &NO_CHANNEL) {
            return Concern::Channel;
        }
        match status.as_u16() {
            400 | 413 => Concern::Message,
            // The Web API's way to refuse.
            200..300 if word.is_some() => Concern::Message,
            _ => Concern::All,
        }
    }

    /// Whether Slack used this word.
    pub(crate) fn has_word(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { word: Some(word), .. } if word == wanted)
    }
}

fn is_one(word: Option<&str>, of: &[&str]) -> bool {
    word.is_some_and(|word| of.contains(&word))
}

fn shown(word: Option<&str>) -> String {
    word.map(|word| format!(" {word}")).unwrap_or_default()
}

fn advice(word: Option<&str>) -> &'static str {
    match word {
        Some("not_in_channel") => ": invite the bot to the channel",
        Some("missing_scope") => {
            ": the bot needs the scope chat:write, and chat:write.customize for bot_name and icons"
        }
        Some("user_not_found") => ": see the settings channel and bot_name",
        Some("action_prohibited" | "restricted_action" | "posting_to_general_channel_denied") => {
            ": the workspace does not let this webhook post there"
        }
        word if is_one(word, &NO_WEBHOOK) => {
            ": this webhook is gone, put a new one's address into webhook_url"
        }
        word if is_one(word, &NO_TOKEN) => ": see the setting token",
        word if is_one(word, &NO_CHANNEL) => CHANNEL,
        _ => "",
    }
}

/// What the HTTP library says.
pub(super) fn of(error: ureq::Error, timeout: Duration) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::Timeout(timeout),
        ureq::Error::HostNotFound => Failure::UnknownHost,
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::Rustls(error) => tls(error.to_string()),
        ureq::Error::Tls(what) => tls(what.to_owned()),
        ureq::Error::ConnectionFailed => {
            Failure::Connection(io::Error::from(io::ErrorKind::NotConnected))
        }
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => Failure::Proxy,
        // Another crate's enum that may grow; what is left of it concerns answers.
        _ => Failure::NotHttp,
    }
}

fn of_io(error: io::Error) -> Failure {
    let is_ours = match error.get_ref() {
        Some(inner) => inner.is::<SpoolError>(),
        None => false,
    };
    if is_ours {
        Failure::NotNoted(error.to_string())
    } else if error.kind() == io::ErrorKind::InvalidData {
        // The TLS library's errors come as this kind, with its words.
        tls(error.to_string())
    } else {
        Failure::Connection(error)
    }
}

fn tls(why: String) -> Failure {
    if why.to_lowercase().contains("certificate") {
        Failure::Untrusted(why)
    } else {
        Failure::Tls(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, word: Option<&str>) -> Failure {
        Failure::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            word: word.map(str::to_owned),
            retry_after: None,
        }
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        for status in [500, 502, 503, 429] {
            assert!(refused(status, None).is_passing(), "{status}");
        }
        for status in [301, 400, 403, 404, 410, 413] {
            assert!(!refused(status, None).is_passing(), "{status}");
        }
        assert!(Failure::UnknownHost.is_passing());
        assert!(refused(200, Some("ratelimited")).is_passing());
    }

    #[test]
    fn only_what_meets_all_messages_stops_them() {
        use Concern::{All, Channel, Message};
        for (status, word, concern) in [
            (404, Some("no_service"), All),
            (403, Some("invalid_token"), All),
            (200, Some("token_revoked"), All),
            (200, Some("ratelimited"), All),
            (503, None, All),
            (302, None, All),
            (404, None, All),
            (404, Some("channel_not_found"), Channel),
            (410, Some("channel_is_archived"), Channel),
            (200, Some("not_in_channel"), Channel),
            (400, Some("invalid_payload"), Message),
            (400, None, Message),
            (413, None, Message),
            (200, Some("edit_window_closed"), Message),
            (200, Some("a_word_of_tomorrow"), Message),
        ] {
            assert_eq!(
                refused(status, word).concern(),
                concern,
                "{status} {word:?}"
            );
        }
        assert_eq!(Failure::UnknownHost.concern(), All);
    }

    #[test]
    fn each_word_says_what_to_do() {
        for (word, what) in [
            ("not_in_channel", ": invite the bot to the channel"),
            ("token_expired", ": see the setting token"),
            ("is_archived", CHANNEL),
            ("invalid_payload", ""),
        ] {
            assert_eq!(advice(Some(word)), what);
        }
    }

    #[test]
    fn whatever_is_wrong_with_a_certificate_leads_to_the_setting() {
        for why in [
            "invalid peer certificate: Expired",
            "peer sent no certificates",
            "received fatal alert: CertificateRequired",
        ] {
            let said = tls(why.to_owned()).to_string();
            assert_eq!(said, format!("TLS: {why}: see the setting cacert"));
        }
    }
}
