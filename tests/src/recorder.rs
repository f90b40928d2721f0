//! A Sensu server that comes back by itself, and writes down when it got what.
//!
//! Its queues are those of a real one, and go with its connection: what is sent while it is
//! away is returned, and what it was sent is its own.

use crate::numbers::Numbers;
use crate::rabbitmq::Vhost;
use crate::redis::Redis;
use crate::runtime;
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const KEEPALIVES: &str = "keepalives";
const RESULTS: &str = "results";
/// How long it tries to connect before it tries anew.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it waits then.
const PAUSE: Duration = Duration::from_millis(50);

/// What came.
#[derive(Debug, Default)]
pub struct Heard {
    /// Whether it has listened yet: what is sent before is nobody's.
    pub has_listened: bool,
    /// When each keepalive did.
    pub keepalives: Vec<Instant>,
    /// Of each check the numbers that its results have as their output.
    pub numbers: BTreeMap<String, Numbers>,
    /// When the newest result did.
    pub last_result: Option<Instant>,
    /// Results whose output is no number.
    pub others: Vec<Value>,
}

/// What it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Listen,
    /// No queue gets results.
    Unwilling,
    End,
}

/// Dropped, it ends.
#[derive(Debug)]
pub struct Recorder {
    heard: Arc<Mutex<Heard>>,
    wish: watch::Sender<Wish>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// One in a virtual host.
    #[must_use]
    pub fn of(vhost: &Vhost) -> Self {
        Self::of_any(std::slice::from_ref(vhost))
    }

    /// One in a virtual host of a cluster, at any of its nodes.
    #[must_use]
    pub fn of_any(nodes: &[Vhost]) -> Self {
        let uris = nodes.iter().map(|vhost| vhost.uri() + "?heartbeat=0");
        let uris: Vec<String> = uris.collect();
        Self::start(move |heard, wish| {
            let current = Builder::new_current_thread().enable_all().build().unwrap();
            current.block_on(record(&uris, &heard, wish));
        })
    }

    /// One at a Redis server, in database 0.
    #[must_use]
    pub fn of_redis(redis: &Redis) -> Self {
        let url = redis.url(0);
        Self::start(move |heard, wish| {
            let client = ::redis::Client::open(url).unwrap();
            while *wish.borrow() != Wish::End {
                // It may be away, and a connection may break: it is tried again.
                drop(pop(&client, &heard, &wish));
                thread::park_timeout(PAUSE);
            }
        })
    }

    fn start(
        record: impl FnOnce(Arc<Mutex<Heard>>, watch::Receiver<Wish>) + Send + 'static,
    ) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let (wish, wished) = watch::channel(Wish::Listen);
        let theirs = Arc::clone(&heard);
        Self {
            heard,
            wish,
            thread: Some(thread::spawn(move || record(theirs, wished))),
        }
    }

    /// What it has heard so far.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// No queue gets results any more, but for those that are in it.
    pub fn refuse_results(&self) {
        self.wish.send_replace(Wish::Unwilling);
    }

    /// There is one again.
    pub fn take_results(&self) {
        self.wish.send_replace(Wish::Listen);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.wish.send_replace(Wish::End);
        if let Some(thread) = self.thread.take() {
            // That it failed is seen in what is missing.
            drop(thread.join());
        }
    }
}

impl Heard {
    fn take(&mut self, pipe: &str, payload: &[u8]) {
        let now = Instant::now();
        if pipe == KEEPALIVES {
            self.keepalives.push(now);
            return;
        }
        self.last_result = Some(now);
        let result: Value = serde_json::from_slice(payload).unwrap();
        let check = &result["check"];
        let output = check["output"].as_str().unwrap_or_default();
        let Ok(number) = output.trim().parse() else {
            self.others.push(result);
            return;
        };
        let name = check["name"].as_str().unwrap().to_owned();
        self.numbers.entry(name).or_default().note(number);
    }
}

async fn record(uris: &[String], heard: &Mutex<Heard>, mut wish: watch::Receiver<Wish>) {
    for uri in uris.iter().cycle() {
        if *wish.borrow_and_update() == Wish::End {
            return;
        }
        // The broker may be away, and a connection may break: it is tried again.
        drop(listen(uri, heard, &mut wish).await);
        sleep(PAUSE).await;
    }
}

async fn listen(
    uri: &str,
    heard: &Mutex<Heard>,
    wish: &mut watch::Receiver<Wish>,
) -> lapin::Result<()> {
    let opened = timeout(CONNECT, async {
        let properties = ConnectionProperties::default();
        let connection =
            Connection::connect_with_runtime(uri, properties, runtime::current()).await?;
        let channel = connection.create_channel().await?;
        let keepalives = consume(&channel, KEEPALIVES).await?;
        let results = consume(&channel, RESULTS).await?;
        lapin::Result::Ok((connection, channel, keepalives, results))
    });
    let Ok(opened) = opened.await else {
        return Ok(());
    };
    let (_connection, channel, mut keepalives, mut results) = opened?;
    heard.lock().unwrap().has_listened = true;
    wish.mark_changed();
    let note = |pipe, delivery: lapin::Result<Delivery>| {
        delivery.map(|delivery| heard.lock().unwrap().take(pipe, &delivery.data))
    };
    let ended = loop {
        let noted = tokio::select! {
            next = keepalives.next() => next.map(|next| note(KEEPALIVES, next)),
            next = results.next() => next.map(|next| note(RESULTS, next)),
            _ = wish.changed() => match *wish.borrow_and_update() {
                Wish::Listen => Some(bind(&channel, RESULTS).await),
                Wish::Unwilling => Some(unbind(&channel, RESULTS).await),
                Wish::End => None,
            },
        };
        match noted {
            Some(Ok(())) => {}
            Some(Err(error)) => break Err(error),
            None => break Ok(()),
        }
    };
    // What came before the end.
    while let Some(Some(Ok(delivery))) = poll_once(results.next()).await {
        note(RESULTS, Ok(delivery))?;
    }
    ended
}

async fn consume(channel: &Channel, name: &str) -> lapin::Result<Consumer> {
    let none = FieldTable::default;
    let options = QueueDeclareOptions {
        // Keepalives are kept, so that the first one is not missed by who comes a moment later.
        auto_delete: name == RESULTS,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), options, none()).await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(name.into(), ExchangeKind::Direct, options, none())
        .await?;
    bind(channel, name).await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(name.into(), "".into(), options, none())
        .await
}

async fn bind(channel: &Channel, name: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    let name: ShortString = name.into();
    let none = FieldTable::default();
    channel
        .queue_bind(name.clone(), name, "".into(), options, none)
        .await
}

async fn unbind(channel: &Channel, name: &str) -> lapin::Result<()> {
    let name: ShortString = name.into();
    let none = FieldTable::default();
    channel
        .queue_unbind(name.clone(), name, "".into(), none)
        .await
}

/// Takes what is in the lists.
fn pop(
    client: &::redis::Client,
    heard: &Mutex<Heard>,
    wish: &watch::Receiver<Wish>,
) -> ::redis::RedisResult<()> {
    let mut connection = client.get_connection_with_timeout(CONNECT)?;
    // A server that hangs may yet answer with something that it then has no more.
    let keys = [KEEPALIVES, RESULTS].map(|pipe| format!("transport:0:list:{pipe}"));
    while *wish.borrow() != Wish::End {
        let mut pop = ::redis::cmd("BLPOP");
        let popped: Option<(String, Vec<u8>)> = pop.arg(&keys).arg(1).query(&mut connection)?;
        if let Some((key, payload)) = popped {
            let pipe = key.rsplit(':').next().unwrap_or_default();
            heard.lock().unwrap().take(pipe, &payload);
        }
    }
    Ok(())
}
