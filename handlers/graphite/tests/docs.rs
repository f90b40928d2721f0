//! `docs/handler-graphite.md` against the program: its tables of settings and formats, and its
//! examples.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml relaxes #[test] functions; what they call here is test as well"
)]

use handler_graphite::event;
use handler_graphite::settings::Settings;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use venus_settings::Sources;

const NOW: u64 = 1_795_477_200;

fn page() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/handler-graphite.md"
    );
    fs::read_to_string(path).unwrap()
}

/// What stands in backticks in the rows of the first table below this heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = page();
    page.lines()
        .skip_while(|line| *line != heading)
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"))
        .map(|row| {
            let row = row.replace("\\|", "|");
            let code = row.split('`').skip(1).step_by(2);
            code.map(str::to_owned).collect()
        })
        .collect()
}

fn read(section: &Value) -> Settings {
    let all = json!({ "graphite": section }).as_object().unwrap().clone();
    Settings::from_section(all, "graphite", &Sources::default()).unwrap()
}

#[test]
fn each_setting_of_the_page_is_one_and_its_default_is_that_of_the_page() {
    let table = table("## Settings");
    assert_eq!(table.len(), 15);
    let mut section = serde_json::Map::new();
    for row in &table {
        let [name, example, ..] = row.as_slice() else {
            panic!("{row:?}");
        };
        section.insert(name.clone(), serde_json::from_str(example).unwrap());
    }
    assert_eq!(read(&Value::Object(section.clone())).warnings, [""; 0]);
    // The examples of these are their defaults.
    let usual = read(&json!({}));
    for name in [
        "port",
        "timeout",
        "retry_limit",
        "retry_delay",
        "spool_dir",
        "spool_age",
        "spool_bytes",
        "repeat",
    ] {
        let given = read(&json!({ name: section.get(name).unwrap() }));
        assert_eq!(format!("{given:?}"), format!("{usual:?}"), "{name}");
    }
}

#[test]
fn each_format_becomes_what_the_page_says() {
    let table = table("## Formats");
    assert_eq!(table.len(), 5);
    for row in &table {
        let [format, output, expected] = row.as_slice() else {
            panic!("{row:?}");
        };
        let event = json!({
            "client": {"name": "venus001"},
            "check": {"name": "disk", "output_metric_format": format, "output": output},
        });
        let lines = event::read(&event.to_string(), &read(&json!({})), NOW).unwrap();
        assert_eq!(lines.text(), format!("{expected}\n"));
    }
}

#[test]
fn the_line_about_bad_lines_is_the_one_that_comes() {
    let output = "a 1 N\n".repeat(178) + "venus001.disk./ 5 1795477200\nb\n";
    let lines = event::read(&output, &read(&json!({})), NOW).unwrap();
    let said = format!("handler-graphite: {}\n", lines.complaint().unwrap());
    assert!(page().contains(&said), "{said}");
}

#[test]
fn the_example_works() {
    let page = page();
    let (_, rest) = page.split_once("By hand, without Sensu, with `").unwrap();
    let (settings, rest) = rest.split_once("` in a file").unwrap();
    let (_, rest) = rest.split_once("```\n").unwrap();
    let (example, _) = rest.split_once("\n```").unwrap();
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("try")).unwrap();
    fs::write(folder.path().join("try/x.json"), settings).unwrap();
    let dir = Path::new(env!("CARGO_BIN_EXE_handler-graphite")).parent();
    let dir = dir.unwrap().to_str().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("PATH={dir}:$PATH; {example}")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.stdout, b"venus001.load_avg.one 0.39 1795477200\n");
}

#[test]
fn the_json_of_the_page_is_json() {
    let page = page();
    let blocks = page.split("```json\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|block| Some(block.split_once("```")?.0))
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        serde_json::from_str::<Value>(block).unwrap();
    }
}
