//! A connection to the HTTP socket. The first byte is how long a piece may be, its highest bit that the
//! sender does not end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;
use venus_agent::local::Inbox;
use venus_agent::local::http::{Api, answer};
use venus_fuzz::{Agent, LOGIN, Peer, SECRET, run};

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let (length, ends) = (usize::from(first & 0x7f), first & 0x80 == 0);
    let (said, results) = answered(Peer::new(text, length, ends));
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."));
    let contains = |text: &[u8], wanted: &str| {
        text.windows(wanted.len())
            .any(|one| one == wanted.as_bytes())
    };
    if !contains(text, LOGIN.rsplit(' ').next().unwrap_or(LOGIN)) {
        let told = String::from_utf8_lossy(&said);
        assert!(!told.contains(SECRET) && !told.contains("\"rabbitmq\""));
    }
    // What is wrong in a head that never ends may be said or not. Blank lines before it are none of it.
    let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let before = text.iter().take_while(|byte| blank(byte)).count();
    let head = text.get(before..).unwrap_or_default();
    // Who speaks HTTP/2 hears nothing where its first words come in one piece, else that they are bad.
    if contains(head, "\r\n\r\n") && !head.starts_with(b"PRI * HTTP/2.0\r\n") {
        let whole = answered(Peer::new(text, text.len(), ends));
        assert_eq!((status(&said), results), (status(&whole.0), whole.1));
    }
});

/// What the sender is told, and how many results are published.
fn answered(peer: Peer<'_>) -> (Vec<u8>, usize) {
    let heard = peer.heard();
    let results = run(async {
        let agent = Agent::new();
        let api = Rc::new(Api {
            inbox: Rc::new(Inbox::new(
                Rc::clone(&agent.runner),
                agent.log.clone(),
                u32::MAX,
            )),
            http: agent.settings.get().client.http_socket.clone(),
            settings: Rc::clone(&agent.settings),
            health: Rc::default(),
            log: agent.log.clone(),
            followers: Rc::default(),
        });
        // As for every connection: a body that never comes is not waited for longer.
        drop(timeout(Duration::from_secs(30), answer(peer, &api)).await);
        agent.results().await.len()
    });
    (heard.take(), results)
}

fn status(said: &[u8]) -> &[u8] {
    said.split(|byte| *byte == b'\r').next().unwrap_or_default()
}
