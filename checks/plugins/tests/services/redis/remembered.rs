//! What is kept from one run to the next, and where a dry run says that it is.

use std::io::{BufReader, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{bulk, command, master, with_info};
use crate::{Server, check, run, says};

/// A server that says this of itself, each time what comes next, and the last for good.
fn with_infos(infos: Vec<String>) -> String {
    let turn = AtomicUsize::new(0);
    let server = Server::new(move |stream| {
        let mut from = BufReader::new(&stream);
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let info = &infos[turn.min(infos.len() - 1)];
        while let Some(words) = command(&mut from) {
            let answer = if words[0] == "PING" {
                "+PONG\r\n".to_owned()
            } else {
                bulk(info)
            };
            drop((&stream).write_all(answer.as_bytes()));
        }
    });
    server.0.to_string()
}

/// One that has turned away so many.
fn rejected(clients: u32) -> String {
    let now = format!("rejected_connections:{clients}");
    master().replace("rejected_connections:0", &now)
}

const FIRST: &str = "CheckRedis OK: Redis 7.0.15, a master with 1 replica, \
                     0% of the host's memory used, 3 of 10000 clients connected, \
                     first run, clients turned away are counted from here on";

#[test]
fn clients_that_are_turned_away_are_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    // Always the same address, as the state is of this server. The last one has been started anew.
    let anew = rejected(1).replace("run_id:6", "run_id:7");
    let infos = [0, 2, 2, 3].map(rejected).into_iter().chain([anew]);
    let server = with_infos(infos.collect());
    let args = ["check-redis", "--server", &server, "--state-dir", state];
    let (fine, _) = FIRST.split_once(", first").unwrap();
    let one = "CheckRedis WARNING: 1 client turned away since the last run";
    for (line, status) in [
        (FIRST, 0),
        (
            "CheckRedis WARNING: 2 clients turned away since the last run",
            1,
        ),
        (fine, 0),
        (one, 1),
        (one, 1),
        (fine, 0),
    ] {
        says(&args, line, status);
    }
    let (text, code) = check(&[
        "check-redis",
        "--server",
        &with_info(&master()),
        "--state-dir",
        "/proc/1",
    ]);
    assert!(
        text.starts_with("CheckRedis UNKNOWN: cannot write the state file /proc/1/"),
        "{text}"
    );
    assert_eq!(code, 3);
}

/// The files in which something is remembered.
fn kept(dir: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "json"))
        .collect()
}

#[test]
fn checks_that_are_told_something_else_remember_for_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let infos = [0, 0, 2, 2].map(rejected);
    let server = with_infos(infos.into());
    let one = ["check-redis", "--server", &server, "--state-dir", state];
    let other = [&one[..], &["--role", "master"]].concat();
    let away = "CheckRedis WARNING: 2 clients turned away since the last run";
    for (line, status) in [(FIRST, 0), (away, 1)] {
        says(&one, line, status);
        says(&other, line, status);
    }
    assert_eq!(kept(state).len(), 2);
}

#[test]
fn a_memory_that_was_lost_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let server = with_info(&master());
    let args = ["check-redis", "--server", &server, "--state-dir", state];
    says(&args, FIRST, 0);
    let [kept] = &kept(state)[..] else {
        panic!("one file is kept");
    };
    std::fs::write(kept, "{").unwrap();
    says(
        &args,
        &format!(
            "CheckRedis UNKNOWN: the state file {} is damaged (EOF while parsing an object \
             at line 1 column 1) and is begun anew",
            kept.display()
        ),
        3,
    );
    let (fine, _) = FIRST.split_once(", first").unwrap();
    says(&args, fine, 0);
    // It is what a dry run names.
    let dry = run(&[&args[..], &["--dryrun"]].concat());
    let text = format!(
        "CheckRedis would look at:\n  PING and INFO of {server}\n  {}\n",
        kept.display()
    );
    assert_eq!(String::from_utf8(dry.stdout).unwrap(), text);
}

#[test]
fn a_dry_run_names_the_server_that_the_settings_name() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("redis.json"));
    let (state, file) = (state.to_str().unwrap(), file.to_str().unwrap());
    let args = ["check-redis", "--config", file, "--state-dir", state];
    let dry = |more: &[&str]| {
        let output = run(&[&args[..], &["--dryrun"], more].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        dry(&[]),
        format!(
            "CheckRedis would look at:\n  redis of {file}\n  cannot read {file}: \
             No such file or directory (os error 2)\n  PING and INFO of the server that it names\n"
        )
    );
    let server = with_info(&master());
    std::fs::write(file, format!("{{\"redis\": \"redis://{server}\"}}")).unwrap();
    says(&args, FIRST, 0);
    let kept = kept(state)[0].display().to_string();
    let of = |place: &str| {
        format!("CheckRedis would look at:\n  redis of {file}\n  PING and INFO of {place}\n  ")
    };
    assert_eq!(dry(&[]), format!("{}{kept}\n", of(&server)));
    let text = dry(&["--server", "127.0.0.1:1"]);
    assert!(text.starts_with(&of("127.0.0.1:1")), "{text}");
    assert!(!text.contains(&kept), "{text}");
}
