//! The page of this node, for people: HTML that needs no script, the same as JSON, and a feed of
//! events by which a browser keeps it up to date.

mod html;

use super::http::Api;
use crate::board::{Said, Trends};
use crate::clock;
use crate::keepalive::SENSU_VERSION;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use venus_event::Severity;

/// How many browsers may follow at a time; each has one of the places for connections.
const FOLLOWERS: usize = 8;
/// How long nothing new is sent after something was.
const PACE: Duration = Duration::from_secs(2);
/// How many bytes a second of a long page are sent at most.
const FLOW: u64 = 50_000;
/// After this long without news one looks whether the browser is still there.
const QUIET: Duration = Duration::from_secs(10);

/// Within the page, so that one request shows it; of all styles, POLICY allows the one with this hash.
const STYLE: &str = include_str!("page.css");
pub(super) const SCRIPT: &str = include_str!("page.js");
/// Nothing from elsewhere, and nowhere inside another page.
pub(super) const POLICY: &str = "default-src 'none'; \
     style-src 'sha256-1mjy924vpXJapuZxO3FFtOUSnMbF6jy8/aoL9vHf1cQ='; script-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is shown of this node.
struct View<'a> {
    name: &'a str,
    address: Option<&'a str>,
    subscriptions: &'a [String],
    transport: &'static str,
    is_connected: bool,
    in_memory: usize,
    on_disk: usize,
    now: u64,
    checks: Vec<(&'a String, &'a Said)>,
    trends: &'a Trends,
}

/// Shows this node as it is now.
fn look<T>(api: &Api, show: impl FnOnce(&View<'_>) -> T) -> T {
    let settings = api.settings.get();
    let client = &settings.client;
    let runner = &api.inbox.runner;
    let outbox = runner.outbox();
    let (checks, trends) = (runner.board().checks(), runner.board().trends());
    let mut sorted: Vec<_> = checks.iter().collect();
    // The worst first: critical, unknown, warning, ok.
    sorted.sort_by_key(|(_, said)| Reverse(Severity::of(said.status)));
    show(&View {
        name: &client.name,
        address: client.lookup("address").and_then(Value::as_str),
        subscriptions: &client.subscriptions,
        transport: settings.transport.name(),
        is_connected: api.health.is_connected(),
        in_memory: outbox.len(),
        on_disk: outbox.on_disk().results,
        now: clock::epoch_seconds(),
        checks: sorted,
        trends: &trends,
    })
}

/// The whole page.
pub(super) fn page(api: &Api) -> String {
    look(api, html::page)
}

/// The same for programs.
pub(super) fn node(api: &Api) -> Value {
    #[derive(Serialize)]
    struct Check<'a> {
        name: &'a str,
        #[serde(flatten)]
        said: &'a Said,
    }
    look(api, |view| {
        let checks = view.checks.iter();
        let checks: Vec<_> = checks.map(|(name, said)| Check { name, said }).collect();
        json!({
            "client": {
                "name": view.name, "address": view.address, "subscriptions": view.subscriptions,
                "version": SENSU_VERSION, "timestamp": view.now,
            },
            "venus": { "version": env!("CARGO_PKG_VERSION") },
            "transport": { "name": view.transport, "connected": view.is_connected },
            "waiting": { "memory": view.in_memory, "spool": view.on_disk },
            "checks": checks,
            "trends": view.trends,
        })
    })
}

/// Server-sent events: what has changed of the page, as HTML. None where too many follow.
pub(super) fn follow(api: &Rc<Api>) -> Option<Channel<Bytes, Infallible>> {
    // One is here, and one with each who follows.
    if Rc::strong_count(&api.followers) > FOLLOWERS {
        return None;
    }
    let (sender, body) = Channel::new(1);
    let (api, follower) = (Rc::clone(api), Rc::clone(&api.followers));
    spawn_local(async move {
        feed(&api, sender).await;
        drop(follower);
    });
    Some(body)
}

/// Until the browser is gone.
async fn feed(api: &Api, mut sender: Sender<Bytes, Infallible>) {
    let board = api.inbox.runner.board();
    let mut version = 0;
    loop {
        let changed = timeout(QUIET, board.changed_since(version)).await;
        version = changed.unwrap_or(version);
        // It has no line breaks, as an event is a line.
        let event = format!("data: {}\n\n", look(api, html::main));
        let length = event.len() as u64;
        if sender.send_data(Bytes::from(event)).await.is_err() {
            return;
        }
        sleep(PACE + Duration::from_secs(length / FLOW)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

    #[test]
    fn the_policy_names_the_style_as_it_is() {
        let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let hash = suite.common.hash_provider.hash(STYLE.as_bytes());
        let hash = BASE64_STANDARD.encode(hash);
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }
}
