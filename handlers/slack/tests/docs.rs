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
    Settings::from_section(all, "slack", &Sources::default(), &|_| None)
        .unwrap()
        .warnings
}

#[test]
fn what_the_page_lists_is_read_without_a_warning() {
    let theirs = table("Those of the community's handler:");
    let ours = table("Those that it does not have:");
    assert_eq!((theirs.len(), ours.len()), (20, 7));
    assert_eq!(warnings([theirs, ours].concat()), [""; 0]);
}
