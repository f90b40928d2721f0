//! What the broker or the system said, in words that say what to do.

use crate::transport::TransportError;
use lapin::ErrorKind;

/// Whether the peer closed the connection without a word.
pub(super) fn is_hang_up(error: &lapin::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ErrorKind::IOError(error) = error.kind() else {
        return false;
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

pub(super) fn failure(broker: &str, error: &lapin::Error) -> TransportError {
    TransportError::Broker {
        broker: broker.to_owned(),
        what: say(error),
    }
}

/// What the broker said, and what a person can do about it.
pub(crate) fn say(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::IOError(error) => {
            let said = error.to_string();
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            let advice = if refused {
                "; is RabbitMQ running and listening there?"
            } else if said.contains("UnknownIssuer") {
                "; see ssl.cacert in the rabbitmq settings"
            } else if said.contains("CertificateRequired") {
                "; see ssl.cert_chain_file in the rabbitmq settings"
            } else {
                ""
            };
            said + advice
        }
        ErrorKind::ProtocolError(error) => {
            let advice = match error.get_id() {
                403 => "; see user, password and permissions in the rabbitmq settings",
                530 => "; see vhost in the rabbitmq settings",
                406 => "; something else declared it with other flags than Sensu's",
                _ => "",
            };
            let said = error.get_message();
            format!("{}{advice}", said.as_str().trim_end_matches('.'))
        }
        _ => error.to_string(),
    }
}
