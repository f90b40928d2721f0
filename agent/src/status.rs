//! `venus-agent status`: how the agent that runs on this node says it is.

use crate::cli::Arguments;
use crate::host;
use crate::settings::client::HttpSocket;
use crate::settings::{Environment, Settings, load};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

/// How long the agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many bytes of its answer are read.
const LONGEST: u64 = 4 << 20;

/// Prints it; the exit code is 0 where there is an agent, else 2.
pub(crate) fn run(arguments: &Arguments, environment: &Environment) -> ExitCode {
    let (text, code) = match look(arguments, environment) {
        Ok(text) => (text, 0),
        Err(why) => (format!("venus-agent status: {why}\n"), 2),
    };
    let written = if code == 0 {
        io::stdout().lock().write_all(text.as_bytes())
    } else {
        io::stderr().lock().write_all(text.as_bytes())
    };
    match written {
        // A reader that went away has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::from(2),
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}

fn look(arguments: &Arguments, environment: &Environment) -> Result<String, String> {
    let loaded = load::load(&arguments.sources, environment, &host::discover());
    let (merged, files) = loaded.map_err(|error| error.to_string())?;
    let wrong = |_| "the settings are wrong; see venus-agent --validate_config".to_owned();
    let settings = Settings::compile(merged, files).map_err(wrong)?;
    let http = &settings.client.http_socket;
    if !http.socket.enabled {
        return Err("client.http_socket is off in the settings".to_owned());
    }
    let address = http.socket.address();
    let answer = ask(http).map_err(|error| {
        let what = match error.kind() {
            // What a socket with a timeout says.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("no answer within {} s", PATIENCE.as_secs())
            }
            _ => error.to_string(),
        };
        format!("{address}: {what}; is the agent running, with these settings?")
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => {}
        Some("404") => return Err(format!("{address}: venus.page is false in its settings")),
        Some("401") => {
            return Err(format!(
                "{address}: it wants another user or password than client.http_socket has"
            ));
        }
        _ => return Err(format!("{address}: that is no venus-agent")),
    }
    let node: Value = serde_json::from_str(body)
        .map_err(|error| format!("{address}: its answer is not JSON: {error}"))?;
    Ok(describe(&node))
}

fn ask(http: &HttpSocket) -> io::Result<String> {
    let socket = &http.socket;
    // An agent that listens everywhere is here, too.
    let host = match socket.bind.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    let mut addresses = (host, socket.port).to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let login = http.login.as_ref().map(|login| {
        let login = format!("{}:{}", login.user, login.password);
        format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(login))
    });
    let login = login.unwrap_or_default();
    let request = format!("GET /api/node HTTP/1.0\r\n{login}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A line for the node, one for its connection, and one for each check, the worst first.
fn describe(node: &Value) -> String {
    let list = |pointer: &str| {
        let found = node.pointer(pointer).and_then(Value::as_array);
        found.map_or(&[][..], Vec::as_slice)
    };
    let subscriptions = list("/client/subscriptions").iter();
    let subscriptions: Vec<String> = subscriptions.map(|name| text(name, "")).collect();
    let (name, address) = (text(node, "/client/name"), text(node, "/client/address"));
    let mut shown = format!("{name}  {address}  {}\n", subscriptions.join(", "));
    let transport = text(node, "/transport/name");
    let connected = node.pointer("/transport/connected");
    let connection = if connected == Some(&Value::Bool(true)) {
        "connected"
    } else {
        "not connected, results are kept"
    };
    let waiting = number(node, "/waiting/memory") + number(node, "/waiting/spool");
    shown.push_str(&format!(
        "{transport}: {connection}; {waiting} results wait\n"
    ));
    let now = number(node, "/client/timestamp");
    let checks = list("/checks");
    let names = checks.iter().map(|check| text(check, "/name"));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    for check in checks {
        let status = match check.get("status").and_then(Value::as_i64) {
            Some(0) => "OK",
            Some(1) => "WARNING",
            Some(2) => "CRITICAL",
            _ => "UNKNOWN",
        };
        let age = now.saturating_sub(number(check, "/executed"));
        let (name, output) = (text(check, "/name"), text(check, "/output"));
        shown.push_str(&format!(
            "{status:8}  {name:width$}  {age:>6} s  {output}\n"
        ));
    }
    shown
}

/// A text that does nothing to a terminal; `?` where there is none.
fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or("?").replace(char::is_control, " ")
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_that_is_none_is_shown_all_the_same() {
        assert_eq!(
            describe(&json!({"checks": [{"name": "a\u{1b}[31m", "status": 9, "output": 5}]})),
            "?  ?  \n?: not connected, results are kept; 0 results wait\n\
             UNKNOWN   a [31m       0 s  ?\n"
        );
    }
}
