//! The request to Slack's incoming webhook, tried again where that can help.

use crate::message::Payload;
use crate::settings::{Settings, WebhookUrl};
use std::io;
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// The longest `Retry-After` that is waited for; Slack asks for a minute at most.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// How much of an answer is read: Slack answers with one word.
const ANSWER_LIMIT: u64 = 1024;

/// A message that Slack did not take.
#[derive(Debug, thiserror::Error)]
#[error("not delivered to {host}: {failure}{}", after(*tries))]
pub struct DeliveryError {
    /// The host of the webhook; the rest of its address is a secret.
    pub host: String,
    /// How often it was tried.
    pub tries: u32,
    /// What came of the last try.
    pub failure: Failure,
}

fn after(tries: u32) -> String {
    match tries {
        1 => String::new(),
        more => format!(" ({more} tries)"),
    }
}

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
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(String),
    /// The proxy that the environment names does not let us through.
    #[error("the proxy refused the connection")]
    Proxy,
    /// Something answers there, but not with HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
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

impl Failure {
    /// Whether the same request may have another fate later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Timeout(_)
            | Self::UnknownHost
            | Self::Connection(_)
            | Self::Tls(_)
            | Self::Proxy
            | Self::NotHttp => true,
        }
    }
}

fn shown(word: Option<&str>) -> String {
    word.map(|word| format!(" {word}")).unwrap_or_default()
}

fn advice(word: Option<&str>) -> &'static str {
    match word {
        Some("no_service" | "no_service_id" | "no_team" | "no_active_hooks" | "invalid_token") => {
            ": this webhook is gone, put a new one's address into webhook_url"
        }
        Some("channel_not_found" | "channel_is_archived") => ": see the setting channel",
        _ => "",
    }
}

/// Posts the message; `wait` returns when the time it is given is over.
///
/// A connection that breaks after the request was sent is tried again, so that a
/// message may come twice but is not lost.
pub fn deliver(
    payload: &Payload,
    settings: &Settings,
    wait: &mut dyn FnMut(Duration),
) -> Result<(), DeliveryError> {
    let agent = agent(settings.webhook_timeout);
    let mut tries = 0;
    loop {
        tries += 1;
        let Err(failure) = post(&agent, payload, settings) else {
            return Ok(());
        };
        if tries > settings.webhook_retries || !failure.is_passing() {
            return Err(DeliveryError {
                host: settings.webhook_url.host().to_owned(),
                tries,
                failure,
            });
        }
        wait(pause(&failure, settings.webhook_retry_sleep));
    }
}

fn pause(failure: &Failure, usual: Duration) -> Duration {
    match failure {
        Failure::Refused {
            retry_after: Some(asked),
            ..
        } => (*asked).min(LONGEST_RETRY_AFTER),
        _ => usual,
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        // A redirected POST becomes a GET: its 200 would look like a delivery.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("handler-slack/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn post(agent: &Agent, payload: &Payload, settings: &Settings) -> Result<(), Failure> {
    let url = &settings.webhook_url;
    let answer = agent
        .post(url.secret())
        .send_json(payload)
        .map_err(|error| failure(error, settings.webhook_timeout))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(refused(answer, url))
}

fn refused(mut answer: Response<Body>, url: &WebhookUrl) -> Failure {
    let retry_after = answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = answer.body_mut().with_config().limit(ANSWER_LIMIT);
    // An answer that breaks off has no word for us, and its status says enough.
    let body = body.read_to_string().unwrap_or_default();
    Failure::Refused {
        status: answer.status(),
        word: slack_word(&body, url),
        retry_after,
    }
}

/// Slack's one-word answers, such as `no_service`. Nothing else of an answer is
/// shown: a proxy's error page repeats the address that was asked for.
fn slack_word(body: &str, url: &WebhookUrl) -> Option<String> {
    let word = body.trim();
    let is_word = (1..=40).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_word && !url.secret().to_string().contains(word)).then(|| word.to_owned())
}

fn failure(error: ureq::Error, timeout: Duration) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::Timeout(timeout),
        ureq::Error::HostNotFound => Failure::UnknownHost,
        ureq::Error::Io(error) => Failure::Connection(error),
        ureq::Error::Rustls(error) => Failure::Tls(error.to_string()),
        ureq::Error::ConnectionFailed => {
            Failure::Connection(io::Error::from(io::ErrorKind::NotConnected))
        }
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => Failure::Proxy,
        // Another crate's enum that may grow; what is left of it concerns answers.
        _ => Failure::NotHttp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> Failure {
        Failure::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            word: None,
            retry_after: retry_after.map(Duration::from_secs),
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
    }

    #[test]
    fn slack_may_name_the_pause_within_reason() {
        let usual = Duration::from_secs(5);
        assert_eq!(pause(&refused(500, None), usual), usual);
        assert_eq!(pause(&refused(429, Some(30)), usual).as_secs(), 30);
        assert_eq!(pause(&refused(429, Some(u64::MAX)), usual).as_secs(), 120);
        assert_eq!(pause(&Failure::NotHttp, usual), usual);
    }

    #[test]
    fn an_answer_is_shown_only_if_it_is_one_word_and_not_of_the_address() {
        let url = WebhookUrl::parse("https://h/services/topsecret").unwrap();
        assert_eq!(
            slack_word("no_service\n", &url).as_deref(),
            Some("no_service")
        );
        for body in ["", "Cannot POST /services/T0", "T0", "topsecret", "secret"] {
            assert_eq!(slack_word(body, &url), None, "{body}");
        }
    }

    #[test]
    fn the_message_names_host_tries_and_what_to_do() {
        let error = DeliveryError {
            host: "hooks.slack.com".into(),
            tries: 1,
            failure: Failure::Refused {
                status: StatusCode::NOT_FOUND,
                word: Some("no_service".into()),
                retry_after: None,
            },
        };
        assert_eq!(
            error.to_string(),
            "not delivered to hooks.slack.com: it answered 404 Not Found no_service: \
             this webhook is gone, put a new one's address into webhook_url"
        );
        let error = DeliveryError {
            tries: 6,
            failure: Failure::Timeout(Duration::from_secs(10)),
            ..error
        };
        assert_eq!(
            error.to_string(),
            "not delivered to hooks.slack.com: no answer within 10 s (6 tries)"
        );
    }
}
