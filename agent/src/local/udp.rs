//! One message for each datagram; nobody is answered.

use super::Inbox;
use super::result::NoMessage;
use std::rc::Rc;
use tokio::net::UdpSocket;

/// The largest datagram that there is.
const LARGEST: usize = 65_535;

/// Takes datagrams for ever.
pub(super) async fn serve(socket: UdpSocket, inbox: Rc<Inbox>) {
    let mut datagram = vec![0; LARGEST];
    loop {
        match socket.recv(&mut datagram).await {
            Ok(size) => take(datagram.get(..size).unwrap_or_default(), &inbox),
            Err(error) => inbox.refuse(&format!("no datagram could be taken: {error}")),
        }
    }
}

fn take(datagram: &[u8], inbox: &Inbox) {
    let message = datagram.trim_ascii();
    if message == b"ping" {
        return;
    }
    match inbox.take_now(message) {
        Ok(()) => {}
        Err(NoMessage::Unfinished) => inbox.refuse("the datagram breaks off"),
        Err(NoMessage::Invalid(why)) => inbox.refuse(&why),
    }
}
