//! What INFO says was recorded from Redis 7.0.15, and cut down to what matters; what it would say
//! where something is wrong is written into it, as far as it is tested with the real one end to end.

mod remembered;
mod trouble;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;

use crate::{Server, check, fixture, prints, says};

/// The words of the next command.
fn command(from: &mut impl BufRead) -> Option<Vec<String>> {
    let mut line = || {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    };
    let count: usize = line()?.strip_prefix('*')?.parse().ok()?;
    (0..count).map(|_| line().and_then(|_| line())).collect()
}

/// A server that answers to each of its commands so, and to all others with an error.
fn redis<const N: usize>(answers: [(&'static str, String); N]) -> String {
    let server = Server::new(move |stream: TcpStream| {
        let answers = answers.clone();
        thread::spawn(move || {
            let mut from = BufReader::new(&stream);
            while let Some(words) = command(&mut from) {
                let answer = answers.iter().find(|(name, _)| *name == words[0]);
                let answer = answer.map_or("-ERR unknown command\r\n", |(_, answer)| answer);
                // Whoever asks may have heard enough.
                drop((&stream).write_all(answer.as_bytes()));
            }
        });
    });
    server.0.to_string()
}

/// One that says this of itself.
fn with_info(info: &str) -> String {
    redis([("PING", "+PONG\r\n".to_owned()), ("INFO", bulk(info))])
}

fn bulk(text: &str) -> String {
    let text = text.replace('\n', "\r\n");
    format!("${}\r\n{text}\r\n", text.len())
}

fn master() -> String {
    fixture("services/redis/master.info")
}

/// Fails unless it says this of a server that says this of itself, at the second run.
fn answers(info: &str, args: &[&str], line: &str, status: i32) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let server = with_info(info);
    let all = ["check-redis", "--server", &server, "--state-dir", state];
    let all = [&all[..], args].concat();
    check(&all);
    says(&all, line, status);
}

#[test]
fn a_master_that_works() {
    let fine = "CheckRedis OK: Redis 7.0.15, a master with 1 replica, 0% of the host's memory used, \
                3 of 10000 clients connected";
    answers(&master(), &["--role", "master", "--replicas", "1"], fine, 0);
    answers(
        &master(),
        &["--perfdata"],
        &format!(
            "{fine} | 'lag of 127.0.0.1:36380'=50B;;;0 'replicas'=1;;;0 'memory'=0%;80;95;0 \
             'clients'=3;;;0;10000 'clients used'=0.03%;80;95;0"
        ),
        0,
    );
    answers(
        &master(),
        &[
            "--perfdata",
            "--megabytes",
            "-w",
            "100",
            "-c",
            "200",
            "--replicas",
            "1",
            "--max-lag",
            "60",
            "--clients-warning",
            "50",
        ],
        "CheckRedis OK: Redis 7.0.15, a master with 1 replica, 1 MB of memory used, \
         3 of 10000 clients connected | 'lag of 127.0.0.1:36380'=50B;60;;0 'replicas'=1;;1:;0 \
         'memory MB'=1;100;200;0 'clients'=3;;;0;10000 'clients used'=0.03%;50;95;0",
        0,
    );
    answers(
        &fixture("services/redis/replica.info"),
        &["--perfdata"],
        "CheckRedis OK: Redis 7.0.15, a replica of 127.0.0.1:36379, 0% of the host's memory used, \
         2 of 10000 clients connected | 'silence of the master'=0s;30;;0 'memory'=0%;80;95;0 \
         'clients'=2;;;0;10000 'clients used'=0.02%;80;95;0",
        0,
    );
}

#[test]
fn what_may_be_wrong_with_replication() {
    let master = master();
    let replica = fixture("services/redis/replica.info");
    let down = replica.replace("link_status:up", "link_status:down");
    let since = down.replace(
        "io_seconds_ago:0",
        "io_seconds_ago:-1\nmaster_link_down_since_seconds:75",
    );
    let copying = down.replace("sync_in_progress:0", "sync_in_progress:1");
    for (info, args, line, status) in [
        (
            replica.clone(),
            &["--role", "replica"][..],
            "CheckRedis OK: Redis 7.0.15, a replica of 127.0.0.1:36379, \
             0% of the host's memory used, 2 of 10000 clients connected",
            0,
        ),
        (
            since,
            &[],
            "CheckRedis CRITICAL: the link to its master 127.0.0.1:36379 is down for 75 s",
            2,
        ),
        (
            copying,
            &[],
            "CheckRedis WARNING: it is copying all data of its master 127.0.0.1:36379",
            1,
        ),
        (
            replica.replace("io_seconds_ago:0", "io_seconds_ago:31"),
            &[],
            "CheckRedis WARNING: nothing heard of its master 127.0.0.1:36379 for 31 s, \
             expected at most 30 s",
            1,
        ),
        (
            replica,
            &["--role", "master"],
            "CheckRedis CRITICAL: it is a slave, expected a master",
            2,
        ),
        (
            master.replace("state=online", "state=wait_bgsave"),
            &["--replicas", "1"],
            "CheckRedis CRITICAL: 0 replicas online, expected 1; \
             replica 127.0.0.1:36380 is not online yet (wait_bgsave)",
            2,
        ),
        (
            master.replace("lag=0", "lag=9"),
            &["--max-lag", "49", "--max-silence", "8"],
            "CheckRedis WARNING: nothing heard of replica 127.0.0.1:36380 for 9 s, \
             expected at most 8 s; replica 127.0.0.1:36380 is 50 bytes behind, expected at most 49",
            1,
        ),
    ] {
        answers(&info, args, line, status);
    }
}

#[test]
fn what_may_be_wrong_with_memory_clients_and_disk() {
    let master = master();
    let limited = master.replace("maxmemory:0", "maxmemory:1310720");
    let cache = limited.replace("noeviction", "allkeys-lru");
    for (info, args, line, status) in [
        (
            limited.clone(),
            &[][..],
            "CheckRedis WARNING: 91.85% of maxmemory used (1 of 1 MB), threshold 80%",
            1,
        ),
        (
            limited,
            &["-w", "50", "-c", "91.85"],
            "CheckRedis CRITICAL: 91.85% of maxmemory used (1 of 1 MB), threshold 91.85%",
            2,
        ),
        (
            cache.clone(),
            &[],
            "CheckRedis OK: Redis 7.0.15, a master with 1 replica, 91.85% of maxmemory used, \
             3 of 10000 clients connected",
            0,
        ),
        (
            cache,
            &["--warning", "90"],
            "CheckRedis WARNING: 91.85% of maxmemory used (1 of 1 MB), threshold 90%",
            1,
        ),
        (
            master.clone(),
            &["--megabytes", "-c", "1"],
            "CheckRedis CRITICAL: 1 MB of memory used, threshold 1 MB",
            2,
        ),
        (
            master.replace("connected_clients:3", "connected_clients:9500"),
            &[],
            "CheckRedis CRITICAL: 9500 of 10000 clients connected (95%), threshold 95%",
            2,
        ),
        (
            master
                .replace("bgsave_status:ok", "bgsave_status:err")
                .replace("bgrewrite_status:ok", "bgrewrite_status:err")
                .replace("write_status:ok", "write_status:err"),
            &[],
            "CheckRedis CRITICAL: the last save to its disk failed; it may refuse to change anything; \
             the last write to its AOF failed; it may refuse to change anything; \
             the last rewrite of its AOF failed",
            2,
        ),
        (
            master.clone(),
            &["-w", "90", "-c", "80"],
            "CheckRedis UNKNOWN: warning 90 and critical 80 are upside down: \
             critical must not come before the warning",
            3,
        ),
        (
            master,
            &["-c", "101"],
            "CheckRedis UNKNOWN: invalid percentage for --critical: use at most 100, \
             or MB with --megabytes",
            3,
        ),
    ] {
        answers(&info, args, line, status);
    }
}

#[test]
fn one_that_loads_its_data_is_on_its_way() {
    let loading = "-LOADING Redis is loading the dataset in memory\r\n".to_owned();
    let info = master().replace("loading:0", "loading:1\nloading_loaded_perc:42.00");
    let server = redis([("PING", loading), ("INFO", bulk(&info))]);
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    says(
        &["check-redis", "--server", &server, "--state-dir", state],
        "CheckRedis WARNING: it is loading its data, 42.00% so far",
        1,
    );
    let misconf = "-MISCONF Redis is unable to persist to disk.\r\n".to_owned();
    let server = redis([("PING", misconf), ("INFO", bulk(&master()))]);
    says(
        &["check-redis", "--server", &server, "--state-dir", state],
        "CheckRedis CRITICAL: it answers PING with MISCONF Redis is unable to persist to disk.",
        2,
    );
}

#[test]
fn a_sentinel_tells_of_its_masters() {
    let sentinel = fixture("services/redis/sentinel.info");
    let fine = "CheckRedis OK: Redis 7.0.15, a sentinel of 1 master, 1 of 10000 clients connected";
    answers(&sentinel, &["--role", "sentinel"], fine, 0);
    for (status, line, code) in [
        (
            "sdown",
            "CheckRedis WARNING: this sentinel cannot reach master venus at 127.0.0.1:36379",
            1,
        ),
        (
            "odown",
            "CheckRedis CRITICAL: master venus at 127.0.0.1:36379 is odown",
            2,
        ),
    ] {
        let info = sentinel.replace("status=ok", &format!("status={status}"));
        answers(&info, &[], line, code);
    }
    answers(
        &sentinel.replace("tilt:0", "tilt:1"),
        &[],
        "CheckRedis WARNING: it is in TILT mode: its clock jumped, and it acts on nothing",
        1,
    );
}

/// Redis before 7 does not say in INFO how many clients it takes.
#[test]
fn an_old_server_is_asked_once_more() {
    let info = master().replace("maxclients:10000\n", "");
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let answers = [
        ("PING", "+PONG\r\n".to_owned()),
        ("INFO", bulk(&info)),
        (
            "CONFIG",
            "*2\r\n$10\r\nmaxclients\r\n$1\r\n3\r\n".to_owned(),
        ),
    ];
    let server = redis(answers);
    let args = ["check-redis", "--server", &server, "--state-dir", state];
    says(
        &args,
        "CheckRedis CRITICAL: 3 of 3 clients connected (100%), threshold 95%",
        2,
    );
}

#[test]
fn names_from_outside_forge_nothing() {
    let info = fixture("services/redis/sentinel.info")
        .replace("name=venus,status=ok", "name=a|b'c,status=x\u{2028}y");
    let line = "CheckRedis CRITICAL: master a/b'c at 127.0.0.1:36379 is x y";
    answers(&info, &[], line, 2);
}

#[test]
fn ten_thousand_replicas_are_one_line() {
    let mut info = master();
    for number in 1..10_000 {
        info.push_str(&format!(
            "slave{number}:ip=10.0.0.1,port={number},state=online,offset=0,lag=0\n"
        ));
    }
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let server = with_info(&info);
    let args = [
        "check-redis",
        "--server",
        &server,
        "--state-dir",
        state,
        "--max-lag",
        "1",
    ];
    let (text, status) = check(&args);
    let first = text.lines().next().unwrap();
    assert!(first.ends_with("; and 9995 more, below"), "{first}");
    assert_eq!((text.lines().count(), status), (102, 1));
}

#[test]
fn numbers_of_info_as_metrics() {
    let server = with_info(&master());
    prints(
        &["metrics-redis", "--server", &server, "--scheme", "s"],
        &[
            "s.uptime_in_seconds 2 @TS@",
            "s.connected_clients 3 @TS@",
            "s.maxclients 10000 @TS@",
            "s.used_memory 1203856 @TS@",
            "s.total_system_memory 25276510208 @TS@",
            "s.maxmemory 0 @TS@",
            "s.mem_fragmentation_ratio 11.04 @TS@",
            "s.loading 0 @TS@",
            "s.rdb_last_bgsave_time_sec 0 @TS@",
            "s.aof_enabled 0 @TS@",
            "s.rejected_connections 0 @TS@",
            "s.evicted_keys 0 @TS@",
            "s.keyspace_hits 0 @TS@",
            "s.connected_slaves 1 @TS@",
            "s.slave0.offset 0 @TS@",
            "s.slave0.lag 0 @TS@",
            "s.master_repl_offset 50 @TS@",
            "s.used_cpu_sys 0.003339 @TS@",
            "s.db0.keys 1 @TS@",
            "s.db0.expires 0 @TS@",
            "s.db0.avg_ttl 0 @TS@",
        ],
    );
}
