//! Input of this node's own: results that anything here hands in over TCP, UDP
//! or HTTP, on the loopback interface unless the settings say otherwise, and that
//! users who are named hand in over a Unix socket.

pub mod http;
mod limits;
mod metrics;
mod page;
mod peers;
pub mod result;
pub mod stream;
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
use limits::{Full, Rate, Share};
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
use tokio::time::{Instant, sleep, timeout};
use venus_event::Attributes;

/// How long a connection may last.
const WHOLE: Duration = Duration::from_secs(30);
/// How many lines a second are logged of what senders do wrong.
const LINES: u32 = 10;
/// How long to wait when the process has no more file descriptors.
const NO_DESCRIPTOR: Duration = Duration::from_secs(1);
/// How long a result waits for room in memory, and how often it looks.
const ROOM: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(20);
/// How long it may take to find users and groups by their names.
const NAMES: Duration = Duration::from_secs(5);

/// Open sockets; closed when dropped, and those who are connected with them.
pub(crate) struct Sockets {
    log: Log,
    tasks: Vec<JoinHandle<()>>,
}

/// Takes the messages of a socket.
pub struct Inbox {
    runner: Rc<Runner>,
    log: Log,
    rate: Rate,
    share: Rc<Share>,
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
    /// There is no room for one of them.
    NoRoom,
}

impl Taken {
    /// What the sender is told.
    fn answer(&self) -> Cow<'static, str> {
        match self {
            Self::Safe => "ok".into(),
            Self::InMemory(why) => format!("ok, but in memory only: {why}").into(),
            Self::Invalid => "invalid".into(),
            Self::NoRoom => "no room: too much waits".into(),
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
        // Those of everybody, and those of users who are named.
        let [open, named] = [Rc::default(), Rc::default()];
        let inbox = |max_rate: u32, share: &Rc<Share>| {
            Rc::new(Inbox {
                share: Rc::clone(share),
                ..Inbox::new(Rc::clone(runner), log.clone(), max_rate)
            })
        };
        let client = settings.get().client.clone();
        let socket = &client.socket;
        if socket.enabled {
            let inbox = inbox(socket.max_rate, &open);
            sockets.open_tcp(socket, &inbox).await;
            sockets.open_udp(socket, &inbox).await;
        }
        if let Some(socket) = &client.unix_socket {
            let inbox = inbox(socket.max_rate, &named);
            sockets.open_unix(socket, &inbox).await;
        }
        if client.http_socket.socket.enabled {
            let api = Api {
                inbox: inbox(client.http_socket.socket.max_rate, &open),
                settings: Rc::clone(settings),
                health: Rc::clone(health),
                http: client.http_socket,
                log: log.clone(),
                followers: Rc::default(),
            };
            sockets.open_http(Rc::new(api)).await;
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

    async fn open_http(&mut self, api: Rc<Api>) {
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
    /// An inbox of its own; `runner` publishes what comes, at most `max_rate` results a second.
    #[must_use]
    pub fn new(runner: Rc<Runner>, log: Log, max_rate: u32) -> Self {
        Self {
            runner,
            log,
            rate: Rate::new(max_rate),
            share: Rc::default(),
            said: Cell::default(),
        }
    }

    /// Publishes the results of a message, up to the first that is invalid, as fast as they may
    /// come, and waits until they are safe.
    async fn take(&self, text: &[u8]) -> Result<Taken, NoMessage> {
        let Message { results, problem } = result::read(text, clock::epoch_seconds())?;
        self.rate.wait_for(results.len()).await;
        let bytes = text.len() / results.len().max(1);
        let mut receipts = Vec::with_capacity(results.len());
        for result in results {
            match self.publish_in_time(result, bytes).await {
                Ok(receipt) => receipts.push(receipt),
                Err(full) => {
                    self.turn_away(full);
                    return Ok(Taken::NoRoom);
                }
            }
        }
        if let Some(problem) = &problem {
            self.refuse(problem);
            return Ok(Taken::Invalid);
        }
        let mut taken = Taken::Safe;
        for receipt in receipts {
            match receipt.await {
                Ok(Kept::Safe) => {}
                Ok(Kept::InMemory(why)) => taken = Taken::InMemory(why),
                // It had to go for others.
                Err(_) => return Ok(Taken::NoRoom),
            }
        }
        Ok(taken)
    }

    /// The same for somebody who waits for nothing, so that what comes too fast is dropped.
    fn take_now(&self, text: &[u8]) -> Result<(), NoMessage> {
        let Message { results, problem } = result::read(text, clock::epoch_seconds())?;
        if self.rate.take(results.len()).is_err() {
            self.warn(
                "results come too fast and are dropped",
                json!({ "protocol": "udp" }),
            );
            return Ok(());
        }
        let bytes = text.len() / results.len().max(1);
        for result in results {
            if let Err((full, _)) = self.publish(result, bytes) {
                self.turn_away(full);
                return Ok(());
            }
        }
        if let Some(problem) = &problem {
            self.refuse(problem);
        }
        Ok(())
    }

    fn publish(&self, result: Attributes, bytes: usize) -> Result<Receipt, (Full, Attributes)> {
        let (outbox, most) = (self.runner.outbox(), self.runner.most_on_disk());
        let admit = |result: &_| self.share.admit(outbox, result, bytes, most);
        self.runner.publish_for(result, admit)
    }

    /// A large message is taken as fast as there is room for it.
    async fn publish_in_time(&self, mut result: Attributes, bytes: usize) -> Result<Receipt, Full> {
        let begun = Instant::now();
        loop {
            match self.publish(result, bytes) {
                Err((Full::Memory, refused)) if begun.elapsed() < ROOM => result = refused,
                published => return published.map_err(|(full, _)| full),
            }
            sleep(AGAIN).await;
        }
    }

    fn turn_away(&self, full: Full) {
        let place = match full {
            Full::Memory => "memory",
            Full::Spool => "spool",
        };
        let message = "no room for results from local sockets, the rest is for this node's checks";
        self.warn(message, json!({ "full": place }));
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
