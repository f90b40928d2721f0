//! A `RabbitMQ` node of the test's own.

use crate::certificates::Certificates;
use crate::daemon::Daemon;
use crate::leash::Leash;
use crate::{DEADLINE, part, pause, port};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user of every virtual host.
pub const USER: &str = "sensu";
/// Their password; it may show up nowhere.
pub const PASSWORD: &str = "s3cret-of-the-test";
/// How many virtual hosts the shared node is made with.
const SHARED_VHOSTS: usize = 64;
/// How long a node has to end in order.
const ORDERLY: Duration = Duration::from_secs(20);

/// A node that may be running.
#[derive(Debug)]
pub struct RabbitMq {
    dir: TempDir,
    node: &'static str,
    sbin: PathBuf,
    /// None where another node of a cluster has it.
    epmd: Option<&'static Path>,
    port: u16,
    distribution_port: u16,
    epmd_port: u16,
    vhosts: usize,
    used_vhosts: AtomicUsize,
    running: Option<Node>,
}

/// The processes of a running node: one group, led by its port mapper if it has
/// one.
#[derive(Debug)]
struct Node {
    group: Pid,
    epmd: Option<Child>,
    server: Child,
    leash: Leash,
}

/// A virtual host of a node, for one test.
#[derive(Debug, Clone)]
pub struct Vhost {
    /// Its name.
    pub name: String,
    /// The node's port on the loopback interface.
    pub port: u16,
}

impl RabbitMq {
    /// The node that those tests share which do it no harm. It ends with the
    /// process of the tests.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RabbitMq>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| {
            let mut node = RabbitMq::new(SHARED_VHOSTS)?;
            node.launch();
            Some(node)
        });
        shared.as_ref()
    }

    /// A node for one test, which may do with it what it likes. Not started yet.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::new(1)
    }

    /// The same for so many tests, one after the other, each with a virtual host of its own.
    #[must_use]
    pub fn own_of(vhosts: usize) -> Option<Self> {
        Self::new(vhosts)
    }

    /// Two nodes of a cluster, running.
    #[must_use]
    pub fn cluster() -> Option<[Self; 2]> {
        Some(Self::cluster_of(Self::new(1)?, |_| ()))
    }

    /// Three nodes of a cluster, running, each of which may be ended: their port mapper is with
    /// none of them.
    #[must_use]
    pub fn cluster_of_three() -> Option<(Daemon, [Self; 3])> {
        let mut one = Self::new(1)?;
        let port = one.epmd_port;
        let arguments = ["-address", "127.0.0.1", "-port", &port.to_string()];
        let epmd = Daemon::launch(one.epmd.take()?, &arguments, TempDir::new().unwrap(), port);
        one.launch();
        let [mut two, mut three] =
            ["venus2@localhost", "venus3@localhost"].map(|name| one.joined_by(name));
        two.launch();
        three.launch();
        Some((epmd, [one, two, three]))
    }

    /// The same with the management plugin, and the port where that of the first listens.
    #[must_use]
    pub fn cluster_with_management() -> Option<([Self; 2], u16)> {
        let one = Self::new(1)?;
        let port = one.use_management();
        let cluster = Self::cluster_of(one, |other| {
            other.use_management();
        });
        Some((cluster, port))
    }

    fn cluster_of(mut one: Self, prepare: impl Fn(&Self)) -> [Self; 2] {
        one.launch();
        let mut other = one.joined_by("venus2@localhost");
        prepare(&other);
        other.launch();
        [one, other]
    }

    /// Another node of its cluster, which joins it when it is started.
    fn joined_by(&self, node: &'static str) -> Self {
        let [port, distribution_port] = port::free();
        let dir = tempfile::tempdir().unwrap();
        fs::copy(
            self.dir.path().join(".erlang.cookie"),
            dir.path().join(".erlang.cookie"),
        )
        .unwrap();
        // Users and virtual hosts come from the node that it joins.
        let configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = false\n\
             cluster_formation.peer_discovery_backend = classic_config\n\
             cluster_formation.classic_config.nodes.1 = {}\n\
             cluster_formation.classic_config.nodes.2 = {node}\n",
            self.node
        );
        fs::write(dir.path().join("rabbitmq.conf"), configuration).unwrap();
        Self {
            dir,
            node,
            sbin: self.sbin.clone(),
            epmd: None,
            port,
            distribution_port,
            epmd_port: self.epmd_port,
            vhosts: 1,
            used_vhosts: AtomicUsize::new(0),
            running: None,
        }
    }

    /// Cuts two nodes of a cluster off from each other: neither knows the other's secret.
    pub fn part(&self, other: &Self) {
        for (one, other) in [(other, self), (self, other)] {
            let other = other.node;
            one.ctl(&[
                "eval",
                &format!("erlang:set_cookie('{other}', wrong), erlang:disconnect_node('{other}')."),
            ]);
        }
    }

    /// Lets them find each other again. That they were apart remains until one restarts.
    pub fn rejoin(&self, other: &Self) {
        for (one, other) in [(other, self), (self, other)] {
            let other = other.node;
            one.ctl(&[
                "eval",
                &format!(
                    "erlang:set_cookie('{other}', erlang:get_cookie()), net_adm:ping('{other}')."
                ),
            ]);
        }
    }

    /// The node's port on the loopback interface.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.node
    }

    fn new(vhosts: usize) -> Option<Self> {
        let server = part::find("RabbitMQ", &["/usr/lib/rabbitmq/bin/rabbitmq-server"])?;
        let epmd = part::find("epmd", &["/usr/bin/epmd"])?;
        // Debian's own scripts change the user and the environment.
        let script = fs::canonicalize(server).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let [port, distribution_port, epmd_port] = port::free();
        write_configuration(dir.path(), port, vhosts);
        Some(Self {
            dir,
            node: "venus@localhost",
            sbin: script.parent().unwrap().to_owned(),
            epmd: Some(epmd),
            port,
            distribution_port,
            epmd_port,
            vhosts,
            used_vhosts: AtomicUsize::new(0),
            running: None,
        })
    }

    /// Has it listen for TLS as well, with clients that show a certificate;
    /// gives that port. To be called before the first launch.
    pub fn use_tls(&self, certificates: &Certificates) -> u16 {
        let [port] = port::free();
        let path = |name| certificates.path(name).display().to_string();
        self.configure(&format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
            path("ca.pem"),
            path("broker.pem"),
            path("broker.key")
        ));
        port
    }

    /// Has it run the management plugin, which hears of changes soon, and gives that one's port.
    /// To be called before the first launch.
    pub fn use_management(&self) -> u16 {
        let [port] = port::free();
        fs::write(self.dir.path().join("plugins"), "[rabbitmq_management].").unwrap();
        self.configure(&format!(
            "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {port}\n\
             collect_statistics_interval = 500\n"
        ));
        port
    }

    /// Has it listen at `::1` as well, and gives that port. To be called before
    /// the first launch.
    pub fn use_ipv6(&self) -> u16 {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        self.configure(&format!("listeners.tcp.2 = ::1:{port}\n"));
        port
    }

    /// Has it listen at another address of this machine as well, on the same port. To be called
    /// before the first launch.
    pub fn listen_at(&self, address: Ipv4Addr) {
        let port = self.port;
        self.configure(&format!("listeners.tcp.2 = {address}:{port}\n"));
    }

    fn configure(&self, more: &str) {
        let file = self.dir.path().join("rabbitmq.conf");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(file, before + more).unwrap();
    }

    /// A virtual host that no other test uses.
    #[must_use]
    pub fn vhost(&self) -> Vhost {
        let number = self.used_vhosts.fetch_add(1, Ordering::Relaxed);
        assert!(number < self.vhosts, "more tests than virtual hosts");
        Vhost {
            name: vhost_name(number),
            port: self.port,
        }
    }

    /// Starts the node, every time on the same port, and waits until it answers.
    pub fn launch(&mut self) {
        let epmd = self.epmd.map(|program| self.spawn_epmd(program));
        let group = epmd.as_ref().map_or(0, Child::id);
        let startup = self.dir.path().join("startup");
        let log = fs::File::create(&startup).unwrap();
        let mut server = self.command("rabbitmq-server");
        server
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(i32::try_from(group).unwrap());
        let server = server.spawn().unwrap();
        let group = epmd.as_ref().unwrap_or(&server).id();
        let group = Pid::from_raw(i32::try_from(group).unwrap());
        self.running = Some(Node {
            group,
            epmd,
            server,
            leash: Leash::of(group, self.dir.path()),
        });
        let started = Instant::now();
        while !self.answers() {
            let said = fs::read_to_string(&startup).unwrap();
            assert!(started.elapsed() < DEADLINE, "RabbitMQ is not up: {said}");
            pause();
        }
    }

    fn spawn_epmd(&self, program: &Path) -> Child {
        let mut epmd = Command::new(program);
        epmd.args(["-address", "127.0.0.1", "-port"])
            .arg(self.epmd_port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        epmd.spawn().unwrap()
    }

    /// Ends the node as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut node) = self.running.take() {
            node.kill();
        }
    }

    /// Ends the node as an admin does.
    pub fn stop(&mut self) {
        if let Some(mut node) = self.running.take() {
            node.signal(Signal::SIGTERM);
            let asked = Instant::now();
            while node.server.try_wait().unwrap().is_none() && asked.elapsed() < ORDERLY {
                pause();
            }
            node.kill();
        }
    }

    /// Stops (`SIGSTOP`) or continues (`SIGCONT`) every process of the node.
    pub fn signal(&self, signal: Signal) {
        self.running.as_ref().unwrap().signal(signal);
    }

    /// Runs `rabbitmqctl` on the node and gives its output, without headings.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = self.command("rabbitmqctl");
        command.args(["-s", "-n", self.node]).args(arguments);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = text(output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        text(output.stdout)
    }

    fn command(&self, script: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(self.sbin.join(script));
        command
            .env("HOME", dir)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("RABBITMQ_NODENAME", self.node)
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }

    /// Whether the listener speaks AMQP: its first frame is Connection.Start.
    fn answers(&self) -> bool {
        let greet = || -> std::io::Result<u8> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"AMQP\x00\x00\x09\x01")?;
            let mut first = [0];
            stream.read_exact(&mut first)?;
            Ok(first[0])
        };
        greet().is_ok_and(|first| first == 1)
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Node {
    fn signal(&self, signal: Signal) {
        // A group that is gone already needs no signal.
        killpg(self.group, signal).unwrap_or_default();
    }

    fn kill(&mut self) {
        while killpg(self.group, Signal::SIGKILL).is_ok() {
            self.server.try_wait().unwrap();
            if let Some(epmd) = &mut self.epmd {
                epmd.try_wait().unwrap();
            }
            pause();
        }
        self.leash.release();
    }
}

impl Vhost {
    /// The settings that lead an agent here.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({
            "host": "127.0.0.1",
            "port": self.port,
            "vhost": self.name,
            "user": USER,
            "password": PASSWORD,
        })
    }

    /// The same as a URI.
    #[must_use]
    pub fn uri(&self) -> String {
        let vhost = self.name.replace('/', "%2F");
        format!("amqp://{USER}:{PASSWORD}@127.0.0.1:{}/{vhost}", self.port)
    }
}

fn vhost_name(number: usize) -> String {
    format!("/sensu{number}")
}

fn write_configuration(dir: &Path, port: u16, vhosts: usize) {
    let definitions = dir.join("definitions.json");
    let names = || (0..vhosts).map(vhost_name);
    let allow_all = |name: String| {
        json!({
            "user": USER, "vhost": name,
            "configure": ".*", "write": ".*", "read": ".*",
        })
    };
    let content = json!({
        "users": [{"name": USER, "password": PASSWORD, "tags": ""}],
        "vhosts": names().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "permissions": names().map(allow_all).collect::<Vec<_>>(),
    });
    fs::write(&definitions, content.to_string()).unwrap();
    let configuration = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nload_definitions = {}\nlog.console = false\n",
        definitions.display()
    );
    fs::write(dir.join("rabbitmq.conf"), configuration).unwrap();
}
