//! What may stand below the settings key `graphite`.

use crate::path::{self, PathFault};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use venus_event::Attributes;
use venus_settings::{Section, Sources, WrongType};
use venus_spool::Bounds;

/// How lines go to Carbon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Lines over TCP.
    Plaintext,
    /// Python's pickles over TCP, which Carbon reads faster.
    Pickle,
    /// Lines in datagrams. Nobody learns whether they arrive.
    Udp,
}

/// What becomes of a measurement's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// Their values are the last nodes of the path, in the order of their names.
    Path,
    /// They become tags of Carbon 1.1, `;NAME=VALUE`.
    Graphite,
}

/// TLS, always verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom we trust, instead of the system's authorities.
    pub cacert: Option<PathBuf>,
    /// Certificate chain and key, where the other side wants to know who we are.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Where lines go, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name or address of the host that Carbon listens on.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How lines go there.
    pub protocol: Protocol,
    /// TLS, for what stands before Carbon.
    pub tls: Option<Tls>,
    /// How long Carbon may be without a sign of progress.
    pub timeout: Duration,
}

/// The settings of one Carbon.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where lines go.
    pub target: Target,
    /// What stands before each path, without the dot.
    pub prefix: Option<String>,
    /// Whether the client stands before the paths of Graphite lines, too.
    pub prefix_source: bool,
    /// Whether a client `a.b.c` is `c.b.a` in paths.
    pub reverse: bool,
    /// What becomes of tags.
    pub tags: Tags,
    /// How often it is tried again.
    pub retry_limit: u32,
    /// The pause before the first of these tries; it doubles with each.
    pub retry_delay: Duration,
    /// Where lines wait.
    pub spool_dir: PathBuf,
    /// How many, and for how long.
    pub spool: Bounds,
    /// For how long lines that Carbon took are kept, to be sent again where it went away.
    pub repeat: Duration,
    /// A line for each setting that has no effect.
    pub warnings: Vec<String>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No file has the key.
    #[error("no settings key {key:?} in {places}: add {{{key:?}: {{\"host\": \"127.0.0.1\"}}}}")]
    NoSection {
        /// The settings key.
        key: String,
        /// Where it was looked for.
        places: String,
    },
    /// The key has another value than an object.
    #[error("the settings key {key:?} must hold an object, {{\"host\": \"127.0.0.1\"}}")]
    NotObject {
        /// The settings key.
        key: String,
    },
    /// A setting of another type.
    #[error(transparent)]
    WrongType(#[from] WrongType),
    /// The prefix cannot begin a path. It may be a key of Hosted Graphite's and is not repeated.
    #[error("{key}.prefix: {fault}")]
    Prefix {
        /// The settings key.
        key: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// TLS for datagrams.
    #[error("{key}.tls needs the protocol plaintext or pickle: there is no TLS over udp")]
    TlsOverUdp {
        /// The settings key.
        key: String,
    },
}

impl Settings {
    /// Reads what stands below `key` in `all`, which came from `sources`.
    pub fn from_section(
        mut all: Attributes,
        key: &str,
        sources: &Sources,
    ) -> Result<Self, SettingsError> {
        let attributes = match all.swap_remove(key) {
            Some(Value::Object(attributes)) => attributes,
            Some(_) => return Err(SettingsError::NotObject { key: key.into() }),
            None => {
                return Err(SettingsError::NoSection {
                    key: key.into(),
                    places: sources.places(),
                });
            }
        };
        let mut section = Section::new(key, attributes);
        let default = Bounds::default();
        let bytes = section.whole(
            "spool_bytes",
            1 << 20..=1 << 40,
            "a whole number of bytes, 1 MiB or more",
        )?;
        Ok(Self {
            target: target(&mut section)?,
            prefix: prefix(&mut section)?,
            prefix_source: section.flag("prefix_source")?,
            reverse: section.flag("reverse")?,
            tags: section
                .take("tags", r#""path" or "graphite""#, |value| {
                    match value.as_str()? {
                        "path" => Some(Tags::Path),
                        "graphite" => Some(Tags::Graphite),
                        _ => None,
                    }
                })?
                .unwrap_or(Tags::Path),
            retry_limit: section
                .whole("retry_limit", 0..=100, "a whole number, 0 to 100")?
                .and_then(|limit| u32::try_from(limit).ok())
                .unwrap_or(3),
            retry_delay: section
                .seconds("retry_delay", 0)?
                .unwrap_or(Duration::from_secs(1)),
            spool_dir: section.spool_dir()?,
            spool: Bounds {
                age: section
                    .whole(
                        "spool_age",
                        1..=31_536_000,
                        "a whole number of seconds, at most a year",
                    )?
                    .map_or(default.age, Duration::from_secs),
                bytes: bytes.unwrap_or(default.bytes),
            },
            repeat: section
                .seconds("repeat", 0)?
                .unwrap_or(Duration::from_mins(1)),
            // All that is known has been taken out by now.
            warnings: section.warnings(),
        })
    }
}

fn target(section: &mut Section<'_>) -> Result<Target, SettingsError> {
    let protocol = section
        .take(
            "protocol",
            r#""plaintext", "pickle" or "udp""#,
            |value| match value.as_str()? {
                "plaintext" => Some(Protocol::Plaintext),
                "pickle" => Some(Protocol::Pickle),
                "udp" => Some(Protocol::Udp),
                _ => None,
            },
        )?
        .unwrap_or(Protocol::Plaintext);
    let port = section.whole("port", 1..=65_535, "a port, 1 to 65535")?;
    let tls = section.take(
        "tls",
        r#"true, false or {"cacert": FILE, "cert_chain_file": FILE, "private_key_file": FILE}"#,
        |value| match value {
            Value::Bool(wanted) => Some(wanted.then(Tls::default)),
            value => tls(value).map(Some),
        },
    )?;
    let tls = tls.flatten();
    if tls.is_some() && protocol == Protocol::Udp {
        return Err(SettingsError::TlsOverUdp {
            key: section.key().to_owned(),
        });
    }
    let host = section.take("host", "a name or an address", |value| {
        let host = value.as_str()?;
        (!host.is_empty() && !host.contains(char::is_whitespace)).then(|| host.to_owned())
    })?;
    let usual = if protocol == Protocol::Pickle {
        2004
    } else {
        2003
    };
    Ok(Target {
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(usual),
        protocol,
        tls,
        timeout: section
            .seconds("timeout", 1)?
            .unwrap_or(Duration::from_secs(10)),
    })
}

fn tls(value: &Value) -> Option<Tls> {
    let attributes = value.as_object()?;
    let file = |name: &str| -> Option<Option<PathBuf>> {
        match attributes.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => Some(Some(value.as_str()?.into())),
        }
    };
    let known = ["cacert", "cert_chain_file", "private_key_file"];
    if attributes
        .keys()
        .any(|name| !known.contains(&name.as_str()))
    {
        return None;
    }
    let identity = match (file("cert_chain_file")?, file("private_key_file")?) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, None) => None,
        _ => return None,
    };
    Some(Tls {
        cacert: file("cacert")?,
        identity,
    })
}

fn prefix(section: &mut Section<'_>) -> Result<Option<String>, SettingsError> {
    let prefix = section.text("prefix")?;
    // The dot that follows is often given with it.
    let prefix = prefix.map(|prefix| prefix.strip_suffix('.').unwrap_or(&prefix).to_owned());
    let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) else {
        return Ok(None);
    };
    path::check_name(&prefix).map_err(|fault| SettingsError::Prefix {
        key: section.key().to_owned(),
        fault,
    })?;
    Ok(Some(prefix))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    fn read(section: &Value) -> Result<Settings, SettingsError> {
        let all = json!({ "graphite": section }).as_object().unwrap().clone();
        Settings::from_section(all, "graphite", &Sources::default())
    }

    /// Settings of which nothing is wrong.
    pub(crate) fn settings(section: &Value) -> Settings {
        read(section).unwrap()
    }

    fn complaint(section: &Value) -> String {
        read(section).unwrap_err().to_string()
    }

    #[test]
    fn no_setting_is_needed() {
        let settings = settings(&json!({}));
        let Target {
            host,
            port,
            protocol,
            tls,
            timeout,
        } = settings.target;
        assert_eq!((host.as_str(), port), ("127.0.0.1", 2003));
        assert_eq!(
            (protocol, tls, timeout.as_secs()),
            (Protocol::Plaintext, None, 10)
        );
        assert_eq!(
            (settings.retry_limit, settings.retry_delay.as_secs()),
            (3, 1)
        );
        assert_eq!(
            settings.spool_dir,
            PathBuf::from("/var/spool/venus/graphite")
        );
        assert_eq!(settings.spool, Bounds::default());
        assert_eq!((settings.prefix, settings.repeat.as_secs()), (None, 60));
        assert_eq!(settings.warnings, [""; 0]);
    }

    #[test]
    fn pickles_have_a_port_of_their_own_and_each_key_a_spool() {
        let settings = settings(&json!({"protocol": "pickle", "prefix": "a.b.", "port": null}));
        assert_eq!(settings.target.port, 2004);
        assert_eq!(settings.prefix.as_deref(), Some("a.b"));
        assert_eq!(
            Section::new("graphite2", Attributes::new()).default_spool_dir(),
            PathBuf::from("/var/spool/venus/graphite2")
        );
        assert_eq!(
            Section::new("../a.b", Attributes::new()).default_spool_dir(),
            PathBuf::from("/var/spool/venus/___a_b")
        );
    }

    #[test]
    fn numbers_may_be_texts_as_the_examples_of_others_have_them() {
        let settings = settings(&json!({"port": "2013", "retry_limit": "0"}));
        assert_eq!((settings.target.port, settings.retry_limit), (2013, 0));
    }

    #[test]
    fn tls_is_a_switch_or_files() {
        for (tls, expected) in [
            (json!(true), Some(Tls::default())),
            (json!(false), None),
            (
                json!({"cacert": "/ca", "cert_chain_file": "/c", "private_key_file": "/k"}),
                Some(Tls {
                    cacert: Some("/ca".into()),
                    identity: Some(("/c".into(), "/k".into())),
                }),
            ),
        ] {
            assert_eq!(settings(&json!({ "tls": tls })).target.tls, expected);
        }
        for tls in [
            json!("yes"),
            json!({"ca": "/ca"}),
            json!({"cert_chain_file": "/c"}),
            json!({"cacert": 1}),
        ] {
            assert_eq!(
                complaint(&json!({ "tls": tls })),
                "graphite.tls must be true, false or {\"cacert\": FILE, \"cert_chain_file\": FILE, \
                 \"private_key_file\": FILE}"
            );
        }
        assert_eq!(
            complaint(&json!({"tls": true, "protocol": "udp"})),
            "graphite.tls needs the protocol plaintext or pickle: there is no TLS over udp"
        );
    }

    #[test]
    fn without_the_key_the_message_says_what_belongs_where() {
        let error = Settings::from_section(Attributes::new(), "graphite", &Sources::default());
        assert_eq!(
            error.unwrap_err().to_string(),
            "no settings key \"graphite\" in /etc/sensu/config.json and /etc/sensu/conf.d: \
             add {\"graphite\": {\"host\": \"127.0.0.1\"}}"
        );
        assert_eq!(
            complaint(&json!("127.0.0.1")),
            "the settings key \"graphite\" must hold an object, {\"host\": \"127.0.0.1\"}"
        );
    }

    #[test]
    fn wrong_types_are_named_with_what_belongs_there() {
        let seconds = "a whole number of seconds, 0 to 3600";
        for (name, value, wanted) in [
            ("host", json!(7), "a name or an address"),
            ("host", json!("a b"), "a name or an address"),
            ("port", json!(0), "a port, 1 to 65535"),
            ("port", json!(65_536), "a port, 1 to 65535"),
            ("prefix_source", json!("x"), "true or false"),
            ("reverse", json!(1), "true or false"),
            ("tags", json!("x"), "\"path\" or \"graphite\""),
            (
                "protocol",
                json!("tcp"),
                "\"plaintext\", \"pickle\" or \"udp\"",
            ),
            ("timeout", json!(0), "a whole number of seconds, 1 to 3600"),
            ("retry_delay", json!(0.5), seconds),
            ("repeat", json!(-1), seconds),
            ("retry_limit", json!(101), "a whole number, 0 to 100"),
            ("spool_dir", json!(["/x"]), "a string"),
            (
                "spool_age",
                json!(0),
                "a whole number of seconds, at most a year",
            ),
            (
                "spool_bytes",
                json!(1),
                "a whole number of bytes, 1 MiB or more",
            ),
        ] {
            assert_eq!(
                complaint(&json!({ name: value })),
                format!("graphite.{name} must be {wanted}")
            );
        }
    }

    #[test]
    fn a_bad_prefix_may_be_a_key_and_is_not_repeated() {
        assert_eq!(
            complaint(&json!({"prefix": "top secret"})),
            "graphite.prefix: ' ' cannot stand in a path"
        );
        assert_eq!(
            complaint(&json!({"prefix": "a..b"})),
            "graphite.prefix: a node of the path is empty"
        );
    }

    #[test]
    fn a_setting_without_effect_is_never_silent() {
        assert_eq!(
            settings(&json!({"hosts": "a"})).warnings,
            ["graphite.hosts is no setting: ignored"]
        );
    }
}
