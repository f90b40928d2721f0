//! What it takes to ask a web server, as the community's metrics-curl tells it.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::web::{self, NoAnswer};

/// See `docs/metrics/metrics-http.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-http",
    about: "Times of a request to a web server, its status and size",
    scheme_suffix: "http",
    example: "--url http://127.0.0.1/",
    arguments: web::arguments,
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let answer = web::ask(matches, context)?.map_err(|error| match error {
        NoAnswer::Service(error) => error.into(),
        NoAnswer::Certificate(shown) => {
            let problems = shown.problems.iter().map(ToString::to_string);
            let problems: Vec<String> = problems.collect();
            let (url, problems) = (web::url(matches), problems.join("; "));
            Failure::new(format!("the certificate of {url} {problems}"))
        }
    })?;
    let times = &answer.times;
    for (name, time) in [
        ("time_total", times.total),
        ("time_namelookup", times.lookup),
        ("time_connect", times.connect),
        ("time_pretransfer", times.pretransfer),
        ("time_starttransfer", times.starttransfer),
    ] {
        figures.add(&[name], time.as_secs_f64());
    }
    figures.add(&["http_code"], answer.status);
    figures.add(&["size_download"], answer.body.len());
    Ok(())
}
