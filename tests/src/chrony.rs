//! An NTP server of the test's own: chronyd, which leaves this machine's clock alone.

use crate::leash::Leash;
use crate::{DEADLINE, part, pause};
use nix::unistd::Pid;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that may be running; dropped, it is killed.
#[derive(Debug)]
pub struct Chrony {
    program: &'static Path,
    port: u16,
    dir: TempDir,
    running: Option<(Child, Leash)>,
}

impl Chrony {
    /// One on this port of the loopback interface, with more settings, such as `local stratum 5`:
    /// without it knows no time.
    #[must_use]
    pub fn launch(port: u16, settings: &str) -> Option<Self> {
        let program = part::find("chrony", &["/usr/sbin/chronyd"])?;
        let mut server = Self {
            program,
            port,
            dir: tempfile::tempdir().unwrap(),
            running: None,
        };
        server.relaunch(settings);
        Some(server)
    }

    /// Starts it anew on the same port, and waits until it listens.
    pub fn relaunch(&mut self, settings: &str) {
        self.kill();
        let (port, dir) = (self.port, self.dir.path());
        let file = dir.join("chrony.conf");
        let settings = format!(
            "port {port}\ncmdport 0\nbindcmdaddress /\nbindaddress 127.0.0.1\nuser root\n\
             pidfile {}\n{settings}\n",
            dir.join("pid").display()
        );
        fs::write(&file, settings).unwrap();
        // -x: the clock is not touched. -d: it stays in the foreground.
        let mut command = Command::new(self.program);
        command
            .args(["-x", "-d", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        self.running = Some((child, Leash::of(group, dir)));
        let started = Instant::now();
        while !self.listens() {
            let said = fs::read_to_string(dir.join("log")).unwrap();
            assert!(started.elapsed() < DEADLINE, "chronyd is not up: {said}");
            pause();
        }
    }

    /// Whether the kernel does not refuse a packet for it.
    fn listens(&self) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let short = Duration::from_millis(50);
        socket.set_read_timeout(Some(short)).unwrap();
        // Too short to be a question, so that nobody answers.
        socket.send(b"?").unwrap();
        match socket.recv(&mut [0; 1]) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
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
}

impl Drop for Chrony {
    fn drop(&mut self) {
        self.kill();
    }
}
