//! A client of what answers over HTTP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// What a page says, if it says 200.
pub fn get(port: u16, path: &str) -> Result<String, String> {
    ask(port, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// The same for a form, which may be longer than an address.
pub fn post(port: u16, path: &str, form: &[(&str, &str)]) -> Result<String, String> {
    let fields: Vec<String> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let body = fields.join("&");
    let length = body.len();
    ask(
        port,
        &format!(
            "POST {path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

/// By HTTP 1.0, so that the answer is what comes until the end.
fn ask(port: u16, request: &str) -> Result<String, String> {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())?;
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_well = head.split(' ').nth(1) == Some("200");
    is_well.then(|| body.to_owned()).ok_or(answer)
}

fn encoded(value: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    value.bytes().map(byte).collect()
}
