//! Input of this node's own: results that anything here hands in over TCP or
//! UDP, on the loopback interface unless `client.socket` says otherwise.

mod result;
mod tcp;
mod udp;

use crate::check::Runner;
use crate::clock;
use crate::log::Log;
use crate::settings::client::Socket;
use result::{Message, NoMessage};
use serde_json::{Value, json};
use std::rc::Rc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::{JoinHandle, spawn_local};

/// Open sockets; closed when dropped.
pub(crate) struct Sockets {
    tasks: Vec<JoinHandle<()>>,
}

/// Takes messages, wherever they come from.
struct Inbox {
    runner: Rc<Runner>,
    log: Log,
    settings: Socket,
}

impl Sockets {
    /// Opens those that the settings want. One that cannot be opened is said
    /// and done without: the node's own checks matter more.
    pub(crate) async fn open(settings: &Socket, runner: &Rc<Runner>, log: &Log) -> Self {
        let mut tasks = Vec::new();
        if !settings.enabled {
            return Self { tasks };
        }
        let inbox = Rc::new(Inbox {
            runner: Rc::clone(runner),
            log: log.clone(),
            settings: settings.clone(),
        });
        let address = (settings.bind.as_str(), settings.port);
        match TcpListener::bind(address).await {
            Ok(listener) => tasks.push(spawn_local(tcp::serve(listener, Rc::clone(&inbox)))),
            Err(error) => inbox.not_open("tcp", &error),
        }
        match UdpSocket::bind(address).await {
            Ok(socket) => tasks.push(spawn_local(udp::serve(socket, Rc::clone(&inbox)))),
            Err(error) => inbox.not_open("udp", &error),
        }
        Self { tasks }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Inbox {
    fn not_open(&self, protocol: &str, error: &std::io::Error) {
        let Socket { bind, port, .. } = &self.settings;
        let data = json!({
            "address": format!("{bind}:{port}"),
            "protocol": protocol,
            "error": error.to_string(),
            "settings": "client.socket",
        });
        let message = "local socket not opened, results are not taken there";
        self.log.error(message, data);
    }

    /// Publishes the results of a message and says whether it was valid.
    fn take(&self, text: &[u8]) -> Result<bool, NoMessage> {
        let Message { results, problem } = result::read(text, clock::epoch_seconds())?;
        for result in results {
            self.runner.publish_local(result);
        }
        if let Some(problem) = &problem {
            self.refuse(problem);
        }
        Ok(problem.is_none())
    }

    fn refuse(&self, why: &str) {
        let data: Value = json!({ "error": why });
        self.log
            .warn("a result from a local socket is invalid", data);
    }
}
