//! What stands on standard input, and the lines that it becomes.
//!
//! That is an event of Sensu Core, an event of Sensu Go, or, behind the mutator
//! `only_check_output`, nothing but the lines.

use crate::convert::{self, Format, Sink};
use crate::lines::{Fault, Lines, scaled_time, within};
use crate::naming::{Naming, Tag};
use crate::settings::Settings;
use serde::Deserialize;
use serde_json::{Number, Value};

/// Why an event has no lines.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Nothing at all.
    #[error("standard input is empty: there should be an event, or lines PATH VALUE TIME")]
    Empty,
    /// It begins like an event.
    #[error("the event is not one: {0}")]
    NotJson(#[from] serde_json::Error),
    /// Neither Core's name nor Go's.
    #[error("the event has neither client.name nor, as Sensu Go has it, entity.metadata.name")]
    NoClient,
    /// An event of a check that measures nothing.
    #[error(
        "{client}/{check} has no metrics: give the check \"type\": \"metric\" or an \
         \"output_metric_format\", or take this handler from it"
    )]
    NoMetrics {
        /// Whose check it is.
        client: String,
        /// The check.
        check: String,
    },
    /// The check names a format that nobody knows.
    #[error(
        "{client}/{check} has the output format {format:?}, which is none of {}",
        convert::NAMES
    )]
    UnknownFormat {
        /// Whose check it is.
        client: String,
        /// The check.
        check: String,
        /// What stands there.
        format: String,
    },
    /// Lines without an event, where the client should stand before their paths.
    #[error(
        "prefix_source needs the event, and there are only lines: take the mutator from the handler"
    )]
    NoSource,
}

#[derive(Deserialize)]
struct Event {
    client: Option<Names>,
    entity: Option<Names>,
    check: Option<Check>,
    metrics: Option<Metrics>,
}

/// `name` is Core's, `metadata.name` is Go's.
#[derive(Deserialize)]
struct Names {
    name: Option<String>,
    /// Of Core's it may be anything that an admin put there.
    metadata: Option<Value>,
}

impl Names {
    fn name(&self) -> Option<&str> {
        let metadata = self.metadata.as_ref();
        let name = self.name.as_deref();
        name.or_else(|| metadata?.get("name")?.as_str())
            .filter(|name| !name.is_empty())
    }
}

#[derive(Deserialize)]
struct Check {
    #[serde(flatten)]
    names: Names,
    output: Option<String>,
    executed: Option<Value>,
    r#type: Option<Value>,
    output_metric_format: Option<Value>,
    output_metric_tags: Option<Vec<PointTag>>,
    /// Sensu Enterprise's name for the format.
    output_format: Option<Value>,
    /// `WizardVan`'s.
    output_type: Option<Value>,
}

#[derive(Deserialize)]
struct Metrics {
    points: Option<Vec<Point>>,
}

#[derive(Deserialize)]
struct Point {
    name: String,
    value: Option<Number>,
    timestamp: Option<i64>,
    tags: Option<Vec<PointTag>>,
}

#[derive(Deserialize)]
struct PointTag {
    name: String,
    value: String,
}

/// Tags that say what a metric of Prometheus is, not which.
const DESCRIPTIONS: [&str; 2] = ["prom_help", "prom_type"];

fn tags(given: Option<&[PointTag]>) -> Vec<Tag<'_>> {
    let given = given.unwrap_or_default().iter();
    given
        .filter(|tag| !DESCRIPTIONS.contains(&tag.name.as_str()))
        .map(|tag| (tag.name.as_str().into(), tag.value.as_str().into()))
        .collect()
}

/// The lines of what stands on standard input. `now` is in seconds since the epoch.
pub fn read(input: &str, settings: &Settings, now: u64) -> Result<Lines, EventError> {
    let input = input.trim();
    if input.is_empty() {
        return Err(EventError::Empty);
    }
    // No path begins like this.
    if !input.starts_with(['{', '[', '"']) {
        return bare(input, settings, now);
    }
    let event: Event = serde_json::from_str(input)?;
    let mut name = [&event.client, &event.entity].into_iter().flatten();
    let client = name.find_map(Names::name);
    let client = client.ok_or(EventError::NoClient)?;
    let points = event.metrics.and_then(|metrics| metrics.points);
    let points = points.unwrap_or_default();
    let Some(check) = event.check else {
        if points.is_empty() {
            return Err(no_metrics(client, "(no check)"));
        }
        return Ok(convert_points(
            &points,
            None,
            &Naming::new(settings, client, ""),
            now,
        ));
    };
    let name = check.names.name().unwrap_or("");
    let naming = Naming::new(settings, client, name);
    let format = format(&check, client, name)?;
    let executed = check.executed.as_ref().and_then(Value::as_u64);
    let now = executed.and_then(|time| within(time).ok()).unwrap_or(now);
    if !points.is_empty() {
        return Ok(convert_points(&points, format, &naming, now));
    }
    let format = format.ok_or_else(|| no_metrics(client, name))?;
    let mut sink = Sink::new(&naming, now);
    let tags = tags(check.output_metric_tags.as_deref());
    format.convert(check.output.as_deref().unwrap_or(""), &tags, &mut sink);
    Ok(sink.lines)
}

fn no_metrics(client: &str, check: &str) -> EventError {
    EventError::NoMetrics {
        client: client.to_owned(),
        check: check.to_owned(),
    }
}

fn bare(lines: &str, settings: &Settings, now: u64) -> Result<Lines, EventError> {
    if settings.prefix_source {
        return Err(EventError::NoSource);
    }
    let naming = Naming::new(settings, "", "");
    let mut sink = Sink::new(&naming, now);
    Format::Graphite.convert(lines, &[], &mut sink);
    Ok(sink.lines)
}

/// The format that the check names, or Graphite's for one that says it measures.
fn format(check: &Check, client: &str, name: &str) -> Result<Option<Format>, EventError> {
    let names = [
        &check.output_metric_format,
        &check.output_format,
        &check.output_type,
    ];
    let mut texts = names.into_iter().filter_map(|name| name.as_ref()?.as_str());
    if let Some(format) = texts.find(|name| !name.is_empty()) {
        return match Format::by_name(format) {
            Some(format) => Ok(Some(format)),
            None => Err(EventError::UnknownFormat {
                client: client.to_owned(),
                check: name.to_owned(),
                format: format.to_owned(),
            }),
        };
    }
    let is_metric = check.r#type.as_ref().and_then(Value::as_str) == Some("metric");
    Ok(is_metric.then_some(Format::Graphite))
}

/// What Sensu Go has read from an output, or got by `StatsD`. A path of Graphite's is one as it is,
/// other names go where the formats that they came from do.
fn convert_points(points: &[Point], format: Option<Format>, naming: &Naming, now: u64) -> Lines {
    let mut sink = Sink::new(naming, now);
    for point in points {
        let time = match point.timestamp {
            None | Some(0) => Ok(now),
            Some(time) => u64::try_from(time)
                .map_err(|_| Fault::Time)
                .and_then(scaled_time),
        };
        // Sensu Go writes no number where it was none that JSON has.
        let value = point.value.as_ref().map(ToString::to_string);
        sink.point(
            format,
            (&point.name, &tags(point.tags.as_deref())),
            value.as_deref().unwrap_or(""),
            time,
        );
    }
    sink.lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;
    use serde_json::json;

    const NOW: u64 = 1_795_477_300;

    fn convert(event: &str, section: &Value) -> Result<String, String> {
        match read(event, &settings(section), NOW) {
            Ok(lines) => Ok(lines.text().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn core(check: &Value) -> String {
        let mut check = check.clone();
        check["name"] = json!("k");
        json!({"client": {"name": "venus001"}, "check": check}).to_string()
    }

    #[test]
    fn a_metric_event_of_sensu_core() {
        let event = core(&json!({
            "type": "metric", "executed": 1_795_477_200, "status": 0,
            "output": "venus001.load 0.39 1795477201\nvenus001.b 1 N\n",
        }));
        assert_eq!(
            convert(&event, &json!({"prefix": "p"})).unwrap(),
            "p.venus001.load 0.39 1795477201\np.venus001.b 1 1795477200\n"
        );
        let check = json!({"type": "metric", "metadata": ["an admin's own"]});
        assert_eq!(convert(&core(&check), &json!({})).unwrap(), "");
    }

    #[test]
    fn formats_by_any_of_their_names() {
        for (name, value) in [
            ("output_metric_format", "nagios_perfdata"),
            ("output_format", "nagios"),
            ("output_type", "nagios"),
        ] {
            let event = core(&json!({"type": "standard", name: value, "output": "OK | a=1"}));
            assert_eq!(
                convert(&event, &json!({})).unwrap(),
                "venus001.k.a 1 1795477300\n"
            );
        }
        let event = core(&json!({"output_metric_format": "xml", "output": "OK | a=1"}));
        assert_eq!(
            convert(&event, &json!({})).unwrap_err(),
            "venus001/k has the output format \"xml\", which is none of graphite_plaintext, \
             nagios_perfdata, influxdb_line, opentsdb_line, prometheus_text"
        );
        for name in [
            "graphite_plaintext",
            "influxdb_line",
            "opentsdb_line",
            "prometheus_text",
        ] {
            assert!(Format::by_name(name).is_some() && convert::NAMES.contains(name));
        }
    }

    #[test]
    fn an_event_that_measures_nothing_says_what_to_do() {
        assert_eq!(
            convert(
                &core(&json!({"type": "standard", "output": "OK"})),
                &json!({})
            )
            .unwrap_err(),
            "venus001/k has no metrics: give the check \"type\": \"metric\" or an \
             \"output_metric_format\", or take this handler from it"
        );
        let keepalive = r#"{"client":{"name":"c"},"check":{"name":"keepalive","status":1}}"#;
        assert!(
            convert(keepalive, &json!({}))
                .unwrap_err()
                .starts_with("c/keepalive has no")
        );
        assert!(convert(r#"{"client":{"name":"c"}}"#, &json!({})).is_err());
    }

    #[test]
    fn what_is_no_event_is_named() {
        for (input, said) in [
            (
                "",
                "standard input is empty: there should be an event, or lines PATH VALUE TIME",
            ),
            (
                "{}",
                "the event has neither client.name nor, as Sensu Go has it, entity.metadata.name",
            ),
            (
                "{\"client\":",
                "the event is not one: EOF while parsing a value at line 1 column 10",
            ),
            (
                "{\"client\":{\"name\":1}}",
                "the event is not one: invalid type: integer `1`, expected a string at line 1 \
                 column 19",
            ),
        ] {
            assert_eq!(convert(input, &json!({})).unwrap_err(), said);
        }
    }

    #[test]
    fn lines_alone_are_what_a_mutator_leaves() {
        assert_eq!(
            convert("a 1 1795477200\nb 2 N\n", &json!({"prefix": "p"})).unwrap(),
            "p.a 1 1795477200\np.b 2 1795477300\n"
        );
        assert_eq!(
            convert("a 1 1795477200\n", &json!({"prefix_source": true})).unwrap_err(),
            "prefix_source needs the event, and there are only lines: take the mutator from the \
             handler"
        );
    }

    #[test]
    fn events_of_sensu_go_as_captured() {
        let captured = include_str!("../../../tests/fixtures/wire-go/handler-stdin.jsonl");
        let expected = [
            "a.b.a 1 1795477200\n",
            "rust1.m.only 2.5 1795477200\n",
            "a.b.a 1 1795477200\n",
        ];
        assert_eq!(captured.lines().count(), expected.len());
        for (event, expected) in captured.lines().zip(expected) {
            assert_eq!(convert(event, &json!({})).unwrap(), expected);
            let tagged = convert(event, &json!({"tags": "graphite", "prefix": "p"})).unwrap();
            assert_eq!(
                tagged,
                format!("p.{}", expected.replace("a.b.a", "a.b;dc=a"))
            );
            for end in 1..event.len() {
                let cut = event.get(..end).unwrap();
                assert!(convert(cut, &json!({})).is_err());
            }
        }
    }

    #[test]
    fn points_go_where_their_format_goes() {
        let event = |format: &str, name: &str| {
            json!({
                "entity": {"metadata": {"name": "e"}},
                "check": {"metadata": {"name": "k"}, "output_metric_format": format, "output": "x"},
                "metrics": {"points": [{
                    "name": name, "value": 1.5, "timestamp": 1_795_477_200_000_000_000_i64,
                    "tags": [{"name": "prom_type", "value": "gauge"}, {"name": "t", "value": "v"}],
                }]},
            })
            .to_string()
        };
        for (format, name, path) in [
            ("graphite_plaintext", "a.b", "a.b.v"),
            ("nagios_perfdata", "a", "e.k.a.v"),
            ("influxdb_line", "m.f", "e.m.f.v"),
            ("", "m.f", "e.m.f.v"),
        ] {
            let lines = convert(&event(format, name), &json!({})).unwrap();
            assert_eq!(lines, format!("{path} 1.5 1795477200\n"));
        }
    }

    #[test]
    fn bad_points_cost_only_themselves() {
        let event = json!({
            "entity": {"metadata": {"name": "e"}},
            "metrics": {"points": [
                {"name": "a", "value": null, "timestamp": NOW, "tags": null},
                {"name": "b", "value": 1, "timestamp": -5},
                {"name": "c", "value": 1e300},
                {"name": "", "value": 2},
            ]},
        });
        let lines = read(&event.to_string(), &settings(&json!({})), NOW).unwrap();
        assert_eq!(lines.text(), "e.c 1e+300 1795477300\ne._ 2 1795477300\n");
        assert_eq!(
            lines.complaint().unwrap(),
            "2 of 4 lines left out, the first is \"a\": its value is no finite number"
        );
    }
}
