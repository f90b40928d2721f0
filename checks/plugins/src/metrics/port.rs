//! How long it takes to connect to TCP ports.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::{ServiceError, port};

/// See `docs/metrics/metrics-port.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-port",
    about: "Time to connect to TCP ports of a host",
    scheme_suffix: "port",
    example: "--host 127.0.0.1 --port 22,8000-8003",
    arguments: || port::arguments().into(),
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let servers = port::servers(matches)?;
    let (mut any, mut last) = (false, None);
    for (server, connected) in servers.iter().zip(port::connect_all(&servers, context)?) {
        match connected {
            Ok((_, time)) => {
                any = true;
                figures.add(
                    &[&server.host, &server.port.to_string(), "time_connect"],
                    time,
                );
            }
            Err(error) => {
                let error = ServiceError::io(format!("connecting to {server}"), &error);
                if let Some(before) = last.replace(error) {
                    figures.problem(before.to_string());
                }
            }
        }
    }
    match last {
        Some(error) if !any => Err(error.into()),
        Some(error) => {
            figures.problem(error.to_string());
            Ok(())
        }
        None => Ok(()),
    }
}
