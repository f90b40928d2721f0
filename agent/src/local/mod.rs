//! Input of this node's own: results that anything here hands in over TCP, UDP
//! or HTTP, on the loopback interface unless the settings say otherwise, and that
//! users who are named hand in over a Unix socket.

mod http;
mod metrics;
mod peers;
mod result;
mod stream;
mod udp;
mod unix;

use crate::check::Runner;
use crate::clock;
use crate::health::Health;
use crate::log::Log;
use crate::outbox::{Kept, Receipt};
use crate::settings::Current;
use crate::settings::client::{Socket, UnixSocket};
use http::Api;
pub(crate) use peers::Peers;
use result::{Message, NoMessage};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking, spawn_local};
use tokio::time::{sleep, timeout};

/// How long a connection may last.
const WHOLE: Duration = Duration::from_secs(30);
/// How many lines a second are logged of what senders do wrong.
const LINES: u32 = 10;
/// How long to wait when the process has no more file descriptors.
const NO_DESCRIPTOR: Duration = Duration::from_secs(1);
/// How long it may take to find users and groups by their names.
const NAMES: Duration = Duration::from_secs(5);

/// Open sockets; closed when dropped, and those who are connected with them.
pub(crate) struct Sockets {
    log: Log,
    tasks: Vec<JoinHandle<()>>,
}

/// Takes messages, wherever they come from.
struct Inbox {
    runner: Rc<Runner>,
    log: Log,
    /// In which second something was wrong last, and how often in it.
    said: Cell<(u64, u32)>,
}

/// What has become of a message.
enum Taken {
    /// Its results survive the end of this process.
    Safe,
    /// They may not, for this reason.
    InMemory(Rc<str>),
    /// One of them is no result.
    Invalid,
}

impl Taken {
    /// What the sender is told.
    fn answer(&self) -> Cow<'static, str> {
        match self {
            Self::Safe => "ok".into(),
            Self::InMemory(why) => format!("ok, but in memory only: {why}").into(),
            Self::Invalid => "invalid".into(),
        }
    }
}

impl Sockets {
    /// Opens those that the settings want. One that cannot be opened is said
    /// and done without: the node's own checks matter more.
    pub(crate) async fn open(
        settings: &Rc<Current>,
        runner: &Rc<Runner>,
        health: &Rc<Health>,
        log: &Log,
    ) -> Self {
        let mut sockets = Self {
            log: log.clone(),
            tasks: Vec::new(),
        };
        let inbox = Rc::new(Inbox {
            runner: Rc::clone(runner),
            log: log.clone(),
            said: Cell::default(),
        });
        let client = settings.get().client.clone();
        let socket = &client.socket;
        if socket.enabled {
            sockets.open_tcp(socket, &inbox).await;
            sockets.open_udp(socket, &inbox).await;
        }
        if let Some(socket) = &client.unix_socket {
            sockets.open_unix(socket, &inbox).await;
        }
        if client.http_socket.socket.enabled {
            let api = Api {
                inbox,
                settings: Rc::clone(settings),
                health: Rc::clone(health),
                http: client.http_socket,
                log: log.clone(),
            };
            sockets.open_http(api).await;
        }
        sockets
    }

    /// Closes them, and returns when they are closed: their ports are free, and
    /// nobody is told any more that his result was taken.
    pub(crate) async fn close(mut self) {
        for task in mem::take(&mut self.tasks) {
            task.abort();
            // It was aborted: that is all there is to know.
            drop(task.await);
        }
    }

    async fn open_tcp(&mut self, socket: &Socket, inbox: &Rc<Inbox>) {
        let bound = TcpListener::bind((socket.bind.as_str(), socket.port)).await;
        let Some(listener) = self.opened("client.socket", "tcp", &socket.address(), bound) else {
            return;
        };
        let max_size = socket.max_size;
        let inbox = Rc::clone(inbox);
        let answer = async move |stream| stream::answer(stream, &inbox, max_size).await;
        self.serve(tcp(listener), socket.max_connections, answer);
    }

    async fn open_udp(&mut self, socket: &Socket, inbox: &Rc<Inbox>) {
        let bound = UdpSocket::bind((socket.bind.as_str(), socket.port)).await;
        if let Some(bound) = self.opened("client.socket", "udp", &socket.address(), bound) {
            self.tasks
                .push(spawn_local(udp::serve(bound, Rc::clone(inbox))));
        }
    }

    async fn open_unix(&mut self, socket: &UnixSocket, inbox: &Rc<Inbox>) {
        let UnixSocket { users, groups, .. } = socket.clone();
        let found = spawn_blocking(move || Peers::find(&users, &groups));
        let found = timeout(NAMES, found).await.unwrap_or_else(|_| {
            let (peers, _) = Peers::find(&[], &[]);
            Ok((peers, vec![format!("no answer within {NAMES:?}")]))
        });
        let Ok((peers, unknown)) = found else {
            return; // nobody aborts it
        };
        for why in unknown {
            let data = json!({ "error": why, "settings": "client.unix_socket" });
            self.log
                .error("not everybody in the settings can be let in", data);
        }
        let opened = unix::Door::open(socket, peers, Rc::clone(inbox)).await;
        let address = socket.path.display().to_string();
        let Some(door) = self.opened("client.unix_socket", "unix", &address, opened) else {
            return;
        };
        let max_size = socket.max_size;
        let inbox = Rc::clone(inbox);
        let answer = async move |stream| stream::answer(stream, &inbox, max_size).await;
        let accept = async move || door.accept().await;
        self.serve(accept, socket.max_connections, answer);
    }

    async fn open_http(&mut self, api: Api) {
        let socket = api.http.socket.clone();
        let bound = TcpListener::bind((socket.bind.as_str(), socket.port)).await;
        let bound = self.opened("client.http_socket", "http", &socket.address(), bound);
        let Some(listener) = bound else {
            return;
        };
        let answer = async move |stream| http::answer(stream, &api).await;
        self.serve(tcp(listener), socket.max_connections, answer);
    }

    fn serve<S: 'static>(
        &mut self,
        accept: impl AsyncFn() -> io::Result<S> + 'static,
        max_connections: usize,
        answer: impl AsyncFn(S) + 'static,
    ) {
        let serving = serve(accept, max_connections, self.log.clone(), answer);
        self.tasks.push(spawn_local(serving));
    }

    fn opened<T>(
        &self,
        settings: &str,
        protocol: &str,
        address: &str,
        bound: io::Result<T>,
    ) -> Option<T> {
        bound
            .inspect_err(|error| {
                let data = json!({
                    "address": address,
                    "protocol": protocol,
                    "error": error.to_string(),
                    "settings": settings,
                });
                let message = "local socket not opened, results are not taken there";
                self.log.error(message, data);
            })
            .ok()
    }
}

/// Connections over TCP, whoever makes them.
fn tcp(listener: TcpListener) -> impl AsyncFn() -> io::Result<TcpStream> {
    async move || Ok(listener.accept().await?.0)
}

/// Takes connections for ever, and has at most `max_connections` answered at a
/// time.
async fn serve<S: 'static>(
    accept: impl AsyncFn() -> io::Result<S>,
    max_connections: usize,
    log: Log,
    answer: impl AsyncFn(S) + 'static,
) {
    let places = Arc::new(Semaphore::new(max_connections));
    let answer = Rc::new(answer);
    let mut connections = JoinSet::new();
    loop {
        // Those without a place wait in the kernel's queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match accept().await {
            Ok(stream) => {
                let answer = Rc::clone(&answer);
                connections.spawn_local(async move {
                    // A sender that takes too long hears nothing.
                    drop(timeout(WHOLE, answer(stream)).await);
                    drop(place);
                });
            }
            Err(error) => {
                let data = json!({ "error": error.to_string() });
                log.warn("no connection could be taken", data);
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Inbox {
    /// Publishes the results of a message, up to the first that is invalid: then there are no
    /// receipts.
    fn publish(&self, text: &[u8]) -> Result<Option<Vec<Receipt>>, NoMessage> {
        let Message { results, problem } = result::read(text, clock::epoch_seconds())?;
        let published = results.into_iter();
        let receipts = published
            .map(|result| self.runner.publish_for(result))
            .collect();
        if let Some(problem) = &problem {
            self.refuse(problem);
            return Ok(None);
        }
        Ok(Some(receipts))
    }

    /// Publishes the results of a message, and waits until they are safe.
    async fn take(&self, text: &[u8]) -> Result<Taken, NoMessage> {
        let Some(receipts) = self.publish(text)? else {
            return Ok(Taken::Invalid);
        };
        let mut taken = Taken::Safe;
        for receipt in receipts {
            match receipt.await {
                Ok(Kept::Safe) => {}
                Ok(Kept::InMemory(why)) => taken = Taken::InMemory(why),
                // There was no room for it.
                Err(_) => taken = Taken::InMemory("too much waits".into()),
            }
        }
        Ok(taken)
    }

    fn refuse(&self, why: &str) {
        let data = json!({ "error": why });
        self.warn("a result from a local socket is invalid", data);
    }

    /// Logs what somebody did wrong, but only so often: no neighbour fills the
    /// disk.
    fn warn(&self, message: &str, data: Value) {
        let (second, said) = self.said.get();
        let now = clock::epoch_seconds();
        if now == second {
            self.said.set((second, said.saturating_add(1)));
            if said >= LINES {
                return;
            }
        } else {
            self.said.set((now, 1));
            if said > LINES {
                let data = json!({ "more": said - LINES });
                self.log.warn("more was wrong at the local sockets", data);
            }
        }
        self.log.warn(message, data);
    }
}
