//! Captures and trees below `tests/fixtures`.

use serde_json::Value;
use std::path::PathBuf;

/// The path of a fixture.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// A fixture as text.
#[must_use]
pub fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fixture as JSON, keys in their order.
#[must_use]
pub fn json(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines that a community plugin printed on a tree, without the first, which
/// is its command line, and without the time stamps.
#[must_use]
pub fn expected_metrics(name: &str) -> Vec<String> {
    let lines = text(name);
    let lines = lines.lines().filter(|line| !line.starts_with('#'));
    lines.map(without_time).collect()
}

/// A metric line without its last word.
#[must_use]
pub fn without_time(line: &str) -> String {
    line.rsplit_once(' ')
        .map_or("", |(rest, _)| rest)
        .to_owned()
}
