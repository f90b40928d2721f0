//! One message for each connection, in pieces if need be.

use super::Inbox;
use super::result::NoMessage;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// After this long without a byte a message that is not whole is given up.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a message may take from its first to its last byte.
const WHOLE: Duration = Duration::from_secs(30);
/// How long to wait when the process has no more file descriptors.
const NO_DESCRIPTOR: Duration = Duration::from_secs(1);

/// Takes connections for ever.
pub(super) async fn serve(listener: TcpListener, inbox: Rc<Inbox>) {
    let places = Arc::new(Semaphore::new(inbox.settings.max_connections));
    loop {
        // Those without a place wait in the kernel's queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let inbox = Rc::clone(&inbox);
                spawn_local(async move {
                    // A sender that goes away or takes too long hears nothing.
                    drop(timeout(WHOLE, answer(stream, &inbox)).await);
                    drop(place);
                });
            }
            Err(error) => {
                inbox.refuse(&format!("no connection could be taken: {error}"));
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, inbox: &Inbox) -> io::Result<()> {
    let answer = receive(&mut stream, inbox).await?;
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn receive(stream: &mut TcpStream, inbox: &Inbox) -> io::Result<&'static str> {
    const INVALID: &str = "invalid";
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = match timeout(SILENCE, stream.read(&mut chunk)).await {
            // Somebody only looked whether the port is open.
            Ok(Ok(0)) if text.is_empty() => return Ok(""),
            Ok(read) => read?,
            Err(_) => 0,
        };
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let message = text.trim_ascii();
        if message == b"ping" {
            return Ok("pong");
        }
        if text.len() > inbox.settings.max_size {
            inbox.refuse("the message is too large");
            return Ok(INVALID);
        }
        // Only what ends like a message is worth reading as one.
        let may_be_whole = matches!(message.last(), Some(b'}' | b']'));
        if read > 0 && !may_be_whole {
            continue;
        }
        match inbox.take(message) {
            Ok(true) => return Ok("ok"),
            Ok(false) => return Ok(INVALID),
            Err(NoMessage::Unfinished) if read > 0 => {}
            Err(NoMessage::Unfinished) => {
                inbox.refuse("the message breaks off");
                return Ok(INVALID);
            }
            Err(NoMessage::Invalid(why)) => {
                inbox.refuse(&why);
                return Ok(INVALID);
            }
        }
    }
}
