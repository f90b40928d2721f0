//! How long servers of the domain name system take to answer.

use clap::ArgMatches;

use crate::context::{Context, Failure};
use crate::metrics::{Figures, Metrics};
use crate::service::dns::{self, code_name};

/// See `docs/metrics/metrics-dns.md`.
pub(super) static METRICS: Metrics = Metrics {
    name: "metrics-dns",
    about: "Time that DNS servers take to resolve a name",
    scheme_suffix: "dns",
    example: "--domain localhost --server 127.0.0.1",
    arguments: dns::arguments,
    run,
};

fn run(matches: &ArgMatches, context: &Context, figures: &mut Figures) -> Result<(), Failure> {
    let servers = dns::servers(matches, context)?;
    let (name, kind) = (dns::name(matches), dns::kind(matches).to_string());
    let (mut any, mut last) = (false, None);
    for (server, answer) in servers
        .iter()
        .zip(dns::ask_all(&servers, matches, context)?)
    {
        let why = match answer {
            // What was not resolved says nothing of how long that takes.
            Ok((reply, _)) if reply.code != 0 => {
                format!(
                    "{server} answers {} to {name} {kind}",
                    code_name(reply.code)
                )
            }
            Ok((_, time)) => {
                any = true;
                let nodes = [kind.as_str(), name, "response_time"];
                // Of one server the path is the community's.
                let host = [server.host.as_str()];
                let host = if servers.len() == 1 { &[][..] } else { &host };
                figures.add(&[host, &nodes].concat(), time);
                continue;
            }
            Err(error) => error.to_string(),
        };
        if let Some(before) = last.replace(why) {
            figures.problem(before);
        }
    }
    match last {
        Some(why) if !any => Err(Failure::new(why)),
        Some(why) => {
            figures.problem(why);
            Ok(())
        }
        None => Ok(()),
    }
}
