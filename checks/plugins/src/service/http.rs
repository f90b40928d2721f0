//! A service that is asked over HTTP, on TCP, TLS or a Unix socket.

use std::fmt;
use std::io;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgMatches, value_parser};
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::{Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::context::{Context, Failure};
use crate::deadline;
use crate::service::ServiceError;
use crate::service::secret::Secret;
use crate::service::unix::{NoResolver, UnixConnector};

/// How long an answer may be, in bytes: room for some 10,000 containers.
pub(super) const LONGEST: u64 = 32 << 20;

/// How much of an error's body is shown, in characters.
const SHOWN: usize = 200;

/// Where a service listens: `http://HOST:PORT`, `https://HOST:PORT`, both with a path if need be,
/// or `unix:///PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Net(String),
    Unix(PathBuf),
}

impl std::str::FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "use http://HOST:PORT, https://HOST:PORT or unix:///PATH";
        if let Some(path) = text.strip_prefix("unix://") {
            let path = Path::new(path);
            // As long as the system takes one, and without a null byte.
            let fits = SocketAddr::from_pathname(path).is_ok();
            let is_one = path.is_absolute() && path.file_name().is_some() && fits;
            return if is_one {
                Ok(Self(Place::Unix(path.to_owned())))
            } else {
                Err(FORM)
            };
        }
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') {
            return Err("a password in a URL shows in the list of processes; \
                 use --user and --password-file");
        }
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_web || authority.is_empty() || uri.query().is_some() {
            return Err(FORM);
        }
        Ok(Self(Place::Net(text.trim_end_matches('/').to_owned())))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Net(base) => formatter.write_str(base),
            Place::Unix(path) => write!(formatter, "unix://{}", path.display()),
        }
    }
}

/// `--url`, `--user`, `--password-file` and `--ca-file`.
#[must_use]
pub fn arguments(default: &'static str) -> [Arg; 4] {
    [
        Arg::new("url")
            .long("url")
            .value_name("URL")
            .default_value(default)
            .value_parser(|text: &str| text.parse::<Url>())
            .help("Where it listens: http://HOST:PORT, https://HOST:PORT or unix:///PATH"),
        Arg::new("user")
            .long("user")
            .value_name("NAME")
            .requires("password-file")
            .help("Who asks, where it wants to know"),
        Arg::new("password-file")
            .long("password-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .requires("user")
            .help("The file whose first line is the password"),
        Arg::new("ca-file")
            .long("ca-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Who vouches for its certificate, in PEM [default: whom this system trusts]"),
    ]
}

/// What `--url` says.
#[must_use]
pub fn url(matches: &ArgMatches) -> String {
    let url = matches.get_one::<Url>("url");
    url.map(ToString::to_string).unwrap_or_default()
}

/// A service that can be asked. It is not followed to another place, where its secrets would be
/// told to whoever listens there.
pub struct Http {
    agent: Agent,
    url: Url,
    headers: Vec<(header::HeaderName, String)>,
    /// What may be in no answer that is shown.
    secrets: Vec<Secret>,
}

impl Http {
    /// The one that the arguments mean.
    pub fn of(matches: &ArgMatches, context: &Context) -> Result<Self, Failure> {
        let url = matches.get_one::<Url>("url").cloned();
        let url = url.ok_or_else(|| Failure::new("no --url given"))?;
        let mut http = Self::new(
            url,
            matches.get_one("ca-file").map(PathBuf::as_path),
            context,
        )?;
        let user = matches.get_one::<String>("user");
        if let Some((user, file)) = user.zip(matches.get_one::<PathBuf>("password-file")) {
            http = http.with_login(user, secret(file, context)?);
        }
        Ok(http)
    }

    /// As this user.
    #[must_use]
    pub fn with_login(mut self, user: &str, password: String) -> Self {
        let word = STANDARD.encode(format!("{user}:{password}"));
        self.secrets.push(Secret::new(password));
        self.secrets.push(Secret::new(word.clone()));
        self.headers
            .push((header::AUTHORIZATION, format!("Basic {word}")));
        self
    }

    /// One at this place, whose certificate has to be vouched for by the given file, or else by
    /// the system's own.
    pub fn new(url: Url, ca_file: Option<&Path>, context: &Context) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent("venus-checks")
            // What a proxy answers says nothing of the service.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false);
        let agent = match &url.0 {
            Place::Unix(path) => {
                Agent::with_parts(config.build(), UnixConnector(path.clone()), NoResolver)
            }
            Place::Net(base) if base.starts_with("https:") => {
                let roots = trusted(ca_file, context)?;
                let tls = TlsConfig::builder().root_certs(roots).build();
                config.tls_config(tls).build().new_agent()
            }
            Place::Net(_) => config.build().new_agent(),
        };
        let headers = Vec::new();
        Ok(Self {
            agent,
            url,
            headers,
            secrets: Vec::new(),
        })
    }

    /// With a header, such as a token. Its value shows up nowhere.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.secrets.push(Secret::new(value.clone()));
        self.headers
            .push((header::HeaderName::from_static(name), value));
        self
    }

    /// Whatever was answered, without the secrets that were sent.
    fn hide(&self, text: &str) -> String {
        let hide = |text: String, secret: &Secret| secret.hide_in(&text);
        self.secrets.iter().fold(text.to_owned(), hide)
    }

    /// What it answers to GET with a status below 300, or what is wrong. The path begins with `/`.
    pub fn get(&self, path: &str, context: &Context) -> Result<Vec<u8>, ServiceError> {
        let answer = self.ask(path, context)?;
        self.accept(path, answer)
    }

    pub(super) fn accept(&self, path: &str, answer: Answer) -> Result<Vec<u8>, ServiceError> {
        if answer.status < 300 {
            return Ok(answer.body);
        }
        let advice = match answer.status {
            401 | 403 => "; give a user or token who may ask, see --help",
            _ => "",
        };
        Err(ServiceError::Unclear(format!(
            "{}{path} answers {}{advice}",
            self.url,
            self.hide(&answer.summary())
        )))
    }

    /// The same, read as JSON.
    pub fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        context: &Context,
    ) -> Result<T, ServiceError> {
        self.understand(path, &self.get(path, context)?)
    }

    /// The same of something that may be gone: `None` where it answers 404.
    pub fn json_if_there<T: DeserializeOwned>(
        &self,
        path: &str,
        context: &Context,
    ) -> Result<Option<T>, ServiceError> {
        let answer = self.ask(path, context)?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = self.accept(path, answer)?;
        self.understand(path, &body).map(Some)
    }

    pub(super) fn understand<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, ServiceError> {
        serde_json::from_slice(body)
            .map_err(|error| self.is_other(path, format!("what cannot be understood: {error}")))
    }

    /// It answers something that the service would not.
    pub fn is_other(&self, path: &str, what: impl fmt::Display) -> ServiceError {
        ServiceError::Unclear(format!(
            "{}{path} answers {}; is it the right service?",
            self.url,
            self.hide(&what.to_string())
        ))
    }

    /// What it answers to GET, whatever its status; within three quarters of the time that is left,
    /// so that whoever has more to ask can still do so.
    pub fn ask(&self, path: &str, context: &Context) -> Result<Answer, ServiceError> {
        let asking = format!("asking {}{path}", self.url);
        context.step(asking.clone());
        let uri = match &self.url.0 {
            Place::Net(base) => format!("{base}{path}"),
            Place::Unix(_) => format!("http://localhost{path}"),
        };
        let mut request = self.agent.get(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let within = context.time_left() * 3 / 4;
        let answer = deadline::within(within, move || {
            let mut response = request.call()?;
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(LONGEST);
            let body = body.read_to_vec()?;
            Ok(Answer { status, body })
        });
        match answer {
            Ok(Some(answer)) => answer.map_err(|error| self.error_of(&asking, error)),
            Ok(None) => Err(ServiceError::Unclear(format!(
                "{asking} failed: no answer within {:.1} s; see what hangs there, or give more \
                 with --timeout",
                within.as_secs_f64()
            ))),
            Err(error) => Err(ServiceError::io(&asking, &error)),
        }
    }

    fn error_of(&self, asking: &str, error: ureq::Error) -> ServiceError {
        match (&self.url.0, error) {
            (Place::Unix(_), ureq::Error::Io(error))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                ServiceError::Unclear(format!(
                    "{asking} failed: {error}; put this user into the group of that socket \
                     (of Docker: docker)"
                ))
            }
            (_, error) => error_of(asking, error),
        }
    }
}

pub(super) fn error_of(asking: &str, error: ureq::Error) -> ServiceError {
    let why = match error {
        ureq::Error::Io(error) => match rustls_error(&error) {
            Some(why) => why,
            None => return ServiceError::io(asking, &error),
        },
        ureq::Error::Rustls(error) => error.to_string(),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        // Its text has what was answered, of any length.
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => "it does not speak HTTP".to_owned(),
        other => other.to_string(),
    };
    let advice = if why.contains("certificate") {
        "; if that is the right one, give who vouches for it with --ca-file"
    } else {
        ""
    };
    ServiceError::Unclear(format!("{asking} failed: {why}{advice}"))
}

/// TLS fails as an input or output error that wraps the reason.
fn rustls_error(error: &std::io::Error) -> Option<String> {
    let inner = error.get_ref()?.to_string();
    inner.contains("certificate").then_some(inner)
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status: 200 and so on.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The status, and the beginning of what follows.
    #[must_use]
    pub fn summary(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let line = body.lines().map(str::trim).find(|line| !line.is_empty());
        match line {
            Some(line) => {
                let line: String = line.chars().take(SHOWN).collect();
                format!("{} \"{line}\"", self.status)
            }
            None => self.status.to_string(),
        }
    }
}

/// The first line of a file that holds a secret.
pub fn secret(file: &Path, context: &Context) -> Result<String, Failure> {
    let text = context.read(file)?;
    let text = String::from_utf8(text).map_err(|_| Failure::malformed(file, "it is not text"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::malformed(file, "its first line is empty"));
    }
    if line.chars().any(char::is_control) {
        let why = "its first line has a character that no secret has";
        return Err(Failure::malformed(file, why));
    }
    Ok(line.to_owned())
}

fn trusted(ca_file: Option<&Path>, context: &Context) -> Result<RootCerts, Failure> {
    let certificates: Vec<Certificate<'static>> = if let Some(file) = ca_file {
        let text = context.read(file)?;
        let mut found = Vec::new();
        for item in parse_pem(&text) {
            if let PemItem::Certificate(one) = item.map_err(|why| Failure::malformed(file, why))? {
                found.push(one);
            }
        }
        if found.is_empty() {
            return Err(Failure::malformed(file, "it has no certificate in PEM"));
        }
        found
    } else {
        context.step("reading the certificates that this system trusts");
        let native = rustls_native_certs::load_native_certs().certs;
        let own = |certificate| Certificate::from_der(certificate).to_owned();
        native.iter().map(|one| own(one)).collect()
    };
    Ok(RootCerts::Specific(Arc::new(certificates)))
}
