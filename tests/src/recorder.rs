//! A Sensu server that comes back by itself, and writes down when it got what.
//!
//! Unlike a real server's its queues outlive it: what the broker has is not lost because
//! the one who counts was away for a moment.

use crate::rabbitmq::Vhost;
use crate::redis::Redis;
use crate::runtime;
use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
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
    /// When each keepalive did.
    pub keepalives: Vec<Instant>,
    /// Of each check the numbers that its results have as their output, as they came.
    pub numbers: BTreeMap<String, Vec<u64>>,
    /// When the newest result did.
    pub last_result: Option<Instant>,
    /// Results whose output is no number.
    pub others: Vec<Value>,
    seen: HashSet<Vec<u8>>,
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
        let uri = vhost.uri() + "?heartbeat=0";
        Self::start(move |heard, wish| {
            let current = Builder::new_current_thread().enable_all().build().unwrap();
            current.block_on(record(&uri, &heard, wish));
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
        self.numbers.entry(name).or_default().push(number);
    }
}

async fn record(uri: &str, heard: &Mutex<Heard>, mut wish: watch::Receiver<Wish>) {
    loop {
        let now = *wish.borrow_and_update();
        if now == Wish::End {
            return;
        }
        let ends = tokio::select! {
            ends = listen(uri, heard, now) => ends,
            _ = wish.changed() => continue,
        };
        // The broker may be away, and a connection may break: it is tried again.
        drop(ends);
        sleep(PAUSE).await;
    }
}

async fn listen(uri: &str, heard: &Mutex<Heard>, wish: Wish) -> lapin::Result<()> {
    let opened = timeout(CONNECT, async {
        let properties = ConnectionProperties::default();
        let connection =
            Connection::connect_with_runtime(uri, properties, runtime::current()).await?;
        let channel = connection.create_channel().await?;
        let keepalives = consume(&channel, KEEPALIVES).await?;
        let results = consume(&channel, RESULTS).await?;
        if wish == Wish::Unwilling {
            let [queue, exchange, key] = [RESULTS, RESULTS, ""];
            let unbound = channel.queue_unbind(
                queue.into(),
                exchange.into(),
                key.into(),
                FieldTable::default(),
            );
            unbound.await?;
        }
        lapin::Result::Ok((connection, channel, keepalives, results))
    });
    let Ok(opened) = opened.await else {
        return Ok(());
    };
    let (_connection, _channel, mut keepalives, mut results) = opened?;
    loop {
        let (pipe, delivery) = tokio::select! {
            next = keepalives.next() => (KEEPALIVES, next),
            next = results.next() => (RESULTS, next),
        };
        let Some(delivery) = delivery.transpose()? else {
            return Ok(());
        };
        note(heard, pipe, &delivery);
        delivery.ack(BasicAckOptions::default()).await?;
    }
}

/// A delivery whose acknowledgement was lost comes again: that is the broker's doing.
fn note(heard: &Mutex<Heard>, pipe: &str, delivery: &Delivery) {
    let mut heard = heard.lock().unwrap();
    let is_new = heard.seen.insert(delivery.data.clone());
    if is_new || !delivery.redelivered {
        heard.take(pipe, &delivery.data);
    }
}

async fn consume(channel: &Channel, name: &str) -> lapin::Result<Consumer> {
    let none = FieldTable::default;
    let options = QueueDeclareOptions::default();
    channel.queue_declare(name.into(), options, none()).await?;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(name.into(), ExchangeKind::Direct, options, none())
        .await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(name.into(), name.into(), "".into(), options, none())
        .await?;
    let options = BasicConsumeOptions::default();
    channel
        .basic_consume(name.into(), "".into(), options, none())
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
