//! The test in the role of the Sensu server.

use crate::DEADLINE;
use crate::rabbitmq::{RabbitMq, Vhost};
use crate::runtime;
use futures_lite::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A connection that owns the queues `keepalives` and `results`, as the server
/// declares them: non-durable, auto-delete.
pub struct Server {
    channel: Channel,
    keepalives: Consumer,
    results: Consumer,
    _connection: Connection,
    runtime: Handle,
    /// Dropped, it ends the thread that drives the runtime.
    _driver: oneshot::Sender<()>,
}

impl Server {
    /// A server in a virtual host of its own on the shared node.
    #[must_use]
    pub fn alone() -> Option<(Vhost, Self)> {
        let vhost = RabbitMq::shared()?.vhost();
        let server = Self::connect(&vhost);
        Some((vhost, server))
    }

    /// Connects and subscribes.
    #[must_use]
    pub fn connect(vhost: &Vhost) -> Self {
        let current = Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = current.handle().clone();
        let (driver, end) = oneshot::channel();
        thread::spawn(move || drop(current.block_on(end)));
        let (connection, channel, keepalives, results) = runtime.block_on(async {
            let properties = ConnectionProperties::default();
            let connection =
                Connection::connect_with_runtime(&vhost.uri(), properties, runtime::current())
                    .await
                    .unwrap();
            let channel = connection.create_channel().await.unwrap();
            let keepalives = consume(&channel, "keepalives").await;
            let results = consume(&channel, "results").await;
            (connection, channel, keepalives, results)
        });
        Self {
            channel,
            keepalives,
            results,
            _connection: connection,
            runtime,
            _driver: driver,
        }
    }

    /// The next keepalive, in the form of the captures in `fixtures/wire`.
    pub fn keepalive(&mut self) -> Value {
        self.keepalive_within(DEADLINE)
    }

    /// The next keepalive, which has to come within `limit`.
    pub fn keepalive_within(&mut self, limit: Duration) -> Value {
        let next = next(&mut self.keepalives, limit, "keepalive");
        self.runtime.block_on(next)
    }

    /// The next result of any check, in the form of the captures.
    pub fn result(&mut self) -> Value {
        let next = next(&mut self.results, DEADLINE, "result");
        self.runtime.block_on(next)
    }

    /// The next result of the check `name`; those of others are passed over.
    pub fn result_of(&mut self, name: &str) -> Value {
        loop {
            let result = self.result();
            if result["payload"]["check"]["name"] == name {
                return result;
            }
        }
    }

    /// Publishes a check request to an exchange, as the server does.
    pub fn request(&self, exchange: &str, check: &Value) {
        self.publish(exchange, check.to_string().as_bytes());
    }

    /// Publishes anything to an exchange.
    pub fn publish(&self, exchange: &str, payload: &[u8]) {
        let published = self.channel.basic_publish(
            exchange.into(),
            "".into(),
            BasicPublishOptions::default(),
            payload,
            BasicProperties::default(),
        );
        self.runtime.block_on(published).unwrap();
    }

    /// Has messages wait in a queue from which nobody takes any.
    pub fn pile_up(&self, queue: &str, messages: usize) {
        let declared = self.channel.queue_declare(
            queue.into(),
            QueueDeclareOptions::default(),
            FieldTable::default(),
        );
        self.runtime.block_on(declared).unwrap();
        for _ in 0..messages {
            let published = self.channel.basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                b"waiting",
                BasicProperties::default(),
            );
            self.runtime.block_on(published).unwrap();
        }
    }

    /// Deletes an exchange.
    pub fn delete_exchange(&self, name: &str) {
        let options = ExchangeDeleteOptions::default();
        let deleted = self.channel.exchange_delete(name.into(), options);
        self.runtime.block_on(deleted).unwrap();
    }

    /// Deletes a queue.
    pub fn delete_queue(&self, name: &str) {
        let options = QueueDeleteOptions::default();
        let deleted = self.channel.queue_delete(name.into(), options);
        self.runtime.block_on(deleted).unwrap();
    }

    /// Declares the exchange `results` anew and binds the queue to it.
    pub fn bind_results(&self) {
        self.runtime.block_on(bind(&self.channel, "results"));
    }
}

async fn consume(channel: &Channel, name: &str) -> Consumer {
    let queue = QueueDeclareOptions {
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name.into(), queue, FieldTable::default())
        .await
        .unwrap();
    bind(channel, name).await;
    let consume = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(name.into(), "".into(), consume, FieldTable::default())
        .await
        .unwrap()
}

/// Declares the direct exchange `name` and binds the queue of that name to it.
async fn bind(channel: &Channel, name: &str) {
    let none = FieldTable::default;
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(name.into(), ExchangeKind::Direct, options, none())
        .await
        .unwrap();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(name.into(), name.into(), "".into(), options, none())
        .await
        .unwrap();
}

async fn next(consumer: &mut Consumer, limit: Duration, what: &str) -> Value {
    let delivery = timeout(limit, consumer.next()).await;
    let delivery = delivery.unwrap_or_else(|_| panic!("no {what} within {limit:?}"));
    let delivery = delivery.expect("the queue is gone").unwrap();
    let properties = &delivery.properties;
    let content_type = properties.content_type().as_ref();
    let payload: Value = serde_json::from_slice(&delivery.data).unwrap();
    json!({
        "exchange": delivery.exchange.as_str(),
        "routing_key": delivery.routing_key.as_str(),
        "properties": {
            "content_type": content_type.map(|text| text.as_str().to_owned()),
            "delivery_mode": properties.delivery_mode(),
            "priority": properties.priority(),
        },
        "payload": payload,
    })
}
