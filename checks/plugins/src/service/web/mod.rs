//! One request to any web server, with what it took and what the server showed of itself. Clients
//! of a service use [`http`](crate::service::http) instead.

mod probe;
mod request;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use ureq::Agent;
use ureq::http::{Uri, header};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::http::{LONGEST, error_of};
use crate::service::server::Server;
use crate::service::tls::inspect::{Client, Shown};
use crate::service::unix::NoResolver;
use probe::{Probe, Seen};
use request::request;

pub use request::arguments;

/// `http://HOST[:PORT][/PATH][?QUERY]`, or the same with https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    server: Server,
    has_tls: bool,
}

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let has_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(FORM),
        };
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') {
            return Err("a password in a URL shows in the list of processes; \
                 use --user and --password-file");
        }
        let port = uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
        let server = format!("{}:{port}", authority.host()).parse()?;
        Ok(Self {
            uri,
            server,
            has_tls,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(formatter)
    }
}

/// What `--url` says.
#[must_use]
pub fn url(matches: &ArgMatches) -> String {
    let url = matches.get_one::<Url>("url");
    url.map(ToString::to_string).unwrap_or_default()
}

/// How long it took since the beginning until this was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// The address was known.
    pub lookup: Duration,
    /// There was a connection.
    pub connect: Duration,
    /// The request could be sent: the same, or later with TLS.
    pub pretransfer: Duration,
    /// The head of the answer was there.
    pub starttransfer: Duration,
    /// All of it was there.
    pub total: Duration,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status: 200 and so on.
    pub status: u16,
    /// Where it wants one to go instead.
    pub location: Option<String>,
    /// What it sent.
    pub body: Vec<u8>,
    /// What it took.
    pub times: Times,
    /// What it showed, with TLS.
    pub shown: Option<Shown>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// It could not be asked.
    Service(ServiceError),
    /// It was not asked, as its certificate is not good.
    Certificate(Shown),
}

/// Asks once. Redirections are not followed.
pub fn ask(matches: &ArgMatches, context: &Context) -> Result<Result<Answer, NoAnswer>, Failure> {
    let url = matches.get_one::<Url>("url").cloned();
    let url = url.ok_or_else(|| Failure::new("no --url given"))?;
    let asking = format!("asking {url}");
    let request = request(&url, matches, context)?;
    let ca_file = matches.get_one("ca-file").map(PathBuf::as_path);
    let tls = if url.has_tls {
        Some(Client::new(ca_file, context)?)
    } else {
        None
    };
    let seen = Arc::new(Mutex::new(Seen::default()));
    let name = matches.get_one::<String>("server-name");
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // What a proxy answers says nothing of the server.
        .proxy(None)
        .max_redirects(0);
    context.step(asking.clone());
    let begun = Instant::now();
    let connector = Probe {
        name: name.unwrap_or(&url.server.host).clone(),
        server: url.server,
        tls,
        begun,
        within: context.time_left(),
        seen: seen.clone(),
    };
    let agent = Agent::with_parts(config.build(), connector, NoResolver);
    let answer = agent.run(request).and_then(|mut response| {
        let starttransfer = begun.elapsed();
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = response.body_mut().with_config().limit(LONGEST);
        let body = body.read_to_vec()?;
        let times = Times {
            starttransfer,
            total: begun.elapsed(),
            ..Times::default()
        };
        Ok(Answer {
            status: response.status().as_u16(),
            location,
            body,
            times,
            shown: None,
        })
    });
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(failure) = seen.failure {
        return Err(failure);
    }
    Ok(match answer {
        Ok(answer) => Ok(Answer {
            times: Times {
                starttransfer: answer.times.starttransfer,
                total: answer.times.total,
                ..seen.times
            },
            shown: seen.shown,
            ..answer
        }),
        Err(error) => match seen.shown {
            Some(shown) if !shown.problems.is_empty() => Err(NoAnswer::Certificate(shown)),
            _ => Err(NoAnswer::Service(error_of(&asking, error))),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_is_a_server_and_what_to_ask_it_for() {
        for (text, server, has_tls) in [
            ("http://venus001", "venus001:80", false),
            ("https://venus001/a?b=c", "venus001:443", true),
            ("http://[::1]:8080/", "[::1]:8080", false),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(
                (url.server.to_string().as_str(), url.has_tls),
                (server, has_tls)
            );
        }
        for bad in [
            "",
            "venus001",
            "ftp://venus001",
            "http://",
            "http://a b",
            "http://:80/",
            "/x",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad:?}");
        }
        let error = "http://user:word@venus001".parse::<Url>().unwrap_err();
        assert!(error.contains("--password-file"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            for text in [&text, &format!("http://{text}"), &format!("https://a{text}")] {
                drop(text.parse::<Url>());
            }
        }
    }
}
