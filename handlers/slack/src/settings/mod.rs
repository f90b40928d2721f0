//! What may stand below the settings key `slack`.

mod proxy;
mod secret;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use venus_event::{Attributes, Severity};
use venus_settings::{Section, Sources, WrongType};
use venus_spool::Bounds;

pub use proxy::Proxy;
pub use secret::{Secret, SecretUrl};

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
    Webhook(SecretUrl),
    /// The Web API, which also changes messages, and answers below them.
    Bot {
        /// Where it is: `https://slack.com/api/`.
        api: SecretUrl,
        /// Who we are.
        token: Secret,
    },
}

impl Access {
    /// Where messages are posted to, or below which.
    #[must_use]
    pub fn url(&self) -> &SecretUrl {
        match self {
            Self::Webhook(url) | Self::Bot { api: url, .. } => url,
        }
    }

    /// The host that is asked, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url().host()
    }
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
    /// No token.
    #[error("{key}.token must be a bot's token, xoxb-..., without blanks")]
    BadToken {
        /// The settings key.
        key: String,
    },
    /// Whom a bot posts to is not in its token.
    #[error("{key}.token needs a channel: add \"channel\": \"#...\" to {key}")]
    NoChannel {
        /// The settings key.
        key: String,
    },
    /// Something without which nothing can be sent is of another type.
    #[error(transparent)]
    WrongType(#[from] WrongType),
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
                    places: sources.places(),
                });
            }
        };
        for (setting, value) in overrides {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.insert(setting.to_owned(), json!(value));
                if setting == "webhook_url" {
                    // Which would win over any webhook of the settings.
                    attributes.shift_remove("token");
                }
            }
        }
        let mut section = Section::new(key, attributes);
        let access = access(&mut section)?;
        let proxy = proxy::read(&mut section)?;
        let mut wrong = Vec::new();
        let wrong_ones = &mut wrong;
        let retries = section.whole("webhook_retries", 0..=100, "a whole number, 0 to 100");
        let retries = usable(retries, wrong_ones).and_then(|retries| u32::try_from(retries).ok());
        let template = usable(section.path("template"), wrong_ones);
        let age = section.whole("spool_age", 1..=31_536_000, "a whole number of seconds");
        let bytes = section.whole("spool_bytes", 1024..=1 << 40, "a whole number of bytes");
        let bounds = Bounds::default();
        let channels = usable(section.text_or_texts("channel"), wrong_ones);
        let mut settings = Self {
            channels: names(channels.iter().map(String::as_str)),
            severities: usable(severities(&mut section), wrong_ones)
                .unwrap_or_else(|| vec![Severity::Warning, Severity::Critical]),
            template: usable(section.path("message_template"), wrong_ones).or(template),
            payload_template: usable(section.path("payload_template"), wrong_ones),
            proxy,
            cacert: usable(section.path("cacert"), wrong_ones),
            spool_dir: usable(section.spool_dir().map(Some), wrong_ones)
                .unwrap_or_else(|| section.default_spool_dir()),
            bounds: Bounds {
                age: usable(age, wrong_ones).map_or(bounds.age, Duration::from_secs),
                bytes: usable(bytes, wrong_ones).unwrap_or(bounds.bytes),
            },
            group_window: usable(section.seconds("group_window", 0), wrong_ones)
                .unwrap_or_default(),
            bot_name: usable(section.text("bot_name"), wrong_ones),
            icon_emoji: usable(section.text("icon_emoji"), wrong_ones),
            icon_url: usable(section.text("icon_url"), wrong_ones),
            message_prefix: usable(section.text("message_prefix"), wrong_ones),
            surround: usable(section.text("surround"), wrong_ones),
            link_names: usable(link_names(&mut section), wrong_ones),
            fields: usable(section.texts("fields"), wrong_ones),
            dashboard: usable(section.text("dashboard"), wrong_ones),
            webhook_timeout: usable(section.seconds("webhook_timeout", 1), wrong_ones)
                .unwrap_or(Duration::from_secs(10)),
            webhook_retries: retries.unwrap_or(5),
            webhook_retry_sleep: usable(section.seconds("webhook_retry_sleep", 0), wrong_ones)
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
        if matches!(settings.access, Access::Bot { .. }) && settings.channels.is_empty() {
            return Err(SettingsError::NoChannel { key: key.into() });
        }
        // All that is known has been taken out by now.
        settings.warnings = [wrong, section.warnings()].concat();
        Ok(settings)
    }
}

/// A setting that cannot be used costs a line and what it stands for, not the alert.
fn usable<T: Default>(read: Result<T, WrongType>, wrong: &mut Vec<String>) -> T {
    read.unwrap_or_else(|error| {
        wrong.push(format!("{error}: ignored"));
        T::default()
    })
}

/// Names of channels: each once, and none that is empty.
pub(crate) fn names<'a>(given: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in given.map(str::trim).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The bot's token wins over the webhook, as it can do more.
fn access(section: &mut Section<'_>) -> Result<Option<Access>, SettingsError> {
    let key = section.key();
    let url = |text: String, name: &'static str| {
        SecretUrl::parse(text.trim()).ok_or_else(|| SettingsError::BadUrl {
            key: key.to_owned(),
            name,
        })
    };
    let webhook = section.text("webhook_url")?;
    let webhook = webhook.map(|text| url(text, "webhook_url")).transpose()?;
    let api = section.text("api_url")?;
    let api = url(api.unwrap_or_else(|| DEFAULT_API.to_owned()), "api_url")?;
    let token = section.text("token")?.map(|text| token(&text, key));
    let token = token.transpose()?;
    Ok(match (token, webhook) {
        (Some(token), _) => Some(Access::Bot { api, token }),
        (None, Some(webhook)) => Some(Access::Webhook(webhook)),
        (None, None) => None,
    })
}

/// It goes into a header of the request.
fn token(text: &str, key: &str) -> Result<Secret, SettingsError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SettingsError::BadToken {
            key: key.to_owned(),
        });
    }
    Ok(Secret::new(text.to_owned()))
}

fn link_names(section: &mut Section<'_>) -> Result<Option<Value>, WrongType> {
    let value = section.take("link_names", "0, 1, true or false", |value| {
        (value.is_boolean() || value.is_number()).then(|| value.clone())
    })?;
    Ok(value.filter(|value| *value != Value::Bool(false)))
}

fn severities(section: &mut Section<'_>) -> Result<Option<Vec<Severity>>, WrongType> {
    let wanted = "an array of ok, warning, critical, unknown";
    section.take("severities", wanted, |value| {
        let names = value.as_array()?.iter();
        names.map(|name| severity(name.as_str()?)).collect()
    })
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

    pub(crate) fn complaint(section: &Value) -> String {
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
    fn wrong_types_are_named_with_what_belongs_there_and_cost_no_alert() {
        for (name, value, wanted) in [
            ("channel", json!(7), "an array of strings"),
            ("bot_name", json!(["x"]), "a string"),
            (
                "severities",
                json!(["bad"]),
                "an array of ok, warning, critical, unknown",
            ),
            ("spool_dir", json!(7), "a string"),
            (
                "template",
                json!("t.erb"),
                "the path of a file or folder, from / on",
            ),
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
            let settings = section(&json!({ name: value }));
            let said = format!("slack.{name} must be {wanted}: ignored");
            assert_eq!(settings.warnings, [said]);
            assert_eq!(settings.webhook_timeout, Duration::from_secs(10));
        }
        assert_eq!(
            complaint(&json!({"webhook_url": 7})),
            "slack.webhook_url must be a string"
        );
    }

    #[test]
    fn blanks_around_a_secret_are_none_of_it_and_blanks_within_are_said() {
        let settings = section(&json!({"webhook_url": " https://h/secret\n"}));
        assert_eq!(
            settings.access.url().secret().to_string(),
            "https://h/secret"
        );
        let bot = |token: &str| json!({"token": token, "channel": "#c"});
        match section(&bot("xoxb-secret\n")).access {
            Access::Bot { token, .. } => assert_eq!(token.secret(), "xoxb-secret"),
            Access::Webhook(_) => panic!("it is a bot"),
        }
        for token in ["", " ", "xoxb secret", "xoxb\nsecret", "xoxb-é"] {
            assert_eq!(
                complaint(&bot(token)),
                "slack.token must be a bot's token, xoxb-..., without blanks"
            );
        }
    }

    #[test]
    fn a_token_needs_a_channel_and_an_empty_name_is_none() {
        for channel in [json!(null), json!(""), json!([" "])] {
            assert_eq!(
                complaint(&json!({"token": "xoxb", "channel": channel})),
                "slack.token needs a channel: add \"channel\": \"#...\" to slack"
            );
        }
        let settings = section(&json!({"channel": ["#a", "", " #b", "#a"]}));
        assert_eq!(settings.channels, ["#a", "#b"]);
    }

    #[test]
    fn each_key_has_a_spool_of_its_own() {
        let all = json!({"second": {"webhook_url": "https://h/"}});
        let all = all.as_object().unwrap().clone();
        let settings = Settings::from_section(all, "second", &Sources::default(), &|_| None);
        let spool = settings.unwrap().spool_dir;
        assert_eq!(spool.to_str(), Some("/var/spool/venus/second"));
        let settings = section(&json!({"spool_dir": "try/spool"}));
        assert_eq!(settings.spool_dir.to_str(), Some("try/spool"));
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
        let all = json!({"slack": {"token": "xoxb-t"}});
        let all = all.as_object().unwrap().clone();
        let settings = Settings::from_section(all, "slack", &sources, &env).unwrap();
        assert_eq!(settings.access.host(), "e");
    }

    #[test]
    fn a_bots_token_wins_over_the_webhook() {
        let settings = read(&json!({
            "webhook_url": "https://h/", "token": "xoxb-secret", "channel": "#c",
        }));
        let settings = settings.unwrap();
        assert_eq!(settings.access.host(), "slack.com");
        assert!(!format!("{settings:?}").contains("xoxb"));
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let settings = read(&json!({"webhook_url": "https://me:pass@h:8443/secret?k=secret"}));
        let shown = format!("{:?}", settings.unwrap());
        assert!(shown.contains("SecretUrl(h, ...)"), "{shown}");
        assert!(
            !shown.contains("secret") && !shown.contains("pass"),
            "{shown}"
        );
    }
}
