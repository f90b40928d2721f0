//! Results on their way, and the broker's word on each.

use crate::transport::RESULTS;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use std::future::poll_fn;
use std::task::Poll;

/// Sends results and waits until the broker has said of each whether a queue has it. Gives the
/// places of those that came back; none if one came back that is not among them.
///
/// Hands all of them to the connection before it waits for any: one write
/// and one wake-up of the client library's thread instead of one for each.
pub(super) async fn deliver_all(
    channel: &Channel,
    payloads: &[Vec<u8>],
) -> lapin::Result<Option<Vec<usize>>> {
    let deliveries = payloads.iter().enumerate();
    let mut pending: Vec<_> = deliveries
        .map(|(place, payload)| Box::pin(deliver(channel, place, payload)))
        .collect();
    let mut returned = Returned::default();
    poll_fn(|context| {
        let mut failed = None;
        pending.retain_mut(|deliver| match deliver.as_mut().poll(context) {
            Poll::Ready(fate) => {
                match fate {
                    Ok((place, confirmation)) => returned.note(place, confirmation),
                    Err(error) => failed = Some(error),
                }
                false
            }
            Poll::Pending => true,
        });
        match failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None if pending.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await?;
    Ok(returned.among(payloads))
}

/// Sends the result at a place, and waits for the broker's word whether a queue has it.
async fn deliver(
    channel: &Channel,
    place: usize,
    payload: &[u8],
) -> lapin::Result<(usize, Confirmation)> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let sent = send(channel, RESULTS, payload, options).await?;
    Ok((place, sent.await?))
}

/// What of a batch did not arrive.
#[derive(Debug, Default)]
struct Returned {
    places: Vec<usize>,
    payloads: Vec<Vec<u8>>,
}

impl Returned {
    fn note(&mut self, place: usize, confirmation: Confirmation) {
        let (is_taken, back) = match confirmation {
            Confirmation::Ack(back) => (true, back),
            Confirmation::Nack(back) => (false, back),
            Confirmation::NotRequested => (false, None),
        };
        if !is_taken {
            self.places.push(place);
        }
        // The library may hand what came back to the confirmation of another.
        self.payloads.extend(back.map(|back| back.delivery.data));
    }

    /// The places of all of them; none if one is not of this batch.
    fn among(self, batch: &[Vec<u8>]) -> Option<Vec<usize>> {
        let mut places = self.places;
        for back in self.payloads {
            let mut alike = batch.iter().enumerate().filter(|(_, sent)| **sent == back);
            let (place, _) = alike.find(|(place, _)| !places.contains(place))?;
            places.push(place);
        }
        Some(places)
    }
}

pub(super) async fn send(
    channel: &Channel,
    exchange: &str,
    payload: &[u8],
    options: BasicPublishOptions,
) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_content_type(ShortString::from("application/octet-stream"))
        .with_delivery_mode(1)
        .with_priority(0);
    channel
        .basic_publish(exchange.into(), "".into(), options, payload, properties)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_results_that_are_alike_each_that_came_back_stays() {
        let batch: Vec<Vec<u8>> = ["a", "b", "a", "a"].map(Into::into).into();
        let returned = |payloads: &[&str]| {
            let payloads = payloads.iter().map(|payload| (*payload).into());
            let returned = Returned {
                places: vec![0],
                payloads: payloads.collect(),
            };
            returned.among(&batch)
        };
        assert_eq!(returned(&["a", "b"]), Some(vec![0, 2, 1]));
        assert_eq!(returned(&["a", "a"]), Some(vec![0, 2, 3]));
        assert_eq!(returned(&["c"]), None);
        assert_eq!(returned(&["a", "a", "a"]), None);
    }
}
