//! One message for each connection, TCP or Unix, in pieces if need be.

use super::Inbox;
use super::result::NoMessage;
use std::borrow::Cow;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// After this long without a byte a message that is not whole is given up.
const SILENCE: Duration = Duration::from_millis(500);

/// Answers the message of a connection. A sender that goes away hears nothing.
pub async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    inbox: &Inbox,
    max_size: usize,
) {
    let answered = async {
        let answer = receive(&mut stream, inbox, max_size).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    answered.await.unwrap_or_default();
}

async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    inbox: &Inbox,
    max_size: usize,
) -> io::Result<Cow<'static, str>> {
    const INVALID: Cow<'static, str> = Cow::Borrowed("invalid");
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = match timeout(SILENCE, stream.read(&mut chunk)).await {
            // Somebody only looked whether the port is open.
            Ok(Ok(0)) if text.is_empty() => return Ok("".into()),
            Ok(read) => read?,
            Err(_) => 0,
        };
        text.extend_from_slice(chunk.get(..read).unwrap_or_default());
        let message = text.trim_ascii();
        if message == b"ping" {
            return Ok("pong".into());
        }
        if text.len() > max_size {
            inbox.refuse("the message is too large");
            return Ok(INVALID);
        }
        // Only what ends like a message is worth reading as one.
        let may_be_whole = matches!(message.last(), Some(b'}' | b']'));
        if read > 0 && !may_be_whole {
            continue;
        }
        match inbox.take(message).await {
            Ok(taken) => return Ok(taken.answer()),
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
