//! What may stand below the settings key `slack`.

mod secret;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use venus_event::{Attributes, Severity};
use venus_settings::{DEFAULT_DIR, DEFAULT_FILE, Section, Sources, WrongType};
use venus_spool::Bounds;

pub use secret::{Token, WebhookUrl};

/// Where messages wait that are not delivered yet.
pub const DEFAULT_SPOOL: &str = "/var/spool/venus/slack";
/// Where Slack's Web API is.
const DEFAULT_API: &str = "https://slack.com/api/";
/// Variables of the environment that win over a setting, as the handler of Sensu Go has them.
const OVERRIDES: [(&str, &str); 4] = [
    ("SLACK_WEBHOOK_URL", "webhook_url"),
    ("SLACK_CHANNEL", "channel"),
    ("SLACK_USERNAME", "bot_name"),
    ("SLACK_ICON_URL", "icon_url"),
];

/// By what messages are posted.
#[derive(Debug, Clone)]
pub enum Access {
    /// An incoming webhook, which takes messages and nothing else.
    Webhook(WebhookUrl),
    /// The Web API, which also changes messages, and answers below them.
    Bot {
        /// Where it is: `https://slack.com/api/`.
        api: WebhookUrl,
        /// Who we are.
        token: Token,
    },
}

impl Access {
    /// The host that is asked, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Webhook(url) | Self::Bot { api: url, .. } => url.host(),
        }
    }
}

/// A proxy that HTTP goes through.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its name or address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// User and password, where it wants to know.
    pub login: Option<(String, Token)>,
}

/// The settings of one Slack webhook or bot.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How messages are posted.
    pub access: Access,
    /// The channels, where neither client nor check names one.
    pub channels: Vec<String>,
    /// Which states are announced, and their end.
    pub severities: Vec<Severity>,
    /// The file that words the message.
    pub template: Option<PathBuf>,
    /// The file that makes the whole payload.
    pub payload_template: Option<PathBuf>,
    /// The way to Slack; where there is none, that of the environment.
    pub proxy: Option<Proxy>,
    /// The authorities that TLS trusts, PEM; where there is none, Mozilla's.
    pub cacert: Option<PathBuf>,
    /// Where messages wait.
    pub spool_dir: PathBuf,
    /// How much may wait there.
    pub bounds: Bounds,
    /// How long messages of the same check are collected to become one.
    pub group_window: Duration,
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
    #[error("{key}.{name} must be an http:// or https:// address")]
    BadUrl {
        /// The settings key.
        key: String,
        /// The setting below it.
        name: &'static str,
    },
    /// A setting of another type.
    #[error(transparent)]
    WrongType(#[from] WrongType),
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

impl Settings {
    /// Reads what stands below `key` in `all`, which came from `sources`; `env` gives a variable of
    /// the environment.
    pub fn from_section(
        mut all: Attributes,
        key: &str,
        sources: &Sources,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let overrides = OVERRIDES.map(|(name, setting)| (setting, env(name)));
        let mut attributes = match all.swap_remove(key) {
            Some(Value::Object(attributes)) => attributes,
            Some(_) => return Err(SettingsError::NotObject { key: key.into() }),
            None if overrides.iter().any(|(_, value)| value.is_some()) => Attributes::new(),
            None => {
                return Err(SettingsError::NoSection {
                    key: key.into(),
                    places: places(sources),
                });
            }
        };
        for (setting, value) in overrides {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.insert(setting.to_owned(), json!(value));
            }
        }
        let mut section = Section::new(key, attributes);
        let access = access(&mut section)?;
        let retries = section.whole("webhook_retries", 0..=100, "a whole number, 0 to 100")?;
        let template = section.path("template")?;
        let bounds = Bounds::default();
        let mut settings = Self {
            channels: section.text_or_texts("channel")?,
            severities: severities(&mut section)?,
            template: section.path("message_template")?.or(template),
            payload_template: section.path("payload_template")?,
            proxy: proxy(&mut section)?,
            cacert: section.path("cacert")?,
            spool_dir: section
                .path("spool_dir")?
                .unwrap_or_else(|| DEFAULT_SPOOL.into()),
            bounds: Bounds {
                age: section
                    .whole("spool_age", 1..=31_536_000, "a whole number of seconds")?
                    .map_or(bounds.age, Duration::from_secs),
                bytes: section
                    .whole("spool_bytes", 1024..=1 << 40, "a whole number of bytes")?
                    .unwrap_or(bounds.bytes),
            },
            group_window: section.seconds("group_window", 0)?.unwrap_or_default(),
            bot_name: section.text("bot_name")?,
            icon_emoji: section.text("icon_emoji")?,
            icon_url: section.text("icon_url")?,
            message_prefix: section.text("message_prefix")?,
            surround: section.text("surround")?,
            link_names: link_names(&mut section)?,
            fields: section.texts("fields")?,
            dashboard: section.text("dashboard")?,
            webhook_timeout: section
                .seconds("webhook_timeout", 1)?
                .unwrap_or(Duration::from_secs(10)),
            webhook_retries: retries.and_then(|one| u32::try_from(one).ok()).unwrap_or(5),
            webhook_retry_sleep: section
                .seconds("webhook_retry_sleep", 0)?
                .unwrap_or(Duration::from_secs(5)),
            warnings: Vec::new(),
            access: match access {
                Some(access) => access,
                None => {
                    return Err(SettingsError::NoUrl {
                        key: key.into(),
                        unknown: section.unknown().map(str::to_owned).collect(),
                    });
                }
            },
        };
        // All that is known has been taken out by now.
        settings.warnings = section.warnings();
        Ok(settings)
    }
}

/// The bot's token wins over the webhook, as it can do more.
fn access(section: &mut Section<'_>) -> Result<Option<Access>, SettingsError> {
    let key = section.key();
    let url = |text: String, name: &'static str| {
        WebhookUrl::parse(&text).ok_or_else(|| SettingsError::BadUrl {
            key: key.to_owned(),
            name,
        })
    };
    let webhook = section.text("webhook_url")?;
    let webhook = webhook.map(|text| url(text, "webhook_url")).transpose()?;
    let api = section.text("api_url")?;
    let api = url(api.unwrap_or_else(|| DEFAULT_API.to_owned()), "api_url")?;
    let token = section.text("token")?.map(Token::new);
    Ok(match (token, webhook) {
        (Some(token), _) => Some(Access::Bot { api, token }),
        (None, Some(webhook)) => Some(Access::Webhook(webhook)),
        (None, None) => None,
    })
}

fn proxy(section: &mut Section<'_>) -> Result<Option<Proxy>, SettingsError> {
    let address = section.text("proxy_address")?;
    let port = section.whole("proxy_port", 1..=65535, "a whole number, 1 to 65535")?;
    let user = section.text("proxy_username")?;
    let password = section.text("proxy_password")?;
    Ok(address.map(|address| Proxy {
        address,
        // What squid listens at.
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(3128),
        login: user.map(|user| (user, Token::new(password.unwrap_or_default()))),
    }))
}

fn link_names(section: &mut Section<'_>) -> Result<Option<Value>, WrongType> {
    let value = section.take("link_names", "0, 1, true or false", |value| {
        (value.is_boolean() || value.is_number()).then(|| value.clone())
    })?;
    Ok(value.filter(|value| *value != Value::Bool(false)))
}

fn severities(section: &mut Section<'_>) -> Result<Vec<Severity>, WrongType> {
    let wanted = "an array of ok, warning, critical, unknown";
    let severities = section.take("severities", wanted, |value| {
        let names = value.as_array()?.iter();
        names.map(|name| severity(name.as_str()?)).collect()
    })?;
    Ok(severities.unwrap_or_else(|| vec![Severity::Warning, Severity::Critical]))
}

fn severity(name: &str) -> Option<Severity> {
    let all = [
        Severity::Ok,
        Severity::Warning,
        Severity::Critical,
        Severity::Unknown,
    ];
    all.into_iter()
        .find(|severity| severity.to_string().eq_ignore_ascii_case(name))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings that have these, and a webhook.
    pub(crate) fn section(more: &Value) -> Settings {
        let mut section = json!({"webhook_url": "https://h/"});
        let more = more.as_object().unwrap().clone();
        section.as_object_mut().unwrap().extend(more);
        read(&section).unwrap()
    }

    fn read(section: &Value) -> Result<Settings, SettingsError> {
        let all = json!({ "slack": section }).as_object().unwrap().clone();
        Settings::from_section(all, "slack", &Sources::default(), &|_| None)
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
        let error =
            Settings::from_section(Attributes::new(), "slack", &Sources::default(), &|_| None);
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
            ("channel", json!(7), "an array of strings"),
            ("bot_name", json!(["x"]), "a string"),
            (
                "severities",
                json!(["bad"]),
                "an array of ok, warning, critical, unknown",
            ),
            (
                "template",
                json!("t.erb"),
                "the path of a file or folder, from / on",
            ),
            ("proxy_port", json!(0), "a whole number, 1 to 65535"),
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
                json!("10 s"),
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
            "chanel": "#sensu",
        }));
        assert_eq!(
            settings.unwrap().warnings,
            ["slack.chanel is no setting: ignored"]
        );
    }

    #[test]
    fn null_counts_as_absent_and_an_empty_prefix_does_not() {
        let settings = read(&json!({
            "webhook_url": "https://h/", "channel": null, "link_names": false, "message_prefix": "",
        }))
        .unwrap();
        assert_eq!((settings.channels.len(), settings.link_names), (0, None));
        assert_eq!(settings.message_prefix.as_deref(), Some(""));
    }

    #[test]
    fn the_environment_wins_as_with_the_handler_of_sensu_go() {
        let env = |name: &str| match name {
            "SLACK_WEBHOOK_URL" => Some("https://e/".to_owned()),
            "SLACK_CHANNEL" => Some("#env".to_owned()),
            "SLACK_USERNAME" => Some(String::new()),
            _ => None,
        };
        let sources = Sources::default();
        let settings = Settings::from_section(Attributes::new(), "slack", &sources, &env).unwrap();
        assert_eq!(settings.access.host(), "e");
        assert_eq!(settings.channels, ["#env"]);
        let all = json!({"slack": {"webhook_url": "https://h/", "bot_name": "b"}});
        let all = all.as_object().unwrap().clone();
        let settings = Settings::from_section(all, "slack", &sources, &env).unwrap();
        assert_eq!(settings.access.host(), "e");
        assert_eq!(settings.bot_name.as_deref(), Some("b"));
    }

    #[test]
    fn a_bots_token_wins_over_the_webhook() {
        let settings = read(&json!({"webhook_url": "https://h/", "token": "xoxb-secret"}));
        let settings = settings.unwrap();
        assert_eq!(settings.access.host(), "slack.com");
        assert!(!format!("{settings:?}").contains("xoxb"));
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
