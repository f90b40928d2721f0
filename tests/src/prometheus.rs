//! A Prometheus of the test's own.

use crate::daemon::Daemon;
use crate::{http, part, port, program};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// promtool, which comes with it.
pub struct Promtool(&'static Path);

impl Promtool {
    /// Where it is installed.
    #[must_use]
    pub fn find() -> Option<Self> {
        part::find("prometheus", &["/usr/bin/promtool"]).map(Self)
    }

    /// Runs it. `input` is a file.
    #[must_use]
    pub fn run(&self, arguments: &[&str], input: Option<&Path>) -> Output {
        // So that what it reads is no pipe of this process.
        let mut command = Command::new("/bin/sh");
        let input = input.unwrap_or(Path::new("/dev/null"));
        command.args(["-c", "input=$1; shift; exec \"$@\" <\"$input\"", "promtool"]);
        command.arg(input).arg(self.0).args(arguments);
        program::run(&mut command)
    }

    /// Runs it, and it has to like what it sees.
    pub fn approves(&self, arguments: &[&str], input: Option<&Path>) {
        let output = self.run(arguments, input);
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}

/// Prometheus; dropped, it is killed.
#[derive(Debug)]
pub struct Prometheus(Daemon);

/// A series of an answer: its labels, and its points with their times.
pub type Series = (Value, Vec<(f64, f64)>);

/// Its folder before it starts: a place for its settings, and one for its data.
#[must_use]
pub fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    (dir, data)
}

impl Prometheus {
    /// Starts one in a folder that has its `prometheus.yml`, and `data`.
    #[must_use]
    pub fn launch(dir: TempDir) -> Option<Self> {
        let installed = part::find("prometheus", &["/usr/bin/prometheus"])?;
        let [port] = port::free();
        let address = format!("--web.listen-address=127.0.0.1:{port}");
        let arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            // What it is given is from before it started.
            "--storage.tsdb.retention.time=30d",
            "--log.level=warn",
            &address,
        ];
        let server = Daemon::launch(installed, &arguments, dir, port);
        // It listens before it has read its data.
        program::wait_until(|| http::get(port, "/-/ready").is_ok());
        Some(Self(server))
    }

    /// What its API says to a question.
    pub fn ask(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, String> {
        let answer = http::post(self.0.port, &format!("/api/v1/{path}"), form)?;
        let mut answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        Ok(answer["data"].take())
    }

    /// The series that an expression gives over a time.
    pub fn range(
        &self,
        expr: &str,
        from: u64,
        until: u64,
        step: u64,
    ) -> Result<Vec<Series>, String> {
        let [from, until, step] = [from, until, step].map(|number| number.to_string());
        let form = [
            ("query", expr),
            ("start", &from),
            ("end", &until),
            ("step", &step),
        ];
        let data = self.ask("query_range", &form)?;
        let point = |point: &Value| {
            let value = point[1].as_str().unwrap().parse().unwrap();
            (value, point[0].as_f64().unwrap())
        };
        let series = |series: &Value| {
            let points = series["values"].as_array().unwrap();
            (series["metric"].clone(), points.iter().map(point).collect())
        };
        Ok(data["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(series)
            .collect())
    }

    /// Its rules, as they were evaluated last.
    #[must_use]
    pub fn rules(&self) -> Vec<Value> {
        let answer = http::get(self.0.port, "/api/v1/rules").unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap());
        rules.cloned().collect()
    }
}
