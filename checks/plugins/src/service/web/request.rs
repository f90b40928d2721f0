//! What is to be asked: the arguments, and the request that they mean.

use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use ureq::http::{HeaderName, HeaderValue, Method, Request, Uri, header};

use super::Url;
use crate::context::{Context, Failure};
use crate::service::http::secret;

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

/// The request.
pub(super) fn request(
    url: &Url,
    matches: &ArgMatches,
    context: &Context,
) -> Result<Request<()>, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            drop(text.parse::<Header>());
        }
    }
}
