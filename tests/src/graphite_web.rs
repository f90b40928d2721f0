//! graphite-web over the files of a Carbon.

use crate::daemon::Daemon;
use crate::{http, part, port};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// One process, which answers one request after the other.
const SERVE: &str = "
import os, sys
sys.path.insert(0, os.getcwd())
os.environ['GRAPHITE_SETTINGS_MODULE'] = 'settings_of_the_test'
from wsgiref.simple_server import make_server
from graphite.wsgi import application
make_server('127.0.0.1', int(sys.argv[1]), application).serve_forever()
";

/// Where it is installed.
const INSTALLED: &str = "/usr/lib/python3/dist-packages/graphite/wsgi.py";

/// graphite-web; dropped, it is killed.
#[derive(Debug)]
pub struct GraphiteWeb(Daemon);

/// A series of an answer: its name, and its points with their times.
pub type Series = (String, Vec<(Option<f64>, u64)>);

impl GraphiteWeb {
    /// Starts one that shows the whisper files below this folder.
    #[must_use]
    pub fn launch(whisper: &Path) -> Option<Self> {
        part::find("graphite-web", &[INSTALLED])?;
        let python = part::find("python3", &["/usr/bin/python3"])?;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        fs::create_dir_all(dir.path().join("logs/webapp")).unwrap();
        let whisper = whisper.display();
        let settings = format!(
            "SECRET_KEY = 'of the test'\nTIME_ZONE = 'UTC'\nLOG_ROTATION = False\n\
             STORAGE_DIR = CONF_DIR = '{root}'\nLOG_DIR = '{root}/logs'\nWHISPER_DIR = '{whisper}'\n\
             CARBONLINK_HOSTS = []\nDEFAULT_CACHE_DURATION = FIND_CACHE_DURATION = 0\n"
        );
        fs::write(dir.path().join("settings_of_the_test.py"), settings).unwrap();
        let [port] = port::free();
        let arguments = ["-W", "ignore", "-c", SERVE, &port.to_string()];
        Some(Self(Daemon::launch(python, &arguments, dir, port)))
    }

    /// The series that a target gives, with as many points as a panel asks for.
    pub fn render(&self, target: &str, from: u64, until: u64) -> Result<Vec<Series>, String> {
        let (from, until) = (from.to_string(), until.to_string());
        let form = [
            ("target", target),
            ("from", &from),
            ("until", &until),
            ("format", "json"),
            ("maxDataPoints", "600"),
        ];
        let answer = http::post(self.0.port, "/render", &form)?;
        let answer: Value =
            serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))?;
        let point = |point: &Value| (point[0].as_f64(), point[1].as_u64().unwrap());
        let series = |series: &Value| {
            let points = series["datapoints"].as_array().unwrap();
            let name = series["target"].as_str().unwrap().to_owned();
            (name, points.iter().map(point).collect())
        };
        Ok(answer.as_array().unwrap().iter().map(series).collect())
    }

    /// A graph of these targets as SVG, so large in pixels.
    pub fn graph(
        &self,
        title: &str,
        targets: &[String],
        (width, height): (u32, u32),
        (from, until): (u64, u64),
    ) -> Result<String, String> {
        let [width, height] = [width, height].map(|length| length.to_string());
        let [from, until] = [from, until].map(|time| time.to_string());
        let mut form = vec![
            ("title", title),
            ("from", &from),
            ("until", &until),
            ("width", &width),
            ("height", &height),
            ("format", "svg"),
            ("bgcolor", "white"),
            ("fgcolor", "black"),
            ("majorGridLineColor", "#cccccc"),
            ("minorGridLineColor", "#eeeeee"),
            ("fontSize", "11"),
            ("lineWidth", "1.5"),
        ];
        form.extend(targets.iter().map(|target| ("target", target.as_str())));
        http::post(self.0.port, "/render", &form)
    }

    /// The paths that there are for a pattern.
    #[must_use]
    pub fn expand(&self, pattern: &str) -> Vec<String> {
        let answer = http::post(self.0.port, "/metrics/expand", &[("query", pattern)]).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let paths = answer["results"].as_array().unwrap().iter();
        paths
            .map(|path| path.as_str().unwrap().to_owned())
            .collect()
    }
}
