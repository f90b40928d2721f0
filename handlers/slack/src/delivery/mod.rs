//! The requests to Slack's incoming webhook or Web API, tried again where that can help.

mod failure;
mod watched;

use crate::settings::{Access, SecretUrl, Settings};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, ProxyProtocol};
use venus_spool::{Held, SpoolError};

pub use failure::{Concern, Failure};
use watched::{Items, Watch};

/// The longest `Retry-After` that is waited for; Slack asks for a minute at most.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(2);

/// The longest pause that comes of doubling.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How much of an answer is read: Slack answers with one word.
const ANSWER_LIMIT: u64 = 1024;
/// The Web API answers with the message.
const API_ANSWER_LIMIT: u64 = 256 * 1024;

/// A message that Slack did not take.
#[derive(Debug, thiserror::Error)]
#[error("not delivered to {host}{}: {failure}{}", through(proxy.as_deref()), after(*tries))]
pub struct DeliveryError {
    /// The host of the webhook; the rest of its address is a secret.
    pub host: String,
    /// The proxy on the way there, and who names it.
    pub proxy: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// What came of the last try.
    pub failure: Failure,
}

fn through(proxy: Option<&str>) -> String {
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}"));
    through.unwrap_or_default()
}

fn after(tries: u32) -> String {
    match tries {
        1 => String::new(),
        more => format!(" ({more} tries)"),
    }
}

/// Where Slack put a message, so that others can answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The channel by its id.
    pub channel: String,
    /// The message's time stamp, by which it is known there.
    pub ts: String,
}

/// What a payload is to become.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// A message of its own.
    Post,
    /// An answer to this one.
    Answer(&'a Posted),
    /// This one, changed.
    Change(&'a Posted),
}

/// The way to Slack: one connection for all messages of a process.
pub struct Delivery<'a> {
    agent: Option<Agent>,
    settings: &'a Settings,
    wait: &'a mut dyn FnMut(Duration),
    items: Items,
}

impl<'a> Delivery<'a> {
    /// `wait` returns when the time it is given is over.
    pub fn new(settings: &'a Settings, wait: &'a mut dyn FnMut(Duration)) -> Self {
        Self {
            agent: None,
            settings,
            wait,
            items: Items::default(),
        }
    }

    /// Lets this time go by.
    pub fn wait(&mut self, time: Duration) {
        (self.wait)(time);
    }

    /// The items that the next messages are about: where one is sent, it is noted in them.
    pub fn hold(&mut self, items: Held) {
        *self.items.lock() = items;
    }

    /// Does this with the items that are held.
    pub fn with_held<T>(&mut self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.items.lock())
    }

    /// The items, held no longer.
    pub fn release(&mut self) -> Held {
        std::mem::take(&mut *self.items.lock())
    }

    /// Delivers it, trying again where that can help: after twice as long each time, or when Slack
    /// says. Only the Web API tells where a message is.
    ///
    /// A connection that breaks after the request was sent is tried again, so that a message may
    /// come twice but is not lost. Items count as begun while that may have happened, and not
    /// while it cannot: not when this ends with an error, as all was tried that could be.
    pub fn deliver(
        &mut self,
        payload: &Value,
        act: Act<'_>,
    ) -> Result<Option<Posted>, DeliveryError> {
        let mut tries = 0;
        let mut is_certain = true;
        loop {
            tries += 1;
            let mut failure = match self.post(payload, act) {
                Ok(posted) => return Ok(posted),
                Err(failure) => failure,
            };
            is_certain &= failure.is_certain();
            let is_last = tries > self.settings.webhook_retries || !failure.is_passing();
            if (is_certain || is_last)
                && let Err(error) = self.with_held(Held::failed)
            {
                failure = not_noted(&error);
            }
            if is_last || !failure.is_passing() {
                return Err(DeliveryError {
                    host: self.settings.access.host().to_owned(),
                    proxy: self.proxy(),
                    tries,
                    failure,
                });
            }
            let pause = pause(&failure, self.settings.webhook_retry_sleep, tries);
            self.wait(pause);
        }
    }

    /// `HOST:PORT (WHO NAMES IT)`, where requests go through a proxy.
    fn proxy(&self) -> Option<String> {
        let proxy = self.agent.as_ref()?.config().proxy()?;
        let is_http = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
        if !is_http || proxy.is_no_proxy(self.settings.access.url().secret()) {
            return None;
        }
        let by = if self.settings.proxy.is_some() {
            "the setting proxy_address"
        } else {
            "the environment"
        };
        Some(format!("{}:{} ({by})", proxy.host(), proxy.port()))
    }

    fn post(&mut self, payload: &Value, act: Act<'_>) -> Result<Option<Posted>, Failure> {
        let timeout = self.settings.webhook_timeout;
        let agent = match &mut self.agent {
            Some(agent) => agent,
            none => none.insert(agent(self.settings, &self.items)?),
        };
        match &self.settings.access {
            Access::Webhook(url) => {
                let answer = agent.post(url.secret()).send_json(payload);
                let answer = answer.map_err(|error| failure::of(error, timeout))?;
                if answer.status().is_success() {
                    return Ok(None);
                }
                Err(refused(answer, url))
            }
            Access::Bot { api, token } => {
                let (method, payload) = call(payload, act);
                let base = api.secret().to_string();
                let answer = agent
                    .post(format!("{}/{method}", base.trim_end_matches('/')))
                    .header("authorization", format!("Bearer {}", token.secret()))
                    .send_json(&payload);
                let answer = answer.map_err(|error| failure::of(error, timeout))?;
                if !answer.status().is_success() {
                    return Err(refused(answer, api));
                }
                accepted(answer, timeout).map(Some)
            }
        }
    }
}

fn not_noted(error: &SpoolError) -> Failure {
    Failure::NotNoted(error.to_string())
}

/// The method of the Web API, and the payload as it wants it.
fn call(payload: &Value, act: Act<'_>) -> (&'static str, Value) {
    let mut payload = payload.clone();
    let mut set = |key: &str, value: &str| {
        if let Some(object) = payload.as_object_mut() {
            object.insert(key.to_owned(), value.into());
        }
    };
    let method = match act {
        Act::Post => "chat.postMessage",
        Act::Answer(to) => {
            set("channel", &to.channel);
            set("thread_ts", &to.ts);
            "chat.postMessage"
        }
        Act::Change(message) => {
            set("channel", &message.channel);
            set("ts", &message.ts);
            "chat.update"
        }
    };
    (method, payload)
}

/// The Web API says with status 200 that it refuses.
fn accepted(mut answer: Response<Body>, timeout: Duration) -> Result<Posted, Failure> {
    let body = answer.body_mut().with_config().limit(API_ANSWER_LIMIT);
    let body = body
        .read_to_vec()
        .map_err(|error| failure::of(error, timeout))?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| Failure::NotSlack)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    if body.get("ok") == Some(&Value::Bool(true)) {
        return Ok(Posted {
            channel: text("channel").to_owned(),
            ts: text("ts").to_owned(),
        });
    }
    let word = Some(text("error")).filter(|word| is_word(word));
    Err(Failure::Refused {
        status: answer.status(),
        word: word.map(str::to_owned),
        retry_after: None,
    })
}

/// Twice as long after each try, up to a minute, or as long as Slack says.
fn pause(failure: &Failure, first: Duration, tries: u32) -> Duration {
    if let Failure::Refused {
        retry_after: Some(asked),
        ..
    } = failure
    {
        return (*asked).min(LONGEST_RETRY_AFTER);
    }
    let doubled = first.saturating_mul(2_u32.saturating_pow(tries - 1));
    // Who set a longer one has it.
    doubled.min(first.max(LONGEST_PAUSE))
}

fn agent(settings: &Settings, items: &Items) -> Result<Agent, Failure> {
    let config = Agent::config_builder()
        .timeout_global(Some(settings.webhook_timeout))
        .http_status_as_error(false)
        // A redirected POST becomes a GET: its 200 would look like a delivery.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("handler-slack/", env!("CARGO_PKG_VERSION")));
    let config = match &settings.proxy {
        Some(given) => config.proxy(Some(given.build().ok_or(Failure::Proxy)?)),
        None => config,
    };
    let config = match &settings.cacert {
        Some(file) => {
            let trusted = RootCerts::new_with_certs(&authorities(file)?);
            config.tls_config(TlsConfig::builder().root_certs(trusted).build())
        }
        None => config,
    };
    let config = config.build();
    let watch = Watch {
        items: items.clone(),
        has_proxy: config.proxy().is_some(),
    };
    let connector = DefaultConnector::default().chain(watch);
    let resolver = DefaultResolver::default();
    Ok(Agent::with_parts(config, connector, resolver))
}

fn authorities(file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let unusable = |why: &str| Failure::Authorities {
        file: file.to_owned(),
        why: why.to_owned(),
    };
    let text = fs::read(file).map_err(|error| unusable(&error.to_string()))?;
    let found: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(unusable("it holds no certificate"));
    }
    Ok(found)
}

fn refused(mut answer: Response<Body>, url: &SecretUrl) -> Failure {
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
fn slack_word(body: &str, url: &SecretUrl) -> Option<String> {
    let word = body.trim();
    (is_word(word) && !url.secret().to_string().contains(word)).then(|| word.to_owned())
}

fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::StatusCode;

    fn refused(status: u16, retry_after: Option<u64>) -> Failure {
        Failure::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            word: None,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn slack_may_name_the_pause_within_reason() {
        let usual = Duration::from_secs(5);
        let pauses = [1, 2, 3, 4, 5, 6, 99].map(|tries| pause(&refused(500, None), usual, tries));
        assert_eq!(
            pauses.map(|pause| pause.as_secs()),
            [5, 10, 20, 40, 60, 60, 60]
        );
        assert_eq!(pause(&refused(429, Some(30)), usual, 1).as_secs(), 30);
        assert_eq!(
            pause(&refused(429, Some(u64::MAX)), usual, 1).as_secs(),
            120
        );
        let long = Duration::from_hours(1);
        assert_eq!(pause(&Failure::NotHttp, long, 3), long);
    }

    #[test]
    fn an_answer_is_shown_only_if_it_is_one_word_and_not_of_the_address() {
        let url = SecretUrl::parse("https://h/services/topsecret").unwrap();
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
            proxy: None,
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
            proxy: Some("proxy:3128 (the environment)".into()),
            tries: 6,
            failure: Failure::Timeout(Duration::from_secs(10)),
            ..error
        };
        assert_eq!(
            error.to_string(),
            "not delivered to hooks.slack.com through the proxy proxy:3128 (the environment): \
             no answer within 10 s (6 tries)"
        );
    }
}
