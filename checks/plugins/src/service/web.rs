//! One request to any web server, with what it took and what the server showed of itself. Clients
//! of a service use [`http`](crate::service::http) instead.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use ureq::http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use ureq::unversioned::transport::{ConnectionDetails, Connector};
use ureq::{Agent, Error};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::http::{LONGEST, error_of, secret};
use crate::service::server::{self, Server};
use crate::service::stream::StreamTransport;
use crate::service::tls::{self, Client, Shown};
use crate::service::unix::NoResolver;

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

/// A header of a request.
#[derive(Debug, Clone)]
struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use NAME:VALUE";
        let (name, value) = text.split_once(':').ok_or(FORM)?;
        let name = name.trim().parse().map_err(|_| FORM)?;
        let value = value.trim().parse().map_err(|_| FORM)?;
        Ok(Self(name, value))
    }
}

/// The same, where everybody may read it.
fn public_header(text: &str) -> Result<Header, &'static str> {
    let secret = [
        header::AUTHORIZATION,
        header::COOKIE,
        header::PROXY_AUTHORIZATION,
    ];
    let one: Header = text.parse()?;
    if secret.contains(&one.0) {
        return Err("a secret shows in the list of processes; use --header-file");
    }
    Ok(one)
}

/// What is to be asked, and how.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let argument = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let file = |name, help| argument(name, "FILE", help).value_parser(value_parser!(PathBuf));
    vec![
        argument("url", "URL", "What to ask for")
            .short('u')
            .default_value("http://127.0.0.1/")
            .value_parser(|text: &str| text.parse::<Url>()),
        argument("method", "METHOD", "How to ask for it")
            .short('m')
            .value_parser(["GET", "HEAD"])
            .default_value("GET"),
        argument("header", "NAME:VALUE", "Send this header; may be repeated")
            .short('H')
            .action(ArgAction::Append)
            .value_parser(public_header),
        file(
            "header-file",
            "Send the headers of this file, one NAME:VALUE a line, as nobody else may read them",
        ),
        argument("user-agent", "NAME", "Who to say that one is")
            .short('x')
            .default_value("venus-checks"),
        argument("user", "NAME", "Who asks, where it wants to know")
            .short('U')
            .alias("username")
            .requires("password-file"),
        file("password-file", "The file whose first line is the password").requires("user"),
        file(
            "ca-file",
            "Who vouches for its certificate, in PEM [default: whom this system trusts]",
        )
        .short('C')
        .alias("cacert"),
        argument(
            "server-name",
            "NAME",
            "Ask for this host, whatever the URL has; its certificate has to be for it",
        ),
    ]
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

fn request(url: &Url, matches: &ArgMatches, context: &Context) -> Result<Request<()>, Failure> {
    let mut uri = url.uri.clone().into_parts();
    if let Some(name) = matches.get_one::<String>("server-name") {
        let port = url.uri.port_u16();
        let host = if name.contains(':') {
            format!("[{name}]")
        } else {
            name.clone()
        };
        let authority = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        uri.authority = Some(authority.parse()?);
    }
    let method = matches.get_one::<String>("method");
    let mut request = Request::builder().uri(Uri::from_parts(uri)?).method(
        if method.is_some_and(|method| method == "HEAD") {
            Method::HEAD
        } else {
            Method::GET
        },
    );
    if let Some(agent) = matches.get_one::<String>("user-agent") {
        request = request.header(header::USER_AGENT, agent);
    }
    let given = matches.get_many::<Header>("header").unwrap_or_default();
    let mut headers: Vec<Header> = given.cloned().collect();
    if let Some(file) = matches.get_one::<PathBuf>("header-file") {
        let text = context.read(file)?;
        let text = String::from_utf8_lossy(&text);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let one = line.parse();
            // Not even the line is shown, which may have a secret.
            headers.push(one.map_err(|why| Failure::malformed(file, why))?);
        }
    }
    let user = matches.get_one::<String>("user");
    if let Some((user, file)) = user.zip(matches.get_one::<PathBuf>("password-file")) {
        let password = secret(file, context)?;
        let word = STANDARD.encode(format!("{user}:{password}"));
        let value = format!("Basic {word}").parse()?;
        headers.push(Header(header::AUTHORIZATION, value));
    }
    for Header(name, value) in headers {
        request = request.header(name, value);
    }
    Ok(request.body(())?)
}

/// What is known when there is a connection, or none.
#[derive(Debug, Default)]
struct Seen {
    times: Times,
    shown: Option<Shown>,
    failure: Option<Failure>,
}

/// Connects to this server, whatever the URI says.
struct Probe {
    server: Server,
    name: String,
    tls: Option<Client>,
    begun: Instant,
    within: Duration,
    seen: Arc<Mutex<Seen>>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Probe of {}", self.server)
    }
}

impl Probe {
    fn stream(&self, seen: &mut Seen) -> io::Result<Stream> {
        let addresses = self.server.addresses()?;
        seen.times.lookup = self.begun.elapsed();
        let stream = server::connect(addresses, self.within)?;
        seen.times.connect = self.begun.elapsed();
        let Some(client) = &self.tls else {
            seen.times.pretransfer = self.begun.elapsed();
            return Ok(Stream::Plain(stream));
        };
        let done = match client.handshake(stream, &self.name) {
            Ok(done) => done,
            Err(failure) => {
                seen.failure = Some(failure);
                return Err(io::ErrorKind::InvalidInput.into());
            }
        };
        seen.times.pretransfer = self.begun.elapsed();
        seen.shown = done.shown;
        Ok(Stream::Tls(Box::new(done.stream?)))
    }
}

impl Connector for Probe {
    type Out = StreamTransport<Stream>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = self.stream(&mut seen)?;
        let has_tls = self.tls.is_some();
        Ok(Some(StreamTransport::new(stream, has_tls, details)))
    }
}

/// A connection with or without TLS.
enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::Stream>),
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(from),
            Self::Tls(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
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

    #[test]
    fn a_secret_is_no_argument() {
        assert!(public_header("X-Probe: 1").is_ok());
        for bad in [
            "Authorization: Bearer x",
            "cookie:x",
            "X",
            "X y: z",
            "X: a\nb",
        ] {
            assert!(public_header(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            for text in [&text, &format!("http://{text}"), &format!("https://a{text}")] {
                drop(text.parse::<Url>());
                drop(text.parse::<Header>());
            }
        }
    }
}
