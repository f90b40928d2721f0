//! What the broker sends: requests, and that a connection is lost.

use super::words::failure;
use crate::transport::{Requests, TransportError};
use futures_lite::Stream;
use lapin::{Channel, Consumer, Event};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

pub(super) type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// The receiving side.
pub(crate) struct RabbitmqRequests {
    pub(super) broker: String,
    pub(super) consumers: Vec<Consumer>,
    pub(super) events: Vec<Events>,
    pub(super) _channel: Channel,
}

impl Requests for RabbitmqRequests {
    async fn next(&mut self) -> Result<Vec<u8>, TransportError> {
        let lost = |what: &str| TransportError::Broker {
            broker: self.broker.clone(),
            what: what.to_owned(),
        };
        poll_fn(|context| {
            for events in &mut self.events {
                while let Poll::Ready(event) = events.as_mut().poll_next(context) {
                    match event {
                        Some(Event::Error(error)) => {
                            return Poll::Ready(Err(failure(&self.broker, &error)));
                        }
                        Some(_) => {}
                        None => return Poll::Ready(Err(lost("the connection is closed"))),
                    }
                }
            }
            for consumer in &mut self.consumers {
                if let Poll::Ready(delivery) = Pin::new(consumer).poll_next(context) {
                    return Poll::Ready(match delivery {
                        Some(Ok(delivery)) => Ok(delivery.data),
                        Some(Err(error)) => Err(failure(&self.broker, &error)),
                        None => Err(lost("the subscription was cancelled")),
                    });
                }
            }
            Poll::Pending
        })
        .await
    }

    /// A consumer that is dropped is cancelled.
    fn unsubscribe(&mut self) {
        self.consumers.clear();
    }
}
