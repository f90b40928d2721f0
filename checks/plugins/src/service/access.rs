//! Where a service of Sensu's is, and as whom to ask it: by the arguments, or by what Sensu's own
//! settings say.

use std::path::PathBuf;
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, value_parser};
use rustls::ClientConfig;

use crate::context::{Context, Failure};
use crate::service::http;
use crate::service::secret::Secret;
use crate::service::server::Server;
use crate::service::settings::{self, Entry, Service};
use crate::service::tls::{self, Tls};

/// Where it is, and as whom to ask.
pub struct Access {
    /// Where it listens.
    pub server: Server,
    /// As whom.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// The virtual host, of `RabbitMQ` only.
    pub vhost: Option<String>,
    /// How to encrypt, where that is wanted.
    pub tls: Option<Arc<ClientConfig>>,
}

/// `--server`, `--user`, `--password-file`, `--config` and those of TLS.
pub(super) fn arguments(default: &'static str, config: &'static str) -> Vec<Arg> {
    let mut all = vec![
        Arg::new("server")
            .long("server")
            .value_name("HOST:PORT")
            .default_value(default)
            .value_parser(|text: &str| text.parse::<Server>())
            .help("Where it listens; an IPv6 address in brackets"),
        Arg::new("user")
            .long("user")
            .alias("username")
            .value_name("NAME")
            .requires("password-file")
            .help("Who asks"),
        Arg::new("password-file")
            .long("password-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The file whose first line is the password"),
        Arg::new("config")
            .long("config")
            .value_name("PATH")
            .value_parser(value_parser!(PathBuf))
            .help(config),
    ];
    all.extend(tls::arguments());
    all
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(ValueSource::CommandLine)
}

/// Whom would be asked, and what says so.
pub struct Place {
    key: &'static str,
    /// The settings, and why they do not tell, if they do not.
    settings: Option<(PathBuf, Option<Failure>)>,
    /// Where it listens, if that is told.
    pub server: Option<Server>,
}

impl Place {
    /// What would be read to find out whom to ask, and then `asked`, each of which continues with the server.
    pub fn lines(&self, asked: &[String]) -> Vec<String> {
        let key = self.key;
        let mut lines = Vec::new();
        if let Some((path, failure)) = &self.settings {
            lines.push(format!("{key} of {}", path.display()));
            lines.extend(failure.as_ref().map(ToString::to_string));
        }
        let place = match &self.server {
            Some(server) => server.to_string(),
            None => "the server that it names".to_owned(),
        };
        lines.extend(asked.iter().map(|asked| format!("{asked} {place}")));
        lines
    }
}

/// Whom the arguments mean, without a look at it.
#[must_use]
pub fn place(service: &Service, matches: &ArgMatches, context: &Context) -> Place {
    let given = matches.get_one::<Server>("server").cloned();
    let path = matches.get_one::<PathBuf>("config").cloned();
    let (server, failure) = match entry(service, matches, context) {
        Ok(Some(entry)) if !is_given(matches, "server") => (Some(entry.server), None),
        Ok(_) => (given, None),
        Err(failure) => (given.filter(|_| is_given(matches, "server")), Some(failure)),
    };
    Place {
        key: service.key,
        settings: path.map(|path| (path, failure)),
        server,
    }
}

/// What the settings say, if there are any. Of several servers that of `--server` counts, or else the first.
fn entry(
    service: &Service,
    matches: &ArgMatches,
    context: &Context,
) -> Result<Option<Entry>, Failure> {
    let Some(path) = matches.get_one::<PathBuf>("config") else {
        return Ok(None);
    };
    let mut entries = settings::read(service, path, context)?;
    let server = matches.get_one::<Server>("server");
    let wanted = server.filter(|_| is_given(matches, "server"));
    let place = entries
        .iter()
        .position(|entry| Some(&entry.server) == wanted);
    Ok(Some(entries.swap_remove(place.unwrap_or(0))))
}

/// What the arguments mean. What is given beside `--config` counts more than what is said there.
pub fn access(
    service: &Service,
    matches: &ArgMatches,
    context: &Context,
) -> Result<Access, Failure> {
    let server = matches.get_one::<Server>("server").cloned();
    let server = server.ok_or_else(|| Failure::new("no --server given"))?;
    let by_settings = entry(service, matches, context)?;
    let tls = tls_of(matches, by_settings.as_ref())?;
    let tls = tls.map(|tls| tls.config(context)).transpose()?;
    let mut access = match by_settings {
        Some(entry) if is_given(matches, "server") => Access::new(entry, server, tls),
        Some(entry) => {
            let server = entry.server.clone();
            Access::new(entry, server, tls)
        }
        None => Access {
            server,
            user: None,
            password: None,
            vhost: None,
            tls,
        },
    };
    if let Some(user) = matches.get_one::<String>("user") {
        access.user = Some(user.clone());
    }
    if let Some(file) = matches.get_one::<PathBuf>("password-file") {
        access.password = Some(Secret::new(http::secret(file, context)?));
    }
    Ok(access)
}

impl Access {
    fn new(entry: Entry, server: Server, tls: Option<Arc<ClientConfig>>) -> Self {
        Self {
            server,
            user: entry.user,
            password: entry.password,
            vhost: entry.vhost,
            tls,
        }
    }

    /// What the service has said, without the password.
    pub(super) fn hide_in(&self, text: &str) -> String {
        match &self.password {
            Some(password) => password.hide_in(text),
            None => text.to_owned(),
        }
    }
}

fn tls_of(matches: &ArgMatches, by_settings: Option<&Entry>) -> Result<Option<Tls>, Failure> {
    let file = |name| matches.get_one::<PathBuf>(name).cloned();
    let (ca_file, identity) = (file("ca-file"), file("cert-file").zip(file("key-file")));
    let said = by_settings.and_then(|entry| entry.tls.clone());
    if said.is_none() && !matches.get_flag("tls") {
        return match identity {
            Some(_) => Err(Failure::new("--cert-file is of no use without --tls")),
            None => Ok(None),
        };
    }
    let is_unverified = by_settings.is_some_and(|entry| !entry.verify);
    if is_unverified && ca_file.is_none() {
        return Err(Failure::new(
            "the settings say that the server need not prove who it is (ssl.verify); \
             this does not trust just anybody: give who vouches for it with --ca-file",
        ));
    }
    let said = said.unwrap_or_default();
    Ok(Some(Tls {
        ca_file: ca_file.or(said.ca_file),
        identity: identity.or(said.identity),
    }))
}
