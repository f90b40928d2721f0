//! The tables of `docs/handler-slack.md` against the program's own settings.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_slack::message;
use handler_slack::settings::{Access, Settings};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use venus_event::{Event, Severity};
use venus_settings::Sources;

/// The settings of the table after the line that begins with `intro`, each with
/// the value that the table has as its example.
fn table(intro: &str) -> Vec<(String, Value)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/handler-slack.md");
    let page = fs::read_to_string(path).unwrap();
    page.lines()
        .skip_while(|line| !line.starts_with(intro))
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"))
        .map(|row| {
            let mut code = row.split('`').skip(1).step_by(2);
            let name = code.next().unwrap().to_owned();
            (name, serde_json::from_str(code.next().unwrap()).unwrap())
        })
        .collect()
}

/// With these, and a webhook.
fn settings(section: impl IntoIterator<Item = (String, Value)>) -> Settings {
    let mut whole = json!({"webhook_url": "https://h/"});
    whole.as_object_mut().unwrap().extend(section);
    let all = json!({ "slack": whole }).as_object().unwrap().clone();
    Settings::from_section(all, "slack", &Sources::default(), &|_| None).unwrap()
}

#[test]
fn what_the_page_lists_is_read_without_a_warning() {
    let theirs = table("Those of the community's handler:");
    let ours = table("Those that it does not have:");
    assert_eq!((theirs.len(), ours.len()), (20, 8));
    assert_eq!(settings([theirs, ours].concat()).warnings, [""; 0]);
}

/// What a setting makes of a message: the part at this place, where it is something else than
/// without the setting.
fn shown(name: &str, example: &Value, place: &str) -> Value {
    let event = json!({
        "client": {
            "name": "docker1", "address": "10.0.2.15", "subscriptions": ["physical"],
            "rack": "7", "os": {"name": "centos"},
        },
        "check": {"name": "load", "status": 1, "output": "o"},
    });
    let event = Event::from_json(event.to_string().as_bytes()).unwrap();
    let at = |settings: &Settings| {
        let messages = message::of_event(&event, settings).unwrap();
        let part = messages.first().unwrap().payload.pointer(place);
        part.cloned().unwrap_or_default()
    };
    let with = at(&settings([(name.to_owned(), example.clone())]));
    assert_ne!(with, at(&settings([])), "{name}");
    with
}

/// A file with this text, in place of the one that the page names.
fn from_file(name: &str, text: &str, place: &str) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    shown(name, &json!(file.path()), place)
}

/// Requests that depend on them are in `program`: `through_a_proxy`, `tls_is_verified`,
/// `an_endpoint_that_hangs_costs_the_timeout_and_no_more` and their neighbours.
#[test]
fn each_setting_of_the_page_does_what_it_says() {
    const TEXT: &str = "/attachments/0/text";
    let all = [
        table("Those of the community's handler:"),
        table("Those that it does not have:"),
    ];
    for (name, example) in all.concat() {
        let channel = ("channel".to_owned(), json!("#c"));
        let bot = matches!(name.as_str(), "token" | "api_url").then_some(channel);
        let read = settings(bot.clone().into_iter().chain([
            ("proxy_address".to_owned(), json!("proxy.example.org")),
            ("proxy_username".to_owned(), json!("sensu")),
            (name.clone(), example.clone()),
        ]));
        let proxy = read.proxy.as_ref().unwrap();
        let shown = |place| shown(&name, &example, place);
        match name.as_str() {
            "channel" => assert_eq!(shown("/channel"), "#sensu"),
            "bot_name" => assert_eq!(shown("/username"), "sensu"),
            "icon_emoji" => assert_eq!(shown("/icon_emoji"), ":sensu:"),
            "icon_url" => assert_eq!(shown("/icon_url"), "https://example.org/icon.png"),
            "message_prefix" => {
                assert_eq!(
                    shown(TEXT),
                    "<!here> docker1/load: o : 10.0.2.15 : physical"
                );
            }
            "surround" => {
                assert_eq!(shown(TEXT), "*docker1/load: o : 10.0.2.15 : physical*");
            }
            "fields" => assert_eq!(
                shown("/attachments/0/fields"),
                json!([
                    {"title": "rack", "value": "7", "short": true},
                    {"title": "os.name", "value": "centos", "short": true},
                ])
            ),
            "dashboard" => assert_eq!(
                shown(TEXT),
                "<https://uchiwa/#/client/Site/docker1?check=load|docker1/load>: o : 10.0.2.15 : \
                 physical"
            ),
            "link_names" => assert_eq!(shown("/link_names"), 1),
            "template" | "message_template" => assert_eq!(
                from_file(&name, "{{ event.client.address }} is hot", TEXT),
                "docker1/load: 10.0.2.15 is hot"
            ),
            "payload_template" => assert_eq!(
                from_file(&name, r#"{"text": "{{ event.check.output }}"}"#, "/text"),
                "o"
            ),
            "webhook_url" | "api_url" => {
                assert_eq!(settings([]).access.host(), "h");
                let host = match name.as_str() {
                    "webhook_url" => "hooks.slack.com",
                    _ => "slack.com",
                };
                let token = ("token".to_owned(), json!("xoxb"));
                let token = (name == "api_url").then_some(token);
                let given = [(name, example)].into_iter().chain(token).chain(bot);
                let given = settings(given);
                assert_eq!(given.access.host(), host);
            }
            "token" => assert!(matches!(read.access, Access::Bot { .. })),
            "proxy_address" => assert_eq!(proxy.address, "proxy.example.org"),
            "proxy_port" => assert_eq!(proxy.port, 3128),
            "proxy_username" => assert_eq!(proxy.login.as_ref().unwrap().0, "sensu"),
            "proxy_password" => assert!(proxy.login.is_some()),
            "webhook_timeout" => assert_eq!(read.webhook_timeout, Duration::from_secs(10)),
            "webhook_retries" => assert_eq!(read.webhook_retries, 5),
            "webhook_retry_sleep" => assert_eq!(read.webhook_retry_sleep, Duration::from_secs(5)),
            "severities" => assert_eq!(read.severities, [Severity::Critical]),
            "group_window" => assert_eq!(read.group_window, Duration::from_secs(10)),
            "spool_dir" => assert_eq!(read.spool_dir.to_str(), Some("/var/spool/venus/slack")),
            "spool_age" => assert_eq!(read.bounds.age, Duration::from_hours(24)),
            "spool_bytes" => assert_eq!(read.bounds.bytes, 64 << 20),
            "cacert" => assert_eq!(read.cacert.unwrap().to_str(), Some("/etc/ssl/site.pem")),
            other => panic!("{other} has no test"),
        }
    }
}
