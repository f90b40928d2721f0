//! Redis servers and a sentinel of the test's own, and the test in the role of
//! the Sensu server behind them.

use crate::certificates::Certificates;
use crate::leash::Leash;
use crate::{DEADLINE, part, pause, port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{Client, Commands, Connection, IntoConnectionInfo, RedisConnectionInfo};
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The password of every server; it may show up nowhere.
pub const PASSWORD: &str = "s3cret-of-redis";

/// A server that may be running; dropped, it is killed.
#[derive(Debug)]
pub struct Redis {
    /// Its port on the loopback interface.
    pub port: u16,
    program: &'static Path,
    dir: TempDir,
    sentinel: bool,
    running: Option<(Child, Leash)>,
}

impl Redis {
    /// A server that keeps nothing on the disk.
    #[must_use]
    pub fn launch() -> Option<Self> {
        Self::with(&format!("requirepass {PASSWORD}\n"))
    }

    /// A server that keeps `keys` keys, and takes a millisecond for each when it starts again.
    #[must_use]
    pub fn that_loads_slowly(keys: u32) -> Option<Self> {
        let server = Self::with(&format!(
            "requirepass {PASSWORD}\nkey-load-delay 1000\n\
             loading-process-events-interval-bytes 1024\nenable-debug-command yes\n"
        ))?;
        server.ask(&["DEBUG", "POPULATE", &keys.to_string()]);
        server.ask(&["SAVE"]);
        Some(server)
    }

    /// A replica of this one.
    #[must_use]
    pub fn replica(&self) -> Option<Self> {
        let Self { port, .. } = self;
        Self::with(&format!(
            "requirepass {PASSWORD}\nreplicaof 127.0.0.1 {port}\nmasterauth {PASSWORD}\n\
             repl-diskless-sync-delay 0\n"
        ))
    }

    /// A sentinel that knows this one as `venus`, and replaces it soon.
    #[must_use]
    pub fn sentinel(&self) -> Option<Self> {
        let Self { port, .. } = self;
        Self::start(
            &format!(
                "sentinel monitor venus 127.0.0.1 {port} 1\n\
                 sentinel auth-pass venus {PASSWORD}\n\
                 sentinel down-after-milliseconds venus 500\n\
                 sentinel failover-timeout venus 2000\n"
            ),
            true,
        )
    }

    /// A server that listens for TLS as well, with clients that show a
    /// certificate; and that port.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Option<(Self, u16)> {
        let [port] = port::free();
        let path = |name| certificates.path(name).display().to_string();
        let server = Self::with(&format!(
            "requirepass {PASSWORD}\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\n\
             tls-ca-cert-file {}\n",
            path("broker.pem"),
            path("broker.key"),
            path("ca.pem")
        ))?;
        Some((server, port))
    }

    fn with(configuration: &str) -> Option<Self> {
        Self::start(&format!("save \"\"\n{configuration}"), false)
    }

    fn start(configuration: &str, sentinel: bool) -> Option<Self> {
        let program = part::find("Redis", &["/usr/bin/redis-server"])?;
        let [port] = port::free();
        let dir = tempfile::tempdir().unwrap();
        let common = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\n",
            dir.path().display()
        );
        let mut server = Self {
            port,
            program,
            dir,
            sentinel,
            running: None,
        };
        fs::write(server.file(), common + configuration).unwrap();
        server.relaunch();
        Some(server)
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("redis.conf")
    }

    /// Starts it, every time on the same port, and waits until it answers.
    pub fn relaunch(&mut self) {
        let mut command = Command::new(self.program);
        command.arg(self.file());
        if self.sentinel {
            command.arg("--sentinel");
        }
        let said = fs::File::create(self.dir.path().join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        self.running = Some((child, Leash::of(group, self.dir.path())));
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let said = fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(started.elapsed() < DEADLINE, "Redis is not up: {said}");
            pause();
        }
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some((mut child, mut leash)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            leash.release();
        }
    }

    /// Waits for its end, which it was asked for.
    pub fn wait(&mut self) {
        if let Some((mut child, mut leash)) = self.running.take() {
            child.wait().unwrap();
            leash.release();
        }
    }

    /// Waits until it has its data and takes commands.
    pub fn wait_until_loaded(&self) {
        let client = Client::open(self.url(0)).unwrap();
        let started = Instant::now();
        let is_loaded = || {
            let mut connection = client.get_connection()?;
            let ping = redis::cmd("LLEN").arg("none").query::<u64>(&mut connection);
            redis::RedisResult::Ok(ping.is_ok())
        };
        while !is_loaded().is_ok_and(|is_loaded| is_loaded) {
            assert!(started.elapsed() < DEADLINE, "Redis loads for ever");
            pause();
        }
    }

    /// Stops (`SIGSTOP`) or continues (`SIGCONT`) it.
    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    }

    /// Whether this sentinel has heard of a replica.
    #[must_use]
    pub fn knows_a_replica(&self) -> bool {
        let url = format!("redis://127.0.0.1:{}", self.port);
        // A sentinel takes few commands, none about the client's library.
        let plain = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = url
            .into_connection_info()
            .unwrap()
            .set_redis_settings(plain);
        let client = Client::open(info).unwrap();
        let mut connection = client.get_connection().unwrap();
        let known: String = redis::cmd("INFO").query(&mut connection).unwrap();
        known.contains("slaves=1")
    }

    /// Changes a setting while it runs.
    pub fn configure(&self, key: &str, value: &str) {
        self.ask(&["CONFIG", "SET", key, value]);
    }

    /// Runs a command in the role of an admin.
    pub fn ask(&self, words: &[&str]) {
        let mut server = self.server(0);
        let (name, arguments) = words.split_first().unwrap();
        let mut command = redis::cmd(name);
        let answer: redis::Value = command
            .arg(arguments)
            .query(&mut server.connection)
            .unwrap();
        drop(answer);
    }

    /// Puts something where it would save its data, so that it cannot; and takes it away again.
    pub fn spoil_saves(&self) -> impl FnOnce() {
        let there = self.dir.path().join("dump.rdb");
        fs::create_dir_all(there.join("not empty")).unwrap();
        move || fs::remove_dir_all(there).unwrap()
    }

    /// The settings that lead an agent here.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({"host": "127.0.0.1", "port": self.port, "password": PASSWORD})
    }

    /// The URL of database `db`.
    #[must_use]
    pub fn url(&self, db: u8) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/{db}", self.port)
    }

    /// Connects to database `db` in the role of the Sensu server.
    #[must_use]
    pub fn server(&self, db: u8) -> Server {
        let client = Client::open(self.url(db)).unwrap();
        Server {
            connection: client.get_connection().unwrap(),
            db,
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What takes keepalives and results from their lists.
pub struct Server {
    connection: Connection,
    db: u8,
}

impl Server {
    fn key(&self, kind: &str, pipe: &str) -> String {
        format!("transport:{}:{kind}:{pipe}", self.db)
    }

    /// The payload of the next keepalive, which has to come within `limit`.
    pub fn keepalive_within(&mut self, limit: Duration) -> Value {
        self.next("keepalives", limit)
    }

    /// The payload of the next keepalive.
    pub fn keepalive(&mut self) -> Value {
        self.keepalive_within(DEADLINE)
    }

    /// The payload of the next result.
    pub fn result(&mut self) -> Value {
        self.next("results", DEADLINE)
    }

    fn next(&mut self, pipe: &str, limit: Duration) -> Value {
        let key = self.key("list", pipe);
        let popped: Option<(String, String)> =
            self.connection.blpop(key, limit.as_secs_f64()).unwrap();
        let (_, payload) = popped.unwrap_or_else(|| panic!("no {pipe} within {limit:?}"));
        serde_json::from_str(&payload).unwrap()
    }

    /// Asks every client of a subscription to run a check, and gives how many
    /// there are.
    pub fn request(&mut self, subscription: &str, check: &Value) -> u64 {
        let key = self.key("channel", subscription);
        self.connection.publish(key, check.to_string()).unwrap()
    }

    /// Asks one client of a `direct:` or `roundrobin:` subscription.
    pub fn request_one(&mut self, subscription: &str, check: &Value) {
        let key = self.key("list", subscription);
        let _: u64 = self.connection.rpush(key, check.to_string()).unwrap();
    }
}
