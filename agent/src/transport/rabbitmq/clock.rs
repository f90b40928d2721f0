//! What time it is at the broker.

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ErrorKind};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the broker may take to put down a message that has expired.
const PATIENCE: Duration = Duration::from_millis(2500);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// The broker's clock, in whole seconds since the epoch. The protocol has no
/// question for it, but the broker notes when a message expired: in the header
/// `x-death` of what it puts into the queue for those (`RabbitMQ`, Dead Letter
/// Exchanges). Both queues are this connection's alone, and their names begin with `name`.
pub(crate) async fn ask_clock(connection: &Connection, name: &str) -> lapin::Result<Duration> {
    let channel = connection.create_channel().await?;
    let [dying, dead] = ["dying", "dead"].map(|end| format!("{name}-{end}"));
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(0));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(&dead));
    for (name, arguments) in [(&dead, FieldTable::default()), (&dying, arguments)] {
        channel
            .queue_declare(name.as_str().into(), options, arguments)
            .await?;
    }
    let published = channel.basic_publish(
        "".into(),
        dying.as_str().into(),
        BasicPublishOptions::default(),
        b"",
        BasicProperties::default(),
    );
    published.await?;
    let asked = Instant::now();
    loop {
        let options = BasicGetOptions { no_ack: true };
        let message = channel.basic_get(dead.as_str().into(), options).await?;
        let told = message.as_ref().and_then(|message| {
            let headers = message.properties.headers().as_ref()?;
            let deaths = headers.inner().get("x-death")?.as_array()?;
            let death = deaths.as_slice().first()?.as_field_table()?;
            death.inner().get("time")?.as_timestamp()
        });
        match told {
            Some(seconds) => return Ok(Duration::from_secs(seconds)),
            None if asked.elapsed() < PATIENCE => sleep(PAUSE).await,
            None => {
                let error = io::Error::other("it does not tell the time");
                return Err(ErrorKind::IOError(error.into()).into());
            }
        }
    }
}
