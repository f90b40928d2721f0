//! Where certificates are that somebody wants to know of: shown by a server, or in a file.

use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use crate::context::{Context, Failure};
use crate::service::ServiceError;
use crate::service::certificate::Certificate;
use crate::service::server::Server;
use crate::service::tls::inspect::{Client, Shown};

/// `--server`, `--server-name`, `--ca-file` and `--file`.
#[must_use]
pub fn arguments() -> [Arg; 4] {
    let file = |name: &'static str, help| {
        let argument = Arg::new(name).long(name).value_name("FILE");
        argument.value_parser(value_parser!(PathBuf)).help(help)
    };
    [
        Arg::new("server")
            .long("server")
            .value_name("HOST:PORT")
            .value_parser(|text: &str| text.parse::<Server>())
            .default_value("127.0.0.1:443")
            .help("The server to ask, which speaks TLS from the beginning"),
        Arg::new("server-name")
            .long("server-name")
            .value_name("NAME")
            .help("Ask for this host, whose certificate it has to be [default: that of --server]"),
        file(
            "ca-file",
            "Who vouches for its certificate, in PEM [default: whom this system trusts]",
        )
        .alias("cacert"),
        file(
            "file",
            "Look at the certificates of this file instead, in PEM",
        )
        .short('P')
        .alias("pem")
        .conflicts_with_all(["server", "server-name", "ca-file"]),
    ]
}

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// There.
    Server(Server),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Server(server) => server.fmt(formatter),
        }
    }
}

/// What `--file` or `--server` says.
#[must_use]
pub fn place(matches: &ArgMatches) -> Place {
    let file = matches.get_one::<PathBuf>("file").cloned();
    let server = || matches.get_one::<Server>("server").cloned();
    let file = file.map(Place::File);
    file.or_else(|| server().map(Place::Server))
        .unwrap_or_else(|| Place::File(PathBuf::new()))
}

/// Those of the file.
pub fn read(matches: &ArgMatches, context: &Context) -> Result<Vec<Certificate>, Failure> {
    let Some(file) = matches.get_one::<PathBuf>("file") else {
        return Err(Failure::new("no --file given"));
    };
    let text = context.read(file)?;
    Certificate::read_pem(&text).map_err(|why| Failure::malformed(file, why))
}

/// What a server shows.
pub fn ask(
    server: &Server,
    matches: &ArgMatches,
    context: &Context,
) -> Result<Result<Shown, ServiceError>, Failure> {
    let within = context.time_left();
    let stream = match server.connect(context, within) {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    let ca_file = matches.get_one("ca-file").map(PathBuf::as_path);
    let client = Client::new(ca_file, context)?;
    let asking = format!("asking {server} for its certificate");
    context.step(asking.clone());
    let name = matches.get_one::<String>("server-name");
    let done = client.handshake(stream, name.unwrap_or(&server.host))?;
    Ok(match (done.shown, done.stream) {
        (Some(shown), Ok(_)) => Ok(shown),
        // It may want to know who asks, which it says after it has shown its own.
        (Some(shown), Err(_)) if shown.is_proven || !shown.problems.is_empty() => Ok(shown),
        (_, Err(error)) => Err(ServiceError::io(asking, &error)),
        (None, Ok(_)) => Err(ServiceError::Unclear(format!(
            "{asking} failed: it has shown none"
        ))),
    })
}
