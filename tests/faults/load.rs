//! What is sent while something fails: results through the TCP socket, each with a number.

use nix::sched::{CloneFlags, setns};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use venus_tests::socket;

/// How many send side by side, each for a check of its own.
const SENDERS: usize = 4;
/// What each waits between two results.
const PACE: Duration = Duration::from_millis(250);
/// How long it waits for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Only that it is safe.
    Safe,
    /// That it was taken, be it in memory only.
    Taken,
}

/// Senders at work.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    senders: Vec<JoinHandle<(String, Vec<u64>)>>,
}

impl Load {
    /// Sends to this port of the loopback interface, in this network namespace if it is another,
    /// results with so much text besides.
    pub(crate) fn start(port: u16, network: Option<&File>, trust: Trust, padding: usize) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let senders = (0..SENDERS).map(|sender| {
            let is_over = Arc::clone(&is_over);
            let network = network.map(|file| file.try_clone().unwrap());
            thread::spawn(move || {
                if let Some(network) = network {
                    setns(network, CloneFlags::CLONE_NEWNET).unwrap();
                }
                let name = format!("socket-{sender}");
                let mut taken = Vec::new();
                for number in 1.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let result = json!({
                        "name": name, "output": format!("{number}\n"), "status": sender % 3,
                        "padding": "x".repeat(padding),
                    });
                    // While there is no agent nothing is sent.
                    let answer =
                        socket::converse(port, &result.to_string(), ANSWER).unwrap_or_default();
                    if answer == "ok" || (trust == Trust::Taken && answer.starts_with("ok, but")) {
                        taken.push(number);
                    }
                    pause(PACE);
                }
                (name, taken)
            })
        });
        let senders = senders.collect();
        Self { is_over, senders }
    }

    /// Ends it; of each check the numbers that the agent has answered for.
    pub(crate) fn stop(self) -> BTreeMap<String, Vec<u64>> {
        self.is_over.store(true, Ordering::SeqCst);
        let senders = self.senders.into_iter();
        senders.map(|sender| sender.join().unwrap()).collect()
    }
}

/// The value of a figure of `/metrics`.
pub(crate) fn figure(port: u16, network: Option<&File>, name: &str) -> Option<u64> {
    let network = network.map(|file| file.try_clone().unwrap());
    let page = thread::spawn(move || {
        if let Some(network) = network {
            setns(network, CloneFlags::CLONE_NEWNET).unwrap();
        }
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        io::Result::Ok(page)
    });
    let page = page.join().unwrap().ok()?;
    let mut lines = page.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(found, _)| *found == name)?;
    value.parse().ok()
}

/// Lets a while pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a load has a pace, and a fault its length"
)]
pub(crate) fn pause(while_: Duration) {
    thread::sleep(while_);
}
