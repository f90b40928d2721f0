//! Redis: lists and channels exactly as sensu-client has them.
//!
//! A fanout subscription is a channel, everything else a list, whose names are
//! `transport:DB:channel:PIPE` and `transport:DB:list:PIPE`. Two connections
//! send, one for keepalives and one for results, so that a flood of results
//! cannot delay a keepalive; one listens to the channels, and one waits at each
//! list.

use super::{Depth, KEEPALIVES, Link, RESULTS, Requests, Transport, TransportError};
use crate::settings::client::is_shared;
use crate::settings::redis::Address;
use crate::settings::{self, Tls};
use futures_lite::Stream;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub, PubSubSink, PubSubStream};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, cmd,
};
use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use venus_event::CheckResult;

/// How often a connection that only listens is asked whether it is alive.
const PING: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Connects to a Redis server.
#[derive(Debug)]
pub(crate) struct Redis {
    settings: settings::Redis,
}

impl Redis {
    pub(crate) fn new(settings: settings::Redis) -> Self {
        Self { settings }
    }
}

impl Transport for Redis {
    type Link = RedisLink;
    type Requests = RedisRequests;

    async fn connect(
        &mut self,
        subscriptions: &[String],
    ) -> Result<(RedisLink, RedisRequests), TransportError> {
        let settings = &self.settings;
        let address = find(settings).await?;
        let broker = Broker(format!("redis {address}, db {}", settings.db));
        let server = Server::at(&address, settings).map_err(|error| broker.failure(&error))?;
        let connected = connect(settings, &server, subscriptions, &broker).await;
        connected.map_err(|error| broker.failure(&error))
    }
}

/// What errors name, without its password.
#[derive(Debug, Clone)]
struct Broker(String);

async fn connect(
    settings: &settings::Redis,
    server: &Server,
    subscriptions: &[String],
    broker: &Broker,
) -> RedisResult<(RedisLink, RedisRequests)> {
    let keepalives = server.open().await?;
    let results = server.open().await?;
    let mut channels: Vec<String> = Vec::new();
    let mut lists = Vec::new();
    for subscription in subscriptions {
        if is_shared(subscription) {
            let list = name(settings, "list", subscription);
            lists.push(wait_at(server.open().await?, list));
        } else {
            channels.push(name(settings, "channel", subscription));
        }
    }
    let mut listener = server.listen().await?;
    if !channels.is_empty() {
        listener.subscribe(&channels).await?;
    }
    let (sink, channels) = listener.split();
    let requests = RedisRequests {
        broker: broker.clone(),
        subscribed: true,
        channels,
        lists,
        lost: Box::pin(watch(sink, keepalives.clone())),
    };
    let link = RedisLink {
        broker: broker.clone(),
        lists: [KEEPALIVES, RESULTS].map(|pipe| name(settings, "list", pipe)),
        keepalives,
        results,
    };
    Ok((link, requests))
}

/// The key of a pipe. The number of the database is part of it, as channels are
/// common to all of a server.
fn name(settings: &settings::Redis, kind: &str, pipe: &str) -> String {
    format!("transport:{}:{kind}:{pipe}", settings.named_db)
}

/// A server as one of these settings' connections finds it.
#[derive(Debug)]
pub(crate) struct Server(Client);

impl Server {
    /// The one at an address, which the settings or a sentinel name.
    pub(crate) fn at(address: &Address, settings: &settings::Redis) -> RedisResult<Self> {
        let info = RedisConnectionInfo::default()
            .set_db(settings.db)
            .set_skip_set_lib_name();
        let info = match &settings.user {
            Some(user) => info.set_username(user),
            None => info,
        };
        let info = match &settings.password {
            Some(password) => info.set_password(password),
            None => info,
        };
        Ok(Self(client(address, settings.tls.as_ref(), info)?))
    }

    /// A connection, logged in.
    pub(crate) async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            // Longer than what waits at a list is given to answer.
            .set_response_timeout(Some(PING + ANSWER));
        self.0
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn listen(&self) -> RedisResult<PubSub> {
        let listener = timeout(ANSWER, self.0.get_async_pubsub()).await;
        listener.map_err(silent)?
    }
}

fn silent(_: tokio::time::error::Elapsed) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "no answer").into()
}

/// The address of the settings, or the one that a sentinel with an answer names.
async fn find(settings: &settings::Redis) -> Result<Address, TransportError> {
    if settings.sentinels.is_empty() {
        Ok(settings.address.clone())
    } else {
        ask_sentinels(settings).await
    }
}

async fn ask_sentinels(settings: &settings::Redis) -> Result<Address, TransportError> {
    let mut sentinels = settings.sentinels.clone();
    fastrand::shuffle(&mut sentinels);
    let mut failed = None;
    for sentinel in &sentinels {
        let broker = Broker(format!("sentinel {sentinel}"));
        match ask_sentinel(sentinel, &settings.master).await {
            Ok(Some(address)) => return Ok(address),
            Ok(None) => {
                let master = &settings.master;
                failed = Some(broker.error(format!(
                    "it knows no master {master}; see master in the redis settings"
                )));
            }
            Err(error) => failed = Some(broker.failure(&error)),
        }
    }
    // There is at least one sentinel.
    Err(failed.unwrap_or_else(|| Broker(settings.to_string()).error(String::new())))
}

/// Where a sentinel knows the server of this name, if it does.
pub(crate) async fn ask_sentinel(sentinel: &Address, master: &str) -> RedisResult<Option<Address>> {
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    let mut connection = Server(client(sentinel, None, info)?).open().await?;
    let known: Option<(String, u16)> = cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(master)
        .query_async(&mut connection)
        .await?;
    Ok(known.map(|(host, port)| Address { host, port }))
}

fn client(address: &Address, tls: Option<&Tls>, redis: RedisConnectionInfo) -> RedisResult<Client> {
    let Address { host, port } = address.clone();
    let info = |address: ConnectionAddr| -> RedisResult<ConnectionInfo> {
        Ok(address.into_connection_info()?.set_redis_settings(redis))
    };
    let Some(tls) = tls else {
        return Client::open(info(ConnectionAddr::Tcp(host, port))?);
    };
    let address = ConnectionAddr::TcpTls {
        host,
        port,
        insecure: !tls.verify,
        tls_params: None,
    };
    let client_tls = match &tls.identity {
        Some((chain, key)) => Some(ClientTlsConfig {
            client_cert: read(chain)?,
            client_key: read(key)?,
        }),
        None => None,
    };
    let certificates = TlsCertificates {
        client_tls,
        root_cert: tls.ca_file.as_deref().map(read).transpose()?,
    };
    Client::build_with_tls(info(address)?, certificates)
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let with_name = |error| io::Error::other(format!("cannot use {}: {error}", file.display()));
    fs::read(file).map_err(with_name)
}

/// The sending side.
pub(crate) struct RedisLink {
    broker: Broker,
    /// The keys of keepalives and results.
    lists: [String; 2],
    keepalives: MultiplexedConnection,
    results: MultiplexedConnection,
}

impl RedisLink {
    async fn push(
        &self,
        connection: &MultiplexedConnection,
        push: &Cmd,
    ) -> Result<(), TransportError> {
        let pushed = push.query_async::<u64>(&mut connection.clone()).await;
        pushed.map_err(|error| self.broker.failure(&error))?;
        Ok(())
    }
}

impl Link for RedisLink {
    async fn keepalive(&self, payload: &[u8]) -> Result<(), TransportError> {
        let [list, _] = &self.lists;
        let mut push = cmd("RPUSH");
        push.arg(list).arg(payload);
        self.push(&self.keepalives, &push).await
    }

    /// All of them in one command: either all have arrived, or none.
    async fn results(&self, results: &[Rc<CheckResult>]) -> Result<Vec<usize>, TransportError> {
        let [_, list] = &self.lists;
        let mut push = cmd("RPUSH");
        push.arg(list);
        for result in results {
            let payload = serde_json::to_vec(&**result).map_err(|error| {
                let name = result.name();
                self.broker
                    .error(format!("result of {name} is no JSON: {error}"))
            })?;
            push.arg(payload);
        }
        self.push(&self.results, &push).await?;
        Ok(Vec::new())
    }

    /// Redis says that it takes nothing by an error.
    fn blocked(&self) -> Option<&'static str> {
        None
    }

    /// Redis does not tell who waits at a list.
    async fn depth(&self, pipe: &str) -> Option<Depth> {
        let [keepalives, results] = &self.lists;
        let list = if pipe == KEEPALIVES {
            keepalives
        } else {
            results
        };
        let mut connection = self.keepalives.clone();
        let length = cmd("LLEN").arg(list).query_async(&mut connection).await;
        Some(Depth {
            messages: length.ok()?,
            consumers: 0,
        })
    }

    async fn clock(&self) -> Option<Duration> {
        ask_clock(&mut self.keepalives.clone()).await.ok()
    }

    /// Nothing to say: what was pushed has been answered.
    async fn close(&self) {}
}

/// The server's clock, in whole seconds since the epoch.
pub(crate) async fn ask_clock(connection: &mut impl ConnectionLike) -> RedisResult<Duration> {
    let (seconds, _micros): (u64, u64) = cmd("TIME").query_async(connection).await?;
    Ok(Duration::from_secs(seconds))
}

type Popped = Pin<Box<dyn Future<Output = RedisResult<Option<(String, Vec<u8>)>>>>>;

/// A list with a connection that waits at it.
struct List {
    connection: MultiplexedConnection,
    name: String,
    popped: Popped,
}

fn wait_at(connection: MultiplexedConnection, name: String) -> List {
    let popped = pop(&connection, &name);
    List {
        connection,
        name,
        popped,
    }
}

/// Takes the first message of a list. That nothing comes for a while is an
/// answer: without one the connection is dead.
fn pop(connection: &MultiplexedConnection, list: &str) -> Popped {
    let mut connection = connection.clone();
    let mut pop = cmd("BLPOP");
    pop.arg(list).arg(PING.as_secs());
    Box::pin(async move { pop.query_async(&mut connection).await })
}

/// Asks the connections that may be silent whether they are alive, until one is
/// not.
async fn watch(mut channels: PubSubSink, mut keepalives: MultiplexedConnection) -> RedisError {
    let ping = cmd("PING");
    loop {
        sleep(PING).await;
        let answered = timeout(ANSWER, async {
            channels.ping::<redis::Value>().await?;
            ping.query_async::<redis::Value>(&mut keepalives).await
        });
        match answered.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error,
            Err(elapsed) => return silent(elapsed),
        }
    }
}

/// The receiving side.
pub(crate) struct RedisRequests {
    broker: Broker,
    subscribed: bool,
    channels: PubSubStream,
    lists: Vec<List>,
    lost: Pin<Box<dyn Future<Output = RedisError>>>,
}

impl Requests for RedisRequests {
    async fn next(&mut self) -> Result<Vec<u8>, TransportError> {
        poll_fn(|context| {
            if let Poll::Ready(error) = self.lost.as_mut().poll(context) {
                return Poll::Ready(Err(self.broker.failure(&error)));
            }
            while let Poll::Ready(message) = Pin::new(&mut self.channels).poll_next(context) {
                match message {
                    Some(message) if self.subscribed => {
                        return Poll::Ready(Ok(message.get_payload_bytes().to_vec()));
                    }
                    // Every client of a channel has its own copy.
                    Some(_) => {}
                    None => {
                        let closed = self.broker.error("the connection is closed".to_owned());
                        return Poll::Ready(Err(closed));
                    }
                }
            }
            for list in &mut self.lists {
                while let Poll::Ready(popped) = list.popped.as_mut().poll(context) {
                    list.popped = pop(&list.connection, &list.name);
                    match popped {
                        Ok(Some((_, payload))) => return Poll::Ready(Ok(payload)),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Err(self.broker.failure(&error))),
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The connections that wait at the lists are closed.
    fn unsubscribe(&mut self) {
        self.subscribed = false;
        self.lists.clear();
    }
}

impl Broker {
    fn error(&self, what: String) -> TransportError {
        TransportError::Broker {
            broker: self.0.clone(),
            what,
        }
    }

    fn failure(&self, error: &RedisError) -> TransportError {
        self.error(say(error))
    }
}

/// What Redis said, and what a person can do about it.
pub(crate) fn say(error: &RedisError) -> String {
    let said = error.to_string();
    let advice = if error.is_connection_refusal() {
        "; is Redis running and listening there?"
    } else if error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
    {
        "; see password in the redis settings"
    } else if error.code() == Some("READONLY") {
        "; it is a replica: see sentinels in the redis settings"
    } else if said.contains("UnknownIssuer") {
        "; see ssl.cacert in the redis settings"
    } else {
        ""
    };
    said + advice
}
