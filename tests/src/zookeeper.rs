//! `ZooKeeper` servers of the test's own.

use crate::leash::Leash;
use crate::{DEADLINE, part, pause, port};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What makes a small server start soon.
const JAVA: [&str; 5] = [
    "-Xmx64m",
    "-Xshare:auto",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
];

/// A server that may be running; dropped, it is killed.
#[derive(Debug)]
pub struct ZooKeeper {
    /// Where it listens for clients, on the loopback interface.
    pub port: u16,
    java: &'static Path,
    jar: &'static Path,
    dir: TempDir,
    running: Option<(Child, Leash)>,
}

impl ZooKeeper {
    /// Three of an ensemble, running; wait until they [serve](Self::serves).
    #[must_use]
    pub fn ensemble() -> Option<[Self; 3]> {
        let free: [u16; 9] = port::free();
        let (ports, own) = free.split_at(3);
        let mut members = "4lw.commands.whitelist=*\n".to_owned();
        for (id, own) in (1..).zip(own.chunks(2)) {
            members.push_str(&format!("server.{id}=127.0.0.1:{}:{}\n", own[0], own[1]));
        }
        let server = |place: usize| Self::new(ports[place], &members);
        let mut all = [server(0)?, server(1)?, server(2)?];
        for (id, server) in (1..).zip(&mut all) {
            fs::write(server.dir.path().join("myid"), format!("{id}")).unwrap();
            server.launch();
        }
        Some(all)
    }

    /// One that has no ensemble, running; `words` are those that it may answer.
    #[must_use]
    pub fn standalone(words: &str) -> Option<Self> {
        let [port] = port::free();
        let mut server = Self::new(port, &format!("4lw.commands.whitelist={words}\n"))?;
        server.launch();
        Some(server)
    }

    fn new(port: u16, more: &str) -> Option<Self> {
        let java = part::find("Java", &["/usr/bin/java"])?;
        let jar = part::find("ZooKeeper", &["/usr/share/java/zookeeper.jar"])?;
        let dir = tempfile::tempdir().unwrap();
        // Ticks of a fifth of a second: soon up, and soon to notice that a quorum is lost. Limits
        // of ten seconds: a machine that is busy must not look like a server that is gone.
        let configuration = format!(
            "tickTime=200\ninitLimit=50\nsyncLimit=50\ndataDir={}\nclientPort={port}\n\
             clientPortAddress=127.0.0.1\nadmin.enableServer=false\n{more}",
            dir.path().display()
        );
        fs::write(dir.path().join("zoo.cfg"), configuration).unwrap();
        Some(Self {
            port,
            java,
            jar,
            dir,
            running: None,
        })
    }

    /// Its address, as `--server` takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, every time on the same port and with the same data.
    pub fn launch(&mut self) {
        let said = fs::File::create(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(self.java);
        command
            .args(JAVA)
            .arg("-cp")
            .arg(self.jar)
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.dir.path().join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = group(&child);
        self.running = Some((child, Leash::of(group, self.dir.path())));
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some((mut child, mut leash)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            leash.release();
        }
    }

    /// Stops (`SIGSTOP`) or continues (`SIGCONT`) it.
    pub fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().unwrap();
        killpg(group(child), signal).unwrap();
    }

    /// What it answers to a word, if it answers.
    #[must_use]
    pub fn ask(&self, word: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        let limit = Some(Duration::from_secs(5));
        stream.set_read_timeout(limit).unwrap();
        let mut said = String::new();
        let asked = stream.write_all(word.as_bytes());
        asked.and_then(|()| stream.read_to_string(&mut said)).ok()?;
        Some(said)
    }

    /// What it does in its ensemble, if it serves.
    #[must_use]
    pub fn role(&self) -> Option<String> {
        let said = self.ask("srvr")?;
        let role = said.lines().find_map(|line| line.strip_prefix("Mode: "));
        role.map(str::to_owned)
    }

    /// Waits until it serves.
    pub fn serves(&self) {
        let started = Instant::now();
        while self.role().is_none() {
            let said = fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(
                started.elapsed() < DEADLINE,
                "ZooKeeper does not serve: {said}"
            );
            pause();
        }
    }
}

fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.kill();
    }
}
