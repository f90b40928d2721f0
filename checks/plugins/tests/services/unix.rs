//! HTTP over a Unix socket, by `check-docker`, the first that asks so: what holds for TCP in
//! `trouble.rs` holds there.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::{check, fixture, says};
use nix::unistd::geteuid;

/// A server on a socket that does the same with each connection, until the test ends.
fn serve(path: &Path, serve: impl Fn(UnixStream) + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
}

/// The path of a request, whose head is read.
fn asked(stream: &UnixStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(String::is_empty)?;
    Some(first.split(' ').nth(1)?.to_owned())
}

/// What is answered by Docker's paths, with nothing of HTTP around it.
fn body(path: &str) -> String {
    match path {
        "/_ping" => "OK".to_owned(),
        "/version" => fixture("services/docker/version.json"),
        "/info" => fixture("services/docker/info.json"),
        other => panic!("{other}"),
    }
}

const FINE: &str = "CheckDocker OK: Docker 20.10.24+dfsg1, storage by overlay2, \
                    containers: 5 running, 1 paused, 5 stopped";

#[test]
fn answers_in_chunks_by_length_or_to_the_end() {
    type Form = fn(&str) -> String;
    let chunked: Form = |body| {
        let mut text = String::from("Transfer-Encoding: chunked\r\n\r\n");
        let mut rest = body;
        while !rest.is_empty() {
            // Of sizes that fit no buffer.
            let (chunk, after) = rest.split_at(rest.len().min(7));
            text.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
            rest = after;
        }
        text + "0\r\n\r\n"
    };
    let length: Form = |body| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let to_the_end: Form = |body| format!("Connection: close\r\n\r\n{body}");
    for form in [chunked, length, to_the_end] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        serve(&path, move |mut stream| {
            let Some(path) = asked(&stream) else { return };
            let answer = format!("HTTP/1.1 200 OK\r\nServer: x\r\n{}", form(&body(&path)));
            // In pieces.
            for piece in answer.as_bytes().chunks(100) {
                stream.write_all(piece).unwrap();
            }
        });
        says(
            &[
                "check-docker",
                "--url",
                &format!("unix://{}", path.display()),
            ],
            FINE,
            0,
        );
    }
}

#[test]
fn nobody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let url = format!("unix://{}", path.display());
    for command in [
        ["check-docker", "CheckDocker", "/_ping"],
        [
            "check-docker-container",
            "CheckDockerContainer",
            "/containers/json?all=1",
        ],
        ["check-swarm", "CheckSwarm", "/info"],
    ] {
        let [name, title, asked] = command;
        says(
            &[name, "--url", &url],
            &format!(
                "{title} CRITICAL: asking {url}{asked} failed: No such file or directory \
                 (os error 2); is it running, and is this its address?"
            ),
            2,
        );
    }
    // It was left behind.
    drop(UnixListener::bind(&path).unwrap());
    says(
        &["check-docker", "--url", &url],
        &format!(
            "CheckDocker CRITICAL: asking {url}/_ping failed: Connection refused \
             (os error 111); is it running, and is this its address?"
        ),
        2,
    );
    let output = crate::run(&["metrics-docker", "--url", &url]);
    assert_eq!(
        str::from_utf8(&output.stderr).unwrap(),
        format!(
            "metrics-docker: asking {url}/info failed: Connection refused (os error 111); \
             is it running, and is this its address?\n"
        )
    );
    assert_eq!(output.status.code(), Some(3));
}

/// Needs root, who becomes somebody else, as nothing is forbidden to root.
#[test]
fn this_user_may_not_ask() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
    // Where the other user can reach it, wherever it was built.
    let program = folder.path().join("venus-checks");
    fs::copy(env!("CARGO_BIN_EXE_venus-checks"), &program).unwrap();
    let url = format!("unix://{}", path.display());
    let mut command = Command::new(program);
    let nobody = 65_534;
    command
        .args(["check-docker", "--url", &url])
        .uid(nobody)
        .gid(nobody);
    let output = command.output().unwrap();
    assert_eq!(
        str::from_utf8(&output.stdout).unwrap(),
        format!(
            "CheckDocker UNKNOWN: asking {url}/_ping failed: Permission denied (os error 13); \
             put this user into the group of that socket (of Docker: docker)\n"
        )
    );
    assert_eq!(output.status.code(), Some(3));
}

/// It accepts and stays silent; or does not even accept, as its queue is full.
#[test]
fn it_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let silent = folder.path().join("silent.sock");
    serve(&silent, |stream| {
        thread::spawn(move || {
            let stream = stream;
            // Until the other side hangs up.
            drop(std::io::copy(&mut &stream, &mut std::io::sink()));
        });
    });
    let full = folder.path().join("full.sock");
    let listener = UnixListener::bind(&full).unwrap();
    // A queue of none has room for one.
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&full).unwrap();
    for path in [silent, full] {
        let url = format!("unix://{}", path.display());
        says(
            &["check-docker", "--url", &url, "--timeout", "0.3"],
            &format!(
                "CheckDocker UNKNOWN: asking {url}/_ping failed: no answer within 0.2 s; \
                 see what hangs there, or give more with --timeout"
            ),
            3,
        );
    }
}

#[test]
fn it_breaks_off_or_talks_nonsense() {
    let heads: [&[u8]; 6] = [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nO",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n",
        b"\x00\xff\xfe|'x'=1\nCheckX OK: all is well\n\r\n\r\n",
    ];
    for head in heads {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        serve(&path, move |mut stream| {
            asked(&stream);
            drop(stream.write_all(head));
        });
        let url = format!("unix://{}", path.display());
        let (text, status) = check(&["check-docker", "--url", &url]);
        let start = format!("CheckDocker UNKNOWN: asking {url}/_ping failed: ");
        assert!(text.starts_with(&start), "{head:?}: {text}");
        assert_eq!((text.lines().count(), status), (1, 3), "{text}");
    }
}

#[test]
fn a_path_is_absolute_and_fits() {
    let long = format!("unix:///{}", "x".repeat(200));
    for bad in ["unix://docker.sock", "unix://", "unix:///", &long] {
        let (text, status) = check(&["check-docker", "--url", bad]);
        assert!(text.contains("or unix:///PATH"), "{text}");
        assert_eq!(status, 3, "{text}");
    }
}
