//! `RabbitMQ`: exchanges, queues and properties exactly as sensu-client has them.
//!
//! Two connections, so that a flood of results cannot delay a keepalive: one for
//! keepalives and requests, one for results.

mod clock;
mod delivery;
mod requests;
mod words;

pub(crate) use clock::ask_clock;
pub(crate) use requests::RabbitmqRequests;
pub(crate) use words::say;

use delivery::{deliver_all, send};
use requests::Events;
use words::{failure, is_hang_up};

use super::attempt::Attempt;
use super::{Depth, KEEPALIVES, Link, RESULTS, Transport, TransportError, runtime, tls};
use crate::clock::epoch_seconds;
use crate::keepalive::SENSU_VERSION;
use crate::settings::Broker;
use crate::settings::client::is_shared;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, Queue,
};
use std::rc::Rc;
use std::time::Duration;
use venus_event::CheckResult;

/// Largest frame in bytes that we ask for. The client library reserves 64 of
/// them for each connection: with the broker's default of 128 kB that would be
/// 8 MB. Longer messages travel in several frames.
const FRAME_MAX: u32 = 8192;

/// Each heartbeat costs four wake-ups. The connection of the keepalives notices
/// soon enough when the broker is gone; that of the results need not look as often.
const RESULTS_HEARTBEAT_FACTOR: u16 = 6;

/// Connects to one of several brokers.
#[derive(Debug)]
pub(crate) struct Rabbitmq {
    brokers: Vec<Broker>,
    /// Brokers of this round that were not tried yet.
    untried: Vec<Broker>,
    client: String,
}

impl Rabbitmq {
    pub(crate) fn new(brokers: Vec<Broker>, client: &str) -> Self {
        Self {
            brokers,
            untried: Vec::new(),
            client: client.to_owned(),
        }
    }

    /// The next broker; all of them, in random order, before any comes again.
    fn next_broker(&mut self) -> Broker {
        if self.untried.is_empty() {
            self.untried.clone_from(&self.brokers);
            fastrand::shuffle(&mut self.untried);
        }
        self.untried.pop().unwrap_or_default()
    }
}

impl Transport for Rabbitmq {
    type Link = RabbitmqLink;
    type Requests = RabbitmqRequests;

    async fn connect(
        &mut self,
        subscriptions: &[String],
    ) -> Result<(RabbitmqLink, RabbitmqRequests), TransportError> {
        let broker = self.next_broker();
        let name = broker.to_string();
        let connected = connect(&broker, &self.client, subscriptions).await;
        let anonymous = broker
            .tls
            .as_ref()
            .is_some_and(|tls| tls.identity.is_none());
        connected.map_err(|error| match failure(&name, &error) {
            // The reset may overtake the alert that would say so.
            TransportError::Broker { broker, what } if anonymous && is_hang_up(&error) => {
                let advice = "does it want a certificate? see ssl.cert_chain_file";
                let what = format!("{what}; {advice} in the rabbitmq settings");
                TransportError::Broker { broker, what }
            }
            other => other,
        })
    }
}

async fn connect(
    broker: &Broker,
    client: &str,
    subscriptions: &[String],
) -> lapin::Result<(RabbitmqLink, RabbitmqRequests)> {
    let connection = open(broker, client, broker.heartbeat).await?;
    // Side by side: on a long line it is the number of round trips that counts.
    let (keepalives, (channel, consumers), (results_connection, results)) = tokio::try_join!(
        exchange(&connection, KEEPALIVES),
        subscribe(&connection, broker, client, subscriptions),
        async {
            let rare = broker.heartbeat.saturating_mul(RESULTS_HEARTBEAT_FACTOR);
            let connection = open(broker, client, rare).await?;
            let results = exchange(&connection, RESULTS).await?;
            let options = ConfirmSelectOptions::default();
            results.confirm_select(options).await?;
            lapin::Result::Ok((connection, results))
        },
    )?;
    let name = broker.to_string();
    let events: Vec<Events> = vec![
        Box::pin(connection.events_listener()),
        Box::pin(results_connection.events_listener()),
    ];
    let requests = RabbitmqRequests {
        broker: name.clone(),
        consumers,
        events,
        _channel: channel,
    };
    let link = RabbitmqLink {
        broker: name,
        settings: broker.clone(),
        client: client.to_owned(),
        connections: [connection, results_connection],
        keepalives,
        results,
    };
    Ok((link, requests))
}

/// A channel, and an exchange to which it may send.
async fn exchange(connection: &Connection, name: &str) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    declare(&channel, name, ExchangeKind::Direct).await?;
    Ok(channel)
}

/// A channel for the requests of all subscriptions.
async fn subscribe(
    connection: &Connection,
    broker: &Broker,
    client: &str,
    subscriptions: &[String],
) -> lapin::Result<(Channel, Vec<Consumer>)> {
    let channel = connection.create_channel().await?;
    channel
        .basic_qos(broker.prefetch, BasicQosOptions::default())
        .await?;
    let own_queue = own_queue(client);
    let mut consumers = Vec::new();
    let mut own_queue_declared = false;
    for subscription in subscriptions {
        let kind = kind_of(subscription);
        let shared = kind == ExchangeKind::Direct;
        let queue = if shared { subscription } else { &own_queue };
        let new = shared || !own_queue_declared;
        own_queue_declared |= !shared;
        if new {
            declare_queue(&channel, queue).await?;
        }
        declare(&channel, subscription, kind).await?;
        bind(&channel, queue, subscription).await?;
        if new {
            consumers.push(consume(&channel, queue).await?);
        }
    }
    Ok((channel, consumers))
}

/// A name that is this client's alone, and as sensu-client has it.
fn own_queue(client: &str) -> String {
    format!("{client}-{SENSU_VERSION}-{}", epoch_seconds())
}

/// The exchange of a subscription.
pub(crate) fn kind_of(subscription: &str) -> ExchangeKind {
    if is_shared(subscription) {
        ExchangeKind::Direct
    } else {
        ExchangeKind::Fanout
    }
}

/// A connection, logged in.
pub(crate) async fn open(
    broker: &Broker,
    client: &str,
    heartbeat: u16,
) -> lapin::Result<Connection> {
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: broker.user.clone(),
                password: broker.password.clone(),
            },
            host: broker.host.clone(),
            port: broker.port,
        },
        vhost: broker.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(FRAME_MAX),
            heartbeat: Some(heartbeat),
            ..AMQPQueryString::default()
        },
    };
    let name = format!("venus-agent {client}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connector = broker.tls.as_ref().map(tls::connector).transpose()?;
    // The library's own way to connect carries a reader of PKCS#12 files along,
    // half a megabyte of code and memory that nothing here needs.
    let attempt = Attempt::default();
    let report = attempt.report();
    let connection = Connection::connector(
        uri,
        runtime::current(),
        async move |uri, runtime| {
            let AMQPAuthority { host, port, .. } = uri.authority;
            let plain =
                AsyncTcpStream::connect(&runtime, runtime.to_socket_addrs((host.clone(), port)))
                    .await?;
            if let AsyncTcpStream::Plain(socket) = &plain {
                report.socket(socket.get_ref())?;
            }
            Ok(match &connector {
                Some(connector) => plain.into_rustls(connector, &host).await?,
                None => plain,
            })
        },
        properties,
    )
    .await?;
    attempt.succeed();
    Ok(connection)
}

/// Another flag than these would be a channel error for everybody else.
pub(crate) async fn declare(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        nowait: false,
    };
    channel
        .exchange_declare(name.into(), kind, options, FieldTable::default())
        .await
}

/// The flags of every queue that there is.
pub(crate) async fn declare_queue(channel: &Channel, name: &str) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions {
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: true,
        nowait: false,
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
}

pub(crate) async fn bind(channel: &Channel, queue: &str, exchange: &str) -> lapin::Result<()> {
    let options = QueueBindOptions { nowait: false };
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await
}

async fn consume(channel: &Channel, queue: &str) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
}

/// The sending side.
pub(crate) struct RabbitmqLink {
    broker: String,
    settings: Broker,
    client: String,
    connections: [Connection; 2],
    keepalives: Channel,
    results: Channel,
}

impl Link for RabbitmqLink {
    async fn keepalive(&self, payload: &[u8]) -> Result<(), TransportError> {
        let sent = publish(&self.keepalives, KEEPALIVES, payload.to_vec()).await;
        sent.map_err(|error| failure(&self.broker, &error))
    }

    async fn results(&self, results: &[Rc<CheckResult>]) -> Result<Vec<usize>, TransportError> {
        let fails = |what: String| TransportError::Broker {
            broker: self.broker.clone(),
            what,
        };
        let mut payloads = Vec::with_capacity(results.len());
        for result in results {
            let payload = serde_json::to_vec(&**result).map_err(|error| {
                fails(format!("result of {} is no JSON: {error}", result.name()))
            })?;
            payloads.push(payload);
        }
        let returned = deliver_all(&self.results, &payloads).await;
        // What is not known to have arrived is sent again.
        returned
            .map_err(|error| failure(&self.broker, &error))?
            .ok_or_else(|| fails("it returned what was not sent".to_owned()))
    }

    fn blocked(&self) -> Option<&'static str> {
        let is_blocked = |connection: &Connection| connection.status().blocked();
        self.connections
            .iter()
            .any(is_blocked)
            .then_some("it has an alarm for memory or disk")
    }

    /// Declares the queue as the server does, as sensu-client does to ask for it:
    /// a declaration that is only to look fails where there is no server, and
    /// the client library reports that like a connection that is lost.
    async fn depth(&self, pipe: &str) -> Option<Depth> {
        let queue = declare_queue(&self.keepalives, pipe).await.ok()?;
        Some(Depth {
            messages: queue.message_count().into(),
            consumers: queue.consumer_count().into(),
        })
    }

    /// On a connection of its own: where this user may not ask, the broker closes the channel, and
    /// the client library reports that like a connection that is lost.
    async fn clock(&self) -> Option<Duration> {
        let (broker, client) = (&self.settings, &self.client);
        let connection = open(broker, client, broker.heartbeat).await.ok()?;
        let told = ask_clock(&connection, &own_queue(client)).await;
        drop(connection.close(200, "OK".into()).await);
        told.ok()
    }

    async fn close(&self) {
        for connection in &self.connections {
            // A connection that is gone need not be closed.
            drop(connection.close(200, "OK".into()).await);
        }
    }
}

/// Sends a keepalive; nobody waits for its fate.
async fn publish(channel: &Channel, exchange: &str, payload: Vec<u8>) -> lapin::Result<()> {
    send(channel, exchange, &payload, BasicPublishOptions::default()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    /// Threads of the client library in this process.
    fn library_threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| {
            let path = task.ok()?.path().join("comm");
            std::fs::read_to_string(path).ok()
        });
        names.filter(|name| name.starts_with("lapin")).count()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_attempt_that_is_given_up_leaves_neither_socket_nor_thread() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Broker {
            port: listener.local_addr().unwrap().port(),
            ..Broker::default()
        };
        let mut rabbitmq = Rabbitmq::new(vec![broker], "one");
        for _ in 0..3 {
            // A broker that takes the connection and says nothing.
            let mut accepted = None;
            tokio::select! {
                _ = rabbitmq.connect(&[]) => unreachable!("nobody answers"),
                () = async {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    // The greeting: the attempt is under way.
                    stream.read_exact(&mut [0; 8]).await.unwrap();
                    accepted = Some(stream);
                } => {}
            }
            let mut rest = Vec::new();
            let closed = accepted.unwrap().read_to_end(&mut rest).await;
            assert_eq!(closed.unwrap(), 0);
        }
        let ended = async {
            while library_threads() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), ended).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_answer_is_asked_anew_soon() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        // As many as wait to be accepted; the system does not answer the next.
        let moment = Duration::from_millis(200);
        let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, moment).ok());
        let _waiting: Vec<_> = waiting.collect();
        let broker = Broker {
            port: address.port(),
            ..Broker::default()
        };
        let mut rabbitmq = Rabbitmq::new(vec![broker], "one");
        let error = rabbitmq.connect(&[]).await.err().unwrap().to_string();
        assert!(error.contains("no answer within 8 s"), "{error}");
    }
}
