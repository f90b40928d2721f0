//! The proxy on the way to Slack.

use super::{Secret, SettingsError};
use venus_settings::Section;

/// A proxy that HTTP goes through.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its name or address; that of IPv6 in brackets.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// User and password, where it wants to know.
    pub login: Option<(String, Secret)>,
}

/// What squid listens at.
const DEFAULT_PORT: u16 = 3128;

/// Reads it from its settings. One that cannot be understood is an error: without it, messages
/// would go another way than the admin wants.
pub(super) fn read(section: &mut Section<'_>) -> Result<Option<Proxy>, SettingsError> {
    let wanted = "a host, HOST:PORT or http://HOST:PORT";
    let address = section.take("proxy_address", wanted, |value| {
        match value.as_str()?.trim() {
            "" => Some(None),
            address => parse(address).map(Some),
        }
    })?;
    let port = section.whole("proxy_port", 1..=65535, "a whole number, 1 to 65535")?;
    let port = port.and_then(|port| u16::try_from(port).ok());
    let user = section.text("proxy_username")?;
    let password = section.text("proxy_password")?.unwrap_or_default();
    Ok(address.flatten().map(|(address, own_port)| Proxy {
        address,
        port: port.or(own_port).unwrap_or(DEFAULT_PORT),
        login: user.map(|user| (user, Secret::new(password))),
    }))
}

/// Host and port, if this is either.
fn parse(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.strip_prefix("http://").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = split(text)?;
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    Some((host, port))
}

fn split(text: &str) -> Option<(String, Option<&str>)> {
    let is_ipv6 = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    if is_ipv6(text) {
        return Some((format!("[{text}]"), None));
    }
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':')?),
        };
        return is_ipv6(host).then(|| (format!("[{host}]"), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_of_name)).then(|| (host.to_owned(), port))
}

impl Proxy {
    /// As the HTTP library wants it.
    pub(crate) fn build(&self) -> Option<ureq::Proxy> {
        let mut builder = ureq::Proxy::builder(ureq::ProxyProtocol::Http)
            .host(&self.address)
            .port(self.port);
        if let Some((user, password)) = &self.login {
            builder = builder.username(user).password(password.secret());
        }
        builder.build().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, section};
    use serde_json::json;

    #[test]
    fn what_can_be_a_proxy_is_one() {
        for (address, host, port) in [
            ("proxy.example.org", "proxy.example.org", 3128),
            ("proxy:8080", "proxy", 8080),
            ("http://10.0.2.2:8080/", "10.0.2.2", 8080),
            ("::1", "[::1]", 3128),
            ("[::1]", "[::1]", 3128),
            ("[fe80::1]:8080", "[fe80::1]", 8080),
        ] {
            let proxy = section(&json!({ "proxy_address": address })).proxy.unwrap();
            assert_eq!((proxy.address.as_str(), proxy.port), (host, port));
            let built = proxy.build().unwrap();
            assert_eq!((built.host(), built.port()), (host, port));
        }
        let both = json!({"proxy_address": "proxy:1", "proxy_port": 2});
        assert_eq!(section(&both).proxy.unwrap().port, 2);
        assert!(section(&json!({"proxy_address": ""})).proxy.is_none());
    }

    #[test]
    fn what_cannot_is_refused_and_never_passed_by() {
        for address in [
            "no such host",
            "proxy:",
            "proxy:0",
            "proxy:99999",
            "socks5://proxy",
            "me:secret@proxy",
            "[::1",
            "[proxy]",
            "a:b:c",
        ] {
            assert_eq!(
                complaint(&json!({"webhook_url": "https://h/", "proxy_address": address})),
                "slack.proxy_address must be a host, HOST:PORT or http://HOST:PORT"
            );
        }
    }
}
