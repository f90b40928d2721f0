//! A connection to the TCP or Unix socket. The first byte is how long a piece may be, its highest bit
//! that the sender does not end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::rc::Rc;
use venus_agent::local::{Inbox, result, stream};
use venus_fuzz::{Agent, Peer, run};

const MAX_SIZE: usize = 2048;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let (length, ends) = (usize::from(first & 0x7f), first & 0x80 == 0);
    let in_pieces = answered(Peer::new(text, length, ends));
    if text.len() <= MAX_SIZE && result::read(text.trim_ascii(), 0).is_ok() {
        let whole = answered(Peer::new(text, MAX_SIZE, ends));
        assert_eq!(in_pieces, whole);
    }
});

/// What the sender is told, and what of him is published.
fn answered(peer: Peer<'_>) -> (Vec<u8>, Vec<(String, String)>) {
    let heard = peer.heard();
    let results = run(async {
        let agent = Agent::new();
        let inbox = Inbox::new(Rc::clone(&agent.runner), agent.log.clone(), u32::MAX);
        stream::answer(peer, &inbox, MAX_SIZE).await;
        agent.results().await
    });
    let outputs = results.iter().map(|result| {
        let output = result.check["output"].to_string();
        (result.name().to_owned(), output)
    });
    (heard.take(), outputs.collect())
}
