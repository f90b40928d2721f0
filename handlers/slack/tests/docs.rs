//! The tables of `docs/handler-slack.md` against the program's own settings.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_slack::settings::Settings;
use serde_json::{Value, json};
use std::fs;
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

fn warnings(section: Vec<(String, Value)>) -> Vec<String> {
    let section = Value::Object(section.into_iter().collect());
    let all = json!({ "slack": section }).as_object().unwrap().clone();
    Settings::from_section(all, "slack", &Sources::default())
        .unwrap()
        .warnings
}

#[test]
fn what_the_page_says_works_is_read_without_a_warning() {
    let now = table("These work now");
    assert_eq!(now.len(), 13);
    assert_eq!(warnings(now), [""; 0]);
}

#[test]
fn what_the_page_says_is_to_come_is_warned_about() {
    let later = table("These are still to come");
    assert_eq!(later.len(), 7);
    for (name, example) in later {
        let url = ("webhook_url".to_owned(), json!("https://hooks.slack.com/"));
        let said = warnings(vec![url, (name.clone(), example)]);
        assert_eq!(said.len(), 1);
        let expected = format!("slack.{name} is not supported yet: ");
        assert!(said.iter().all(|line| line.starts_with(&expected)));
    }
}
