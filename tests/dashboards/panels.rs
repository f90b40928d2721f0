//! What the files of the dashboards say.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use venus_tests::program;

/// The folder of all this.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// A text of it.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The dashboards of a kind of datasource, by their uid.
pub(crate) fn dashboards(source: &str) -> BTreeMap<String, Value> {
    let files = fs::read_dir(root().join("grafana").join(source)).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let read = |path: PathBuf| {
        assert_eq!(
            path.extension(),
            Some(OsStr::new("json")),
            "{}",
            path.display()
        );
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        (dashboard["uid"].as_str().unwrap().to_owned(), dashboard)
    };
    paths.map(read).collect()
}

/// A query of a panel.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) dashboard: String,
    pub(crate) panel: String,
    pub(crate) unit: String,
    pub(crate) text: String,
}

impl Query {
    /// Whether it is to show no more than 20 series.
    pub(crate) fn is_limited(&self) -> bool {
        self.text.contains(",20)")
            || self.text.contains("topk(20,")
            || self.text.contains("bottomk(20,")
    }

    /// Whether a value of its unit can be true, on the nodes of these tests.
    pub(crate) fn is_plausible(&self, value: f64) -> bool {
        let most = match self.unit.as_str() {
            "percent" => 100.001,
            "percentunit" => 1.0,
            "Bps" | "bytes" => 1e12,
            "s" => 1e5,
            "pps" | "ops" => 1e8,
            "short" => 1e6,
            unit => panic!("{unit} is no unit that these tests know"),
        };
        (0.0..=most).contains(&value)
    }
}

/// All queries of a kind of datasource.
pub(crate) fn queries(source: &str) -> Vec<Query> {
    let field = if source == "graphite" {
        "target"
    } else {
        "expr"
    };
    let mut queries = Vec::new();
    for (dashboard, content) in dashboards(source) {
        for panel in content["panels"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            for target in panel["targets"].as_array().unwrap() {
                queries.push(Query {
                    dashboard: dashboard.clone(),
                    panel: text(&panel["title"]),
                    unit: text(&panel["fieldConfig"]["defaults"]["unit"]),
                    text: text(&target[field]),
                });
            }
        }
    }
    queries
}

#[test]
fn the_files_are_what_their_source_makes() {
    let output = program::run(Command::new(root().join("make")).arg("--check"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn every_panel_can_be_read_and_every_link_leads_somewhere() {
    let mut uids = BTreeSet::new();
    let kinds = ["graphite", "prometheus"].map(|source| (source, dashboards(source)));
    for (_, dashboards) in &kinds {
        assert_eq!(dashboards.len(), 5);
        for uid in dashboards.keys() {
            assert!(uid.len() <= 40 && uids.insert(uid.clone()), "{uid}");
        }
    }
    for (source, dashboards) in &kinds {
        for (uid, dashboard) in dashboards {
            assert_eq!(dashboard["schemaVersion"], 42, "{uid}");
            assert_eq!(dashboard["links"].as_array().unwrap().len(), 4, "{uid}");
            // Of all links, those to nodes among them.
            let all = dashboard.to_string();
            for link in all.split("\"/d/").skip(1) {
                let target = link.split(['"', '?']).next().unwrap();
                assert!(uids.contains(target), "{uid}: {target}");
            }
            let variables = dashboard["templating"]["list"].as_array().unwrap();
            assert_eq!(variables[0]["type"], "datasource");
            let names: Vec<&str> = variables
                .iter()
                .filter_map(|variable| variable["name"].as_str())
                .collect();
            assert_eq!(names.contains(&"node"), all.contains("$node"), "{uid}");

            let mut places = BTreeSet::new();
            let mut titles = BTreeSet::new();
            for panel in dashboard["panels"].as_array().unwrap() {
                let title = panel["title"].as_str().unwrap();
                assert!(titles.insert(title), "{uid}: {title} twice");
                for text in [
                    &panel["description"],
                    &panel["fieldConfig"]["defaults"]["unit"],
                ] {
                    assert!(
                        text.as_str().is_some_and(|text| !text.is_empty()),
                        "{uid}: {title}"
                    );
                }
                let targets = panel["targets"].as_array().unwrap();
                for place in targets.iter().chain([panel]) {
                    assert_eq!(
                        place["datasource"]["uid"], "${datasource}",
                        "{uid}: {title}"
                    );
                    assert_eq!(place["datasource"]["type"], *source, "{uid}: {title}");
                }
                let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
                assert!(side("x") + side("w") <= 24, "{uid}: {title}");
                for x in side("x")..side("x") + side("w") {
                    for y in side("y")..side("y") + side("h") {
                        assert!(places.insert((x, y)), "{uid}: {title} lies on another");
                    }
                }
            }
        }
    }
}

/// A panel of all nodes is a heat map, one number, or limited: it is as readable with 500 nodes.
#[test]
fn no_panel_of_all_nodes_has_a_line_for_each() {
    for source in ["graphite", "prometheus"] {
        for (uid, dashboard) in dashboards(source) {
            if uid.contains("node") || uid.contains("containers") {
                continue;
            }
            for panel in dashboard["panels"].as_array().unwrap() {
                let title = panel["title"].as_str().unwrap();
                if panel["type"] == "stat" || panel["type"] == "heatmap" {
                    continue;
                }
                let queries = queries(source);
                let mut own = queries
                    .iter()
                    .filter(|query| query.dashboard == uid && query.panel == title);
                let is_one = |query: &Query| {
                    ["count(", "sum(", "alias(sumSeries("]
                        .iter()
                        .any(|begin| query.text.starts_with(begin))
                };
                assert!(
                    own.all(|query| query.is_limited() || is_one(query)),
                    "{uid}: {title}"
                );
            }
        }
    }
}
