//! A `RabbitMQ` broker: reached, logged in to, and everything declared that the
//! agent declares. Nothing is consumed, so that no client misses a request.

use super::broker::{PATIENCE, compare_clocks, reach};
use super::report::Report;
use crate::clock;
use crate::keepalive::SENSU_VERSION;
use crate::settings::{Broker, Client};
use crate::transport::rabbitmq::{ask_clock, bind, declare, declare_queue, kind_of, open, say};
use crate::transport::{KEEPALIVES, RESULTS};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ErrorKind, ExchangeKind};
use tokio::time::timeout;

pub(super) async fn examine(broker: &Broker, client: &Client, report: &mut Report) {
    let area = format!("broker {broker}");
    if !reach(&broker.host, broker.port, &area, report).await {
        return;
    }
    let opened = timeout(PATIENCE, open(broker, &client.name, broker.heartbeat)).await;
    let connection = match opened {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return report_refusal(broker, &error, &area, report),
        Err(_) => {
            let what = "login: no answer; is it RabbitMQ that listens there?";
            return report.fail(&area, what);
        }
    };
    if let Some(tls) = &broker.tls {
        let verified = if tls.verify {
            "verified"
        } else {
            "not verified"
        };
        report.ok(
            &area,
            format!("TLS: the broker's certificate is {verified}"),
        );
    }
    report.ok(&area, format!("login: as {}", broker.user));
    report.ok(&area, format!("vhost: {}", broker.vhost));
    let examined = async {
        permissions(&connection, client, &area, report).await;
        let asked = clock::since_epoch();
        match ask_clock(&connection, &queue_name(client)).await {
            Ok(told) => compare_clocks(asked, told, clock::since_epoch(), &area, report),
            Err(error) => {
                let what = format!("clock: not compared with the broker's: {}", say(&error));
                report.warn(&area, what);
            }
        }
    };
    if timeout(PATIENCE, examined).await.is_err() {
        report.fail(&area, "permissions: no answer any more");
    }
    // Nothing depends on how this ends.
    drop(timeout(PATIENCE, connection.close(200, "OK".into())).await);
}

fn report_refusal(broker: &Broker, error: &lapin::Error, area: &str, report: &mut Report) {
    let refused = match error.kind() {
        ErrorKind::ProtocolError(error) if error.get_id() == 530 => "vhost",
        ErrorKind::IOError(_) if broker.tls.is_some() => "TLS",
        _ => "login",
    };
    report.fail(area, format!("{refused}: {}", say(error)));
}

/// Whether the agent may declare and use what it needs.
async fn permissions(connection: &Connection, client: &Client, area: &str, report: &mut Report) {
    let mut refused = 0;
    let mut check = |what: String, done: lapin::Result<()>| {
        if let Err(error) = done {
            refused += 1;
            report.fail(area, format!("permissions: {what}: {}", say(&error)));
        }
    };
    for exchange in [KEEPALIVES, RESULTS] {
        let done = try_to_publish(connection, exchange).await;
        check(format!("publish to {exchange}"), done);
    }
    let own = queue_name(client);
    let done = try_queue(connection, &own).await;
    check(format!("declare the queue {own}"), done);
    for subscription in &client.subscriptions {
        let done = try_to_subscribe(connection, subscription, &own).await;
        check(format!("subscribe to {subscription}"), done);
    }
    if refused == 0 {
        let what = "permissions: publishes, declares and subscribes as the agent does";
        report.ok(area, what);
    }
}

/// Publishes what no queue is bound for; a channel each, as a refusal ends it.
async fn try_to_publish(connection: &Connection, exchange: &str) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    declare(&channel, exchange, ExchangeKind::Direct).await?;
    let published = channel.basic_publish(
        exchange.into(),
        "venus-agent doctor".into(),
        BasicPublishOptions::default(),
        b"",
        BasicProperties::default(),
    );
    published.await?;
    // A refusal comes before the answer to this.
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let none = FieldTable::default();
    channel
        .exchange_declare(exchange.into(), ExchangeKind::Direct, options, none)
        .await
}

/// A queue of doctor's own, which is read and deleted.
async fn try_queue(connection: &Connection, name: &str) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    declare_queue(&channel, name).await?;
    let options = BasicGetOptions { no_ack: true };
    channel.basic_get(name.into(), options).await?;
    let options = QueueDeleteOptions::default();
    channel.queue_delete(name.into(), options).await?;
    Ok(())
}

/// Binds the queue `own`, or the one that the clients of the subscription share.
async fn try_to_subscribe(
    connection: &Connection,
    subscription: &str,
    own: &str,
) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let kind = kind_of(subscription);
    let shared = kind == ExchangeKind::Direct;
    let queue = if shared { subscription } else { own };
    declare_queue(&channel, queue).await?;
    declare(&channel, subscription, kind).await?;
    bind(&channel, queue, subscription).await?;
    // One that clients use, or that has requests for them, stays.
    let options = QueueDeleteOptions {
        if_unused: shared,
        if_empty: shared,
        nowait: false,
    };
    match channel.queue_delete(queue.into(), options).await {
        Err(error) if is_in_use(&error) => Ok(()),
        other => other.map(drop),
    }
}

fn is_in_use(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == 406)
}

fn queue_name(client: &Client) -> String {
    let now = clock::epoch_seconds();
    format!("{}-{SENSU_VERSION}-{now}-doctor", client.name)
}
