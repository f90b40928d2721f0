//! Kafka of the test's own: a broker, a mock cluster of several, and who produces and consumes.
//!
//! `tansu` is a broker in Rust that keeps everything in memory. Debian has none; `tests/run` builds
//! this one into the user's cache. It has one broker, so that nothing can be under-replicated or
//! without a leader; librdkafka's mock cluster has several.

use crate::leash::Leash;
use crate::program::wait_until;
use crate::{part, port};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// The version that `tests/run` builds.
const TANSU: &str = "tansu-0.6.0/bin/tansu";

/// Debian's own: its packages of Python are for no other.
const PYTHON: &str = "/usr/bin/python3";

/// A broker; dropped, it is killed.
#[derive(Debug)]
pub struct Tansu {
    /// Its port on the loopback interface.
    pub port: u16,
    program: &'static Path,
    running: Option<(Child, Leash)>,
    dir: TempDir,
}

impl Tansu {
    /// Starts one without topics.
    #[must_use]
    pub fn launch() -> Option<Self> {
        let [port] = port::free();
        let mut broker = Self {
            port,
            program: tansu()?,
            running: None,
            dir: tempfile::tempdir().unwrap(),
        };
        broker.relaunch();
        Some(broker)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, every time on the same port, and waits until it answers. It remembers nothing.
    pub fn relaunch(&mut self) {
        let url = format!("tcp://{}", self.address());
        let mut command = Command::new(self.program);
        command
            .arg("broker")
            .args(["--listener-url", &url, "--advertised-listener-url", &url])
            .args(["--storage-engine", "memory://tansu/"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        self.running = Some((child, Leash::of(group, self.dir.path())));
        wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    /// Makes a topic with so many partitions.
    pub fn topic(&self, name: &str, partitions: u32) {
        let mut command = Command::new(self.program);
        let partitions = partitions.to_string();
        command.args(["topic", "create", name, "--partitions", &partitions]);
        command.args(["--broker", &format!("tcp://{}", self.address())]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some((mut child, mut leash)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            leash.release();
        }
    }

    /// Who produces to it, and consumes from it.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        Client::of(&self.address())
    }
}

impl Drop for Tansu {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tansu() -> Option<&'static Path> {
    let path = part::cached(TANSU);
    // Once in a while, so that it does not matter that it is never given back.
    let path: &'static str = path.to_str().unwrap().to_owned().leak();
    part::find("tansu, which tests/run builds", &[path])
}

/// A script that does what it is told; it ends with its input, so at the latest with the tests.
#[derive(Debug)]
struct Script {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Script {
    fn start(script: &str, argument: &str) -> Self {
        let mut child = Command::new(PYTHON)
            .args(["-c", script, argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Has something done, and waits until it is.
    fn tell(&mut self, what: &Value) {
        let mut input = self.input.as_ref().unwrap();
        writeln!(input, "{what}").unwrap();
        assert_eq!(self.line(), "done", "{what}");
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// Who produces, and is a member of groups.
#[derive(Debug)]
pub struct Client(Script);

impl Client {
    fn of(server: &str) -> Option<Self> {
        let package = "/usr/lib/python3/dist-packages/kafka";
        part::find("python3-kafka", &[package])?;
        let script = include_str!("kafka/client.py");
        Some(Self(Script::start(script, server)))
    }

    /// Sends messages to a partition.
    pub fn produce(&mut self, topic: &str, partition: u32, messages: &[String]) {
        self.0.tell(&json!(["produce", topic, partition, messages]));
    }

    /// Commits an offset for a group.
    pub fn commit(&mut self, group: &str, topic: &str, partition: u32, offset: u64) {
        self.0
            .tell(&json!(["commit", group, topic, partition, offset]));
    }

    /// Makes a group have a member.
    pub fn join(&mut self, group: &str) {
        self.0.tell(&json!(["join", group]));
    }

    /// Makes it have none.
    pub fn leave(&mut self, group: &str) {
        self.0.tell(&json!(["leave", group]));
    }
}

/// librdkafka's mock cluster: brokers that are numbered from 1 on. Its metadata name a broker 0 as the
/// controller, which it has not, and always all replicas as in sync.
#[derive(Debug)]
pub struct Mock {
    script: Script,
    /// Where its brokers listen, the first of them first.
    pub addresses: Vec<String>,
}

impl Mock {
    /// Starts one with so many brokers.
    #[must_use]
    pub fn launch(brokers: u32) -> Option<Self> {
        let library = "/usr/lib/x86_64-linux-gnu/librdkafka.so.1";
        part::find(
            "librdkafka1",
            &[library, "/usr/lib/aarch64-linux-gnu/librdkafka.so.1"],
        )?;
        part::find("python3", &[PYTHON])?;
        let mut script = Script::start(include_str!("kafka/mock.py"), &brokers.to_string());
        let addresses = script.line().split(',').map(str::to_owned).collect();
        Some(Self { script, addresses })
    }

    /// Makes a topic with so many partitions, each on so many brokers.
    pub fn topic(&mut self, name: &str, partitions: u32, replicas: u32) {
        self.script
            .tell(&json!(["topic_create", name, partitions, replicas]));
    }

    /// Has a broker lead a partition; none if there is none.
    pub fn lead(&mut self, topic: &str, partition: u32, broker: Option<u32>) {
        let broker = broker.map_or(-1, i64::from);
        self.script
            .tell(&json!(["partition_set_leader", topic, partition, broker]));
    }

    /// Stops a broker.
    pub fn stop(&mut self, broker: u32) {
        self.script.tell(&json!(["broker_set_down", broker]));
    }

    /// Starts it again.
    pub fn start(&mut self, broker: u32) {
        self.script.tell(&json!(["broker_set_up", broker]));
    }

    /// Has it speak a kind of request, by its number, up to this version only; not at all if -1.
    pub fn limit(&mut self, kind: i16, version: i16) {
        let low = version.min(0);
        self.script
            .tell(&json!(["set_apiversion", kind, low, version]));
    }

    /// Sends a message by kcat, compressed like this.
    #[must_use]
    pub fn produce(
        &self,
        topic: &str,
        partition: u32,
        compression: &str,
        message: &str,
    ) -> Option<()> {
        let kcat = part::find("kcat", &["/usr/bin/kcat"])?;
        let partition = partition.to_string();
        let mut command = Command::new(kcat);
        command.args(["-P", "-q", "-b", &self.addresses.join(",")]);
        command.args(["-t", topic, "-p", &partition, "-z", compression]);
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{message}").unwrap();
        assert!(child.wait().unwrap().success());
        Some(())
    }
}
