//! What a service is told to believe us is told to nobody else.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::sync::{Arc, Mutex};

use crate::{Server, check};

/// A server that answers so to everything, and keeps the heads of what it was asked.
fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (Server, Arc<Mutex<String>>) {
    let asked = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&asked);
    let server = Server::new(move |mut stream| {
        let mut head = String::new();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
        copy.lock().unwrap().push_str(&head);
        drop(stream.write_all(answer(&head).as_bytes()));
    });
    (server, asked)
}

#[test]
fn a_redirection_does_not_take_the_token_along() {
    let (other, asked) = server(|_| "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\"\"".to_owned());
    let location = other.url().replace("127.0.0.1", "localhost");
    let (first, _) = server(move |_| {
        format!("HTTP/1.1 302 Found\r\nLocation: {location}/\r\nContent-Length: 0\r\n\r\n")
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "t0ken\n").unwrap();
    let file = file.path().to_str().unwrap();
    let url = first.url();
    let (text, status) = check(&["check-consul", "--url", &url, "--token-file", file]);
    assert!(text.contains("answers 302") && status == 3, "{text}");
    assert_eq!(*asked.lock().unwrap(), "");
}

#[test]
fn what_comes_back_with_a_secret_in_it_is_shown_without() {
    let echo = |head: &str| {
        let line: String = head.lines().collect::<Vec<_>>().join(" ");
        let length = line.len();
        format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {length}\r\n\r\n{line}")
    };
    let (server, asked) = server(echo);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "pa55word\n").unwrap();
    let (file, url) = (file.path().to_str().unwrap(), server.url());
    for args in [
        &[
            "check-sensu",
            "--url",
            &url,
            "--user",
            "joe",
            "--password-file",
            file,
        ][..],
        &["check-consul", "--url", &url, "--token-file", file],
    ] {
        let (text, status) = check(args);
        assert!(text.contains("answers 403") && status == 3, "{text}");
        // joe:pa55word
        for secret in ["pa55word", "am9lOnBhNTV3b3Jk"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let asked = asked.lock().unwrap();
    assert!(asked.contains("pa55word") && asked.contains("am9lOnBhNTV3b3Jk"));
}

#[test]
fn what_cannot_be_a_secret_is_said_before_anybody_is_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "to\u{7}ken\n").unwrap();
    let file = file.path().to_str().unwrap();
    let (text, status) = check(&["check-consul", "--token-file", file]);
    let why = "its first line has a character that no secret has";
    assert!(text.contains(why) && status == 3, "{text}");
}
