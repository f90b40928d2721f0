//! What may stand below the settings key `slack`.

use serde_json::Value;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use ureq::http::Uri;
use venus_event::Attributes;
use venus_settings::{DEFAULT_DIR, DEFAULT_FILE, Sources};

/// Settings of the community's handler that change the text of the message and
/// that this handler does not have yet.
const TEMPLATES: [&str; 3] = ["template", "message_template", "payload_template"];
/// Likewise for the way to Slack.
const PROXY: [&str; 4] = [
    "proxy_address",
    "proxy_port",
    "proxy_username",
    "proxy_password",
];

/// The settings of one Slack webhook.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where messages are posted to.
    pub webhook_url: WebhookUrl,
    /// The channel, where neither client nor check names one.
    pub channel: Option<String>,
    /// The name that messages are posted under.
    pub bot_name: Option<String>,
    /// `:name:` of the icon; Slack prefers it to `icon_url`.
    pub icon_emoji: Option<String>,
    /// Address of the icon.
    pub icon_url: Option<String>,
    /// What stands before the text, a blank between; the empty prefix is one too.
    pub message_prefix: Option<String>,
    /// What stands before and after the text without the prefix.
    pub surround: Option<String>,
    /// Whether Slack makes links of `@name` and `#channel`; passed on as it is.
    pub link_names: Option<Value>,
    /// Attributes of client or check that are shown below the text.
    pub fields: Vec<String>,
    /// Address of a dashboard that client and check link to.
    pub dashboard: Option<String>,
    /// How long one try may take.
    pub webhook_timeout: Duration,
    /// How often it is tried again.
    pub webhook_retries: u32,
    /// The pause between two tries.
    pub webhook_retry_sleep: Duration,
    /// A line for each setting that has no effect.
    pub warnings: Vec<String>,
}

/// What is wrong with the settings. No message repeats a value: it might be the
/// webhook's address, which is a secret.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No file has the key.
    #[error(
        "no settings key {key:?} in {places}: \
         add {{{key:?}: {{\"webhook_url\": \"https://hooks.slack.com/services/...\"}}}}"
    )]
    NoSection {
        /// The settings key.
        key: String,
        /// Where it was looked for.
        places: String,
    },
    /// The key has another value than an object.
    #[error("the settings key {key:?} must hold an object, {{\"webhook_url\": ...}}")]
    NotObject {
        /// The settings key.
        key: String,
    },
    /// The one setting without which nothing can be sent.
    #[error(
        "the settings key {key:?} has no \"webhook_url\", \
         the https:// address of Slack's incoming webhook{}",
        instead(unknown)
    )]
    NoUrl {
        /// The settings key.
        key: String,
        /// Settings that stand there and mean nothing, as a misspelt one would.
        unknown: Vec<String>,
    },
    /// Not an address.
    #[error("{key}.webhook_url must be an http:// or https:// address")]
    BadUrl {
        /// The settings key.
        key: String,
    },
    /// A setting of another type.
    #[error("{key}.{name} must be {wanted}")]
    WrongType {
        /// The settings key.
        key: String,
        /// The setting below it.
        name: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
}

/// Where settings were looked for: `FILE and DIR`.
fn places(sources: &Sources) -> String {
    let file = sources.file.as_deref().unwrap_or(DEFAULT_FILE.as_ref());
    let mut places = vec![file.display().to_string()];
    if sources.dirs.is_empty() {
        places.push(DEFAULT_DIR.to_owned());
    }
    places.extend(sources.dirs.iter().map(|dir| dir.display().to_string()));
    places.join(" and ")
}

fn instead(unknown: &[String]) -> String {
    if unknown.is_empty() {
        String::new()
    } else {
        format!(" (unknown there: {})", unknown.join(", "))
    }
}

/// An incoming webhook's address. Whoever knows it can post, so that neither
/// `Debug` nor any message shows more of it than the host.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl WebhookUrl {
    /// Reads an http or https address.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().filter(|host| !host.is_empty())?;
        // `Uri` has no port where the number is none or too large.
        let has_good_port = uri.port().is_some() || uri.authority()?.as_str().ends_with(host);
        (is_web && has_good_port).then_some(Self(uri))
    }

    /// The host, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or("")
    }

    /// The whole address, for the request alone.
    pub(crate) fn secret(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({}, ...)", self.host())
    }
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
                    places: places(sources),
                });
            }
        };
        let mut section = Section { key, attributes };
        let webhook_url = section.text("webhook_url")?;
        let retries = section.whole("webhook_retries", 0..=100, "a whole number, 0 to 100")?;
        Ok(Self {
            channel: section.text("channel")?,
            bot_name: section.text("bot_name")?,
            icon_emoji: section.text("icon_emoji")?,
            icon_url: section.text("icon_url")?,
            message_prefix: section.text("message_prefix")?,
            surround: section.text("surround")?,
            link_names: section.link_names()?,
            fields: section.texts("fields")?,
            dashboard: section.text("dashboard")?,
            webhook_timeout: section.seconds("webhook_timeout", 1, 10)?,
            webhook_retries: retries.unwrap_or(5),
            webhook_retry_sleep: section.seconds("webhook_retry_sleep", 0, 5)?,
            // All that is known has been taken out by now.
            warnings: section.warnings(),
            webhook_url: match webhook_url {
                Some(address) => WebhookUrl::parse(&address)
                    .ok_or_else(|| SettingsError::BadUrl { key: key.into() })?,
                None => {
                    return Err(SettingsError::NoUrl {
                        key: key.into(),
                        unknown: section.unknown().map(str::to_owned).collect(),
                    });
                }
            },
        })
    }
}

/// The object below the settings key; what is read is taken out, so that what
/// nobody knows is left over. `null` counts as absent.
struct Section<'a> {
    key: &'a str,
    attributes: Attributes,
}

impl Section<'_> {
    fn take<T>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        match self.attributes.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(SettingsError::WrongType {
                    key: self.key.to_owned(),
                    name,
                    wanted,
                }),
            },
        }
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, SettingsError> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn texts(&mut self, name: &'static str) -> Result<Vec<String>, SettingsError> {
        let texts = self.take(name, "an array of strings", |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str().map(str::to_owned)).collect()
        })?;
        Ok(texts.unwrap_or_default())
    }

    fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        wanted: &'static str,
    ) -> Result<Option<u32>, SettingsError> {
        self.take(name, wanted, |value| {
            let number = u32::try_from(value.as_u64()?).ok()?;
            range.contains(&number).then_some(number)
        })
    }

    fn seconds(
        &mut self,
        name: &'static str,
        least: u32,
        default: u32,
    ) -> Result<Duration, SettingsError> {
        let wanted = if least == 0 {
            "a whole number of seconds, 0 to 3600"
        } else {
            "a whole number of seconds, 1 to 3600"
        };
        let seconds = self.whole(name, least..=3600, wanted)?;
        Ok(Duration::from_secs(seconds.unwrap_or(default).into()))
    }

    fn link_names(&mut self) -> Result<Option<Value>, SettingsError> {
        let value = self.take("link_names", "0, 1, true or false", |value| {
            (value.is_boolean() || value.is_number()).then(|| value.clone())
        })?;
        Ok(value.filter(|value| *value != Value::Bool(false)))
    }

    /// Lines for what is not supported yet, which is taken out, and for the rest.
    fn warnings(&mut self) -> Vec<String> {
        let key = self.key;
        let mut lines = Vec::new();
        for name in TEMPLATES {
            if self.attributes.shift_remove(name).is_some() {
                lines.push(format!(
                    "{key}.{name} is not supported yet: the default message is sent"
                ));
            }
        }
        for name in PROXY {
            if self.attributes.shift_remove(name).is_some() {
                lines.push(format!(
                    "{key}.{name} is not supported yet: only a proxy in the environment is used"
                ));
            }
        }
        let unknown = self.unknown();
        lines.extend(unknown.map(|name| format!("{key}.{name} is no setting: ignored")));
        lines
    }

    fn unknown(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(section: &Value) -> Result<Settings, SettingsError> {
        let all = json!({ "slack": section }).as_object().unwrap().clone();
        Settings::from_section(all, "slack", &Sources::default())
    }

    fn complaint(section: &Value) -> String {
        read(section).unwrap_err().to_string()
    }

    #[test]
    fn one_setting_is_enough() {
        let settings = read(&json!({"webhook_url": "https://h/secret"})).unwrap();
        assert_eq!(settings.webhook_timeout, Duration::from_secs(10));
        assert_eq!(settings.webhook_retries, 5);
        assert_eq!(settings.webhook_retry_sleep, Duration::from_secs(5));
        assert_eq!(settings.warnings, [""; 0]);
    }

    #[test]
    fn without_the_key_the_message_says_what_belongs_where() {
        let error = Settings::from_section(Attributes::new(), "slack", &Sources::default());
        assert_eq!(
            error.unwrap_err().to_string(),
            "no settings key \"slack\" in /etc/sensu/config.json and /etc/sensu/conf.d: \
             add {\"slack\": {\"webhook_url\": \"https://hooks.slack.com/services/...\"}}"
        );
        assert_eq!(
            complaint(&json!("https://h/secret")),
            "the settings key \"slack\" must hold an object, {\"webhook_url\": ...}"
        );
    }

    #[test]
    fn without_the_address_the_misspelt_one_is_named() {
        assert_eq!(
            complaint(&json!({"webhok_url": "https://h/secret", "channel": "#c"})),
            "the settings key \"slack\" has no \"webhook_url\", \
             the https:// address of Slack's incoming webhook (unknown there: webhok_url)"
        );
    }

    #[test]
    fn a_bad_address_is_not_repeated() {
        for address in [
            "",
            "secret",
            "ftp://h/secret",
            "https:///secret",
            "https://h:99999/secret",
            "https://h/ secret",
        ] {
            assert_eq!(
                complaint(&json!({ "webhook_url": address })),
                "slack.webhook_url must be an http:// or https:// address"
            );
        }
    }

    #[test]
    fn wrong_types_are_named_with_what_belongs_there() {
        for (name, value, wanted) in [
            ("channel", json!(["#a"]), "a string"),
            ("fields", json!("rack"), "an array of strings"),
            ("fields", json!([1]), "an array of strings"),
            ("link_names", json!("yes"), "0, 1, true or false"),
            (
                "webhook_timeout",
                json!(0),
                "a whole number of seconds, 1 to 3600",
            ),
            (
                "webhook_timeout",
                json!("10"),
                "a whole number of seconds, 1 to 3600",
            ),
            (
                "webhook_retry_sleep",
                json!(0.5),
                "a whole number of seconds, 0 to 3600",
            ),
            ("webhook_retries", json!(-1), "a whole number, 0 to 100"),
        ] {
            assert_eq!(
                complaint(&json!({"webhook_url": "https://h/", name: value})),
                format!("slack.{name} must be {wanted}")
            );
        }
    }

    #[test]
    fn a_setting_without_effect_is_never_silent() {
        let settings = read(&json!({
            "webhook_url": "https://h/",
            "template": "/t.erb",
            "proxy_port": 3128,
            "chanel": "#sensu",
        }));
        assert_eq!(
            settings.unwrap().warnings,
            [
                "slack.template is not supported yet: the default message is sent",
                "slack.proxy_port is not supported yet: only a proxy in the environment is used",
                "slack.chanel is no setting: ignored",
            ]
        );
    }

    #[test]
    fn null_counts_as_absent_and_an_empty_prefix_does_not() {
        let settings = read(&json!({
            "webhook_url": "https://h/", "channel": null, "link_names": false, "message_prefix": "",
        }))
        .unwrap();
        assert_eq!((settings.channel, settings.link_names), (None, None));
        assert_eq!(settings.message_prefix.as_deref(), Some(""));
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let settings = read(&json!({"webhook_url": "https://me:pass@h:8443/secret?k=secret"}));
        let shown = format!("{:?}", settings.unwrap());
        assert!(shown.contains("WebhookUrl(h, ...)"), "{shown}");
        assert!(
            !shown.contains("secret") && !shown.contains("pass"),
            "{shown}"
        );
    }
}
