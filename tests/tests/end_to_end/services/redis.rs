//! `check-redis` and `metrics-redis` against real servers and a sentinel.

use nix::sys::signal::Signal;
use serde_json::json;
use std::fs;
use tempfile::TempDir;
use venus_tests::certificates::Certificates;
use venus_tests::program::wait_until;
use venus_tests::redis::{PASSWORD, Redis};

use super::{check, comes_to_say, says};

/// A server, and what leads a check there.
struct Asked {
    dir: TempDir,
    server: String,
}

impl Asked {
    fn new(port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, secret) in [("password", PASSWORD), ("wrong", "wrong-but-s3cret")] {
            fs::write(dir.path().join(name), secret).unwrap();
        }
        Self {
            dir,
            server: format!("127.0.0.1:{port}"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The command line, without a password.
    fn plain(&self, more: &[&str]) -> Vec<String> {
        let state = self.path("state");
        let place = [
            "check-redis",
            "--server",
            &self.server,
            "--state-dir",
            &state,
        ];
        let all = [&place[..], more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn args(&self, more: &[&str]) -> Vec<String> {
        let password = self.path("password");
        self.plain(&[&["--password-file", &password], more].concat())
    }

    fn says(&self, more: &[&str], line: &str, status: i32) {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        says(&args, &format!("CheckRedis {line}"), status);
    }

    fn comes_to_say(&self, more: &[&str], start: &str) {
        let args = self.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        comes_to_say(&args, &format!("CheckRedis {start}"));
    }
}

#[test]
fn a_master_and_its_replica() {
    let Some(mut master) = Redis::launch() else {
        return;
    };
    let Some(mut replica) = master.replica() else {
        return;
    };
    let (of_master, of_replica) = (Asked::new(master.port), Asked::new(replica.port));
    let pair = [
        "--replicas",
        "1",
        "--role",
        "master",
        "--max-lag",
        "1000000",
    ];
    let fine = "OK: Redis ";
    of_master.comes_to_say(&pair, fine);
    of_replica.comes_to_say(&["--role", "slave"], fine);
    of_replica.says(
        &["--role", "master"],
        "CRITICAL: it is a slave, expected a master",
        2,
    );
    of_master.says(
        &["--role", "replica"],
        "CRITICAL: it is a master, expected a slave",
        2,
    );

    replica.kill();
    of_master.comes_to_say(&pair, "CRITICAL: 0 replicas online, expected 1");
    replica.relaunch();
    of_master.comes_to_say(&pair, fine);

    master.kill();
    let gone = format!(
        "CRITICAL: the link to its master {} is down",
        of_master.server
    );
    of_replica.comes_to_say(&[], &gone);
    of_master.says(
        &[],
        &format!(
            "CRITICAL: connecting to {} failed: Connection refused (os error 111); \
             is it running, and is this its address?",
            of_master.server
        ),
        2,
    );
    master.relaunch();
    of_replica.comes_to_say(&[], fine);
    of_master.comes_to_say(&pair, fine);
}

#[test]
fn memory_disk_and_clients() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let asked = Asked::new(redis.port);
    let server = &asked.server;
    asked.comes_to_say(&[], "OK: Redis ");

    // Full, which is fine with one that evicts.
    redis.configure("maxmemory", "1");
    asked.comes_to_say(&[], "CRITICAL: ");
    let (text, _) = check(
        &asked
            .args(&[])
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    assert!(
        text.contains("% of maxmemory used (") && text.ends_with(" of 0 MB), threshold 95%\n"),
        "{text}"
    );
    redis.configure("maxmemory-policy", "allkeys-lru");
    asked.comes_to_say(&[], "OK: Redis ");
    redis.configure("maxmemory", "0");
    redis.configure("maxmemory-policy", "noeviction");
    asked.comes_to_say(&["-m", "-w", "0"], "WARNING: ");

    // It cannot save, refuses changes, and can again.
    redis.ask(&["SET", "key", "value"]);
    let mend = redis.spoil_saves();
    redis.configure("save", "3600 1");
    redis.ask(&["BGSAVE"]);
    let refusing = "CRITICAL: it answers PING with MISCONF Redis is configured to save RDB snapshots, \
                    but it's currently unable to persist to disk.";
    asked.comes_to_say(&[], refusing);
    let (text, _) = check(
        &asked
            .args(&[])
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    assert!(
        text.ends_with("the last save to its disk failed; it may refuse to change anything\n"),
        "{text}"
    );
    // By whoever may not see all of it, too.
    let password = format!(">{PASSWORD}");
    redis.ask(&["ACL", "SETUSER", "watcher", "on", &password, "+ping"]);
    let args = asked.args(&["--user", "watcher"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (text, status) = check(&args);
    assert!(
        text.starts_with(&format!("CheckRedis {refusing}")),
        "{text}"
    );
    let forbidden = format!("; {server} answers INFO with NOPERM ");
    assert!(text.contains(&forbidden), "{text}");
    assert_eq!(status, 2);
    mend();
    redis.ask(&["BGSAVE"]);
    asked.comes_to_say(&[], "OK: Redis ");

    // No room for anybody else; whoever was turned away meanwhile is told of once, by each check.
    let as_master = ["--role", "master"];
    asked.comes_to_say(&as_master, "OK: Redis ");
    let held = redis.server(0);
    redis.configure("maxclients", "1");
    let full = format!("CRITICAL: {server} answers AUTH with ERR max number of clients reached");
    asked.comes_to_say(&[], &full);
    drop(held);
    asked.comes_to_say(&["--clients-critical", "101"], "WARNING: ");
    redis.configure("maxclients", "1000");
    for more in [&[][..], &as_master] {
        let args = asked.args(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (text, _) = check(&args);
        assert!(
            text.ends_with(" turned away since the last run\n"),
            "{text}"
        );
        asked.comes_to_say(more, "OK: Redis ");
    }

    // It hangs, and goes on.
    redis.signal(Signal::SIGSTOP);
    asked.says(
        &["--timeout", "0.3"],
        &format!(
            "UNKNOWN: no answer within 0.3 s while asking {server} with AUTH; \
             see what hangs there, or give more with --timeout"
        ),
        3,
    );
    redis.signal(Signal::SIGCONT);
    asked.comes_to_say(&[], "OK: Redis ");
}

#[test]
fn who_may_ask() {
    let Some(redis) = Redis::launch() else {
        return;
    };
    let asked = Asked::new(redis.port);
    let server = &asked.server;
    redis.ask(&["SET", "key", "value"]);
    let wrong = asked.path("wrong");
    for (more, line) in [
        (
            &[][..],
            "NOAUTH Authentication required; give its password with --password-file",
        ),
        (
            &["--password-file", &wrong],
            "WRONGPASS invalid username-password pair or user is disabled; \
             are --user and the password right?",
        ),
    ] {
        let command = if more.is_empty() { "PING" } else { "AUTH" };
        let args = asked.plain(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        says(
            &args,
            &format!("CheckRedis UNKNOWN: {server} answers {command} with {line}"),
            3,
        );
    }
    let password = format!(">{PASSWORD}");
    redis.ask(&[
        "ACL", "SETUSER", "watcher", "on", &password, "+ping", "-info",
    ]);
    asked.comes_to_say(
        &["--user", "watcher"],
        &format!("UNKNOWN: {server} answers INFO with NOPERM"),
    );
    redis.ask(&["ACL", "SETUSER", "watcher", "+info"]);
    asked.comes_to_say(&["--user", "watcher"], "OK: Redis ");

    // As Sensu's settings say, with a URL and without.
    let file = asked.path("redis.json");
    let state = asked.path("state");
    let url = format!("redis://:{PASSWORD}@{server}/0");
    for settings in [redis.settings(), json!(url)] {
        fs::write(&file, json!({ "redis": settings }).to_string()).unwrap();
        let args = ["check-redis", "--config", &file, "--state-dir", &state];
        let (text, status) = check(&args);
        assert!(text.starts_with("CheckRedis OK: "), "{text}");
        assert_eq!(status, 0);
        let (text, _) = check(&[&args[..], &["--dryrun"]].concat());
        let would = format!("  redis of {file}\n  PING and INFO of {server}\n");
        assert!(text.contains(&would) && !text.contains(PASSWORD), "{text}");
    }
    let (text, status) = check(&["metrics-redis", "--config", &file, "--scheme", "s"]);
    for path in [
        "s.used_memory ",
        "s.connected_clients ",
        "s.db0.keys 1 ",
        "s.rejected_connections ",
    ] {
        assert!(text.contains(path), "{path} in {text}");
    }
    assert_eq!(status, 0);
}

#[test]
fn a_sentinel_says_that_its_master_is_gone_and_who_has_taken_over() {
    let Some(mut master) = Redis::launch() else {
        return;
    };
    let Some(replica) = master.replica() else {
        return;
    };
    let Some(sentinel) = master.sentinel() else {
        return;
    };
    let asked = Asked::new(sentinel.port);
    // A sentinel of the harness has no password.
    let of_sentinel = asked.plain(&["--role", "sentinel"]);
    let of_sentinel: Vec<&str> = of_sentinel.iter().map(String::as_str).collect();
    comes_to_say(&of_sentinel, "CheckRedis OK: Redis ");
    wait_until(|| sentinel.knows_a_replica());
    let of_replica = Asked::new(replica.port);
    of_replica.comes_to_say(&["--role", "slave"], "OK: ");
    master.kill();
    comes_to_say(&of_sentinel, "CheckRedis CRITICAL: master venus at ");
    comes_to_say(&of_sentinel, "CheckRedis OK: Redis ");
    of_replica.comes_to_say(&["--role", "master"], "OK: ");
    asked.says(
        &[],
        &format!(
            "UNKNOWN: {} answers AUTH with ERR AUTH <password> called without any password configured \
             for the default user. Are you sure your configuration is correct?; \
             it wants no password: leave --password-file out",
            asked.server
        ),
        3,
    );
}

#[test]
fn tls_of_redis_is_verified_both_ways() {
    let Some(certificates) = Certificates::make() else {
        return;
    };
    let Some((redis, port)) = Redis::with_tls(&certificates) else {
        return;
    };
    let asked = Asked::new(port);
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"]
        .map(|name| certificates.path(name).display().to_string());
    let ours = ["--cert-file", &certificate, "--key-file", &key];
    let trusting = ["--tls", "--ca-file", &ca];
    let server = &asked.server;
    asked.comes_to_say(&[&trusting[..], &ours].concat(), "OK: Redis ");
    asked.says(
        &[&["--tls"], &ours[..]].concat(),
        &format!(
            "UNKNOWN: beginning TLS with {server} failed: invalid peer certificate: UnknownIssuer; \
             if that is the right one, give who vouches for it with --ca-file"
        ),
        3,
    );
    asked.comes_to_say(&trusting, "UNKNOWN: asking ");
    asked.comes_to_say(&[], &format!("UNKNOWN: asking {server} with AUTH failed: "));
    drop(redis);
}
