//! Who asks for checks as the Sensu server does, and hears nothing.

use crate::rabbitmq::Vhost;
use crate::runtime;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A connection for requests, beside who takes the results.
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
    _connection: Connection,
    runtime: Handle,
    /// Dropped, it ends the thread that drives the runtime.
    _driver: oneshot::Sender<()>,
}

impl Publisher {
    /// Connects.
    #[must_use]
    pub fn connect(vhost: &Vhost) -> Self {
        let current = Builder::new_current_thread().enable_all().build().unwrap();
        let runtime = current.handle().clone();
        let (driver, end) = oneshot::channel();
        thread::spawn(move || drop(current.block_on(end)));
        let (connection, channel) = runtime.block_on(async {
            let properties = ConnectionProperties::default();
            let connection =
                Connection::connect_with_runtime(&vhost.uri(), properties, runtime::current())
                    .await
                    .unwrap();
            let channel = connection.create_channel().await.unwrap();
            (connection, channel)
        });
        Self {
            channel,
            _connection: connection,
            runtime,
            _driver: driver,
        }
    }

    /// Asks the subscribers of `exchange` for a check.
    pub fn request(&self, exchange: &str, check: &Value) {
        let payload = check.to_string();
        let published = self.channel.basic_publish(
            exchange.into(),
            "".into(),
            BasicPublishOptions::default(),
            payload.as_bytes(),
            BasicProperties::default(),
        );
        self.runtime.block_on(published).unwrap();
    }
}
