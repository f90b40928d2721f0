//! Servers that do not answer all that they are asked.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use super::{answers, bulk, command, master, redis};
use crate::{Server, check, run, says};

const PASSWORD: &str = "s3cret-of-redis";

/// What it answers to the one is told, whatever it answers to the other.
#[test]
fn one_answer_does_not_hide_another() {
    let misconf = "-MISCONF Redis is unable to persist to disk\r\n";
    let loading = "-LOADING Redis is loading the dataset in memory\r\n";
    let noperm = "-NOPERM this user has no permissions\r\n";
    let silent = "";
    for (ping, info, line, status) in [
        (
            misconf,
            noperm,
            "CRITICAL: it answers PING with MISCONF Redis is unable to persist to disk; \
             SERVER answers INFO with NOPERM this user has no permissions; let this user PING and INFO",
            2,
        ),
        (
            misconf,
            silent,
            "CRITICAL: it answers PING with MISCONF Redis is unable to persist to disk; \
             asking SERVER with INFO failed: no answer in time",
            2,
        ),
        (
            loading,
            loading,
            "WARNING: it is loading its data; \
             SERVER answers INFO with LOADING Redis is loading the dataset in memory",
            1,
        ),
        (
            "+PONG\r\n",
            "-ERR no such command\r\n",
            "UNKNOWN: SERVER answers INFO with ERR no such command",
            3,
        ),
    ] {
        let server = redis([("PING", ping.to_owned()), ("INFO", info.to_owned())]);
        let args = ["check-redis", "--server", &server, "--timeout", "1"];
        let line = format!("CheckRedis {}", line.replace("SERVER", &server));
        says(&args, &line, status);
    }
    let info = master().replace("bgsave_status:ok", "bgsave_status:err");
    let server = redis([("PING", noperm.to_owned()), ("INFO", bulk(&info))]);
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    says(
        &["check-redis", "--server", &server, "--state-dir", state],
        &format!(
            "CheckRedis CRITICAL: the last save to its disk failed; it may refuse to change anything; \
             {server} answers PING with NOPERM this user has no permissions; \
             let this user PING and INFO"
        ),
        2,
    );
}

#[test]
fn who_may_not_ask_is_told_what_to_do() {
    for (answer, end) in [
        (
            "NOAUTH Authentication required.",
            "answers PING with NOAUTH Authentication required; give its password with --password-file",
        ),
        (
            "NOPERM this user has no permissions to run the 'ping' command",
            "'ping' command; let this user PING and INFO; SERVER answers INFO with ERR unknown command",
        ),
        (
            "DENIED Redis is running in protected mode",
            "answers PING with DENIED Redis is running in protected mode",
        ),
    ] {
        let server = redis([("PING", format!("-{answer}\r\n"))]);
        let (text, status) = check(&["check-redis", "--server", &server]);
        assert!(
            text.starts_with(&format!("CheckRedis UNKNOWN: {server} ")),
            "{text}"
        );
        let end = end.replace("SERVER", &server);
        assert!(text.ends_with(&format!("{end}\n")), "{text}");
        assert_eq!(status, 3);
    }
    let server = redis([("PING", "-ERR max number of clients reached\r\n".to_owned())]);
    says(
        &["check-redis", "--server", &server],
        &format!(
            "CheckRedis CRITICAL: {server} answers PING with ERR max number of clients reached"
        ),
        2,
    );
    let server = redis([("PING", "+PONG\r\n".to_owned()), ("INFO", bulk("a:b\n"))]);
    says(
        &["check-redis", "--server", &server],
        &format!(
            "CheckRedis UNKNOWN: {server} answers INFO with something else than Redis does; is it Redis?"
        ),
        3,
    );
}

/// Where that is renamed, forbidden, never answered, or what a proxy hangs up on, all else is known.
#[test]
fn an_old_server_that_does_not_answer_once_more() {
    let fine = "CheckRedis OK: Redis 7.0.15, a master with 1 replica, 0% of the host's memory used, \
                3 clients connected";
    let info = master().replace("maxclients:10000\n", "");
    answers(&info, &[], fine, 0);
    answers(
        &info,
        &["--clients-critical", "90"],
        "CheckRedis UNKNOWN: 3 clients connected, and it does not tell of how many (maxclients): \
         let this user CONFIG GET, or leave --clients-warning and --clients-critical out",
        3,
    );
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    // Nothing, or not all of it.
    for answer in ["", "*2\r\n$10\r\nmaxcl"] {
        let server = redis([
            ("PING", "+PONG\r\n".to_owned()),
            ("INFO", bulk(&info)),
            ("CONFIG", answer.to_owned()),
        ]);
        let args = ["check-redis", "--server", &server, "--state-dir", state];
        let args = [&args[..], &["--timeout", "1"]].concat();
        check(&args);
        says(&args, fine, 0);
    }
    let server = Server::new(move |stream: TcpStream| {
        let mut from = BufReader::new(&stream);
        while let Some(words) = command(&mut from) {
            let answer = match words[0].as_str() {
                "PING" => "+PONG\r\n".to_owned(),
                "INFO" => bulk(&info),
                _ => return,
            };
            drop((&stream).write_all(answer.as_bytes()));
        }
    });
    let server = server.0.to_string();
    let args = ["check-redis", "--server", &server, "--state-dir", state];
    check(&args);
    says(&args, fine, 0);
}

/// Whatever a server does with the password, it is not shown.
#[test]
fn the_password_shows_up_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let settings = dir.path().join("redis.json");
    for answer in [
        format!("-WRONGPASS invalid {PASSWORD}\r\n"),
        format!("-ERR what is {PASSWORD}\r\n"),
        format!("+{PASSWORD}\r\n"),
        bulk(PASSWORD),
        format!("*2\r\n+AUTH\r\n+{PASSWORD}\r\n"),
        format!("{PASSWORD}\r\n"),
    ] {
        let server = redis([("AUTH", answer.clone()), ("PING", answer)]);
        std::fs::write(
            &settings,
            format!("{{\"redis\": \"redis://:{PASSWORD}@{server}/1\"}}"),
        )
        .unwrap();
        let by_file = [
            "--server",
            &server,
            "--password-file",
            file.to_str().unwrap(),
        ];
        let by_settings = ["--config", settings.to_str().unwrap()];
        for args in [&by_file[..], &by_settings] {
            for command in ["check-redis", "metrics-redis"] {
                let output = run(&[&[command, "--timeout", "0.5"], args].concat());
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8(text).unwrap();
                assert!(text.contains(&server) && !text.contains(PASSWORD), "{text}");
                assert_eq!(output.status.code(), Some(3));
            }
        }
    }
}
