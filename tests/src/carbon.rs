//! A Carbon of the test's own, and what it has written.

use crate::leash::Leash;
use crate::{DEADLINE, part, pause, port, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Prints `TIME VALUE` of every point that the file $1 holds.
const READ: &str = "
import sys, whisper
path = sys.argv[1]
step = whisper.info(path)['archives'][0]['secondsPerPoint']
(start, _, _), values = whisper.fetch(path, int(sys.argv[2]) - 1, int(sys.argv[3]))
for time, value in enumerate(values, start):
    if value is not None:
        print(time, repr(value))
";

/// Of a whisper file with one archive, in bytes.
const HEADER: u64 = 28;
/// A point of it.
const POINT: usize = 12;
const SIZE: u64 = 12;

/// carbon-cache, with whisper files of one second; dropped, it is killed.
#[derive(Debug)]
pub struct Carbon {
    /// Its port for lines.
    pub lines: u16,
    /// Its port for pickles.
    pub pickles: u16,
    /// Its port for datagrams.
    pub datagrams: u16,
    program: &'static Path,
    python: &'static Path,
    dir: TempDir,
    running: Option<(Child, Leash)>,
}

impl Carbon {
    /// Starts one. Its files have a point for each of the last so many seconds.
    #[must_use]
    pub fn launch(seconds: u64) -> Option<Self> {
        let schemas = format!("[all]\npattern = .*\nretentions = 1s:{seconds}s\n");
        Self::launch_with(&schemas, "")
    }

    /// Starts one with these storage-schemas.conf and storage-aggregation.conf.
    #[must_use]
    pub fn launch_with(schemas: &str, aggregation: &str) -> Option<Self> {
        let program = part::find("graphite-carbon", &["/usr/bin/carbon-cache"])?;
        let python = part::find("python3", &["/usr/bin/python3"])?;
        let dir = tempfile::tempdir().unwrap();
        let [lines, pickles, datagrams, queries] = port::free();
        let root = dir.path().display();
        let configuration = format!(
            "[cache]\nUSER =\nSTORAGE_DIR = {root}\nLOCAL_DATA_DIR = {root}/whisper\n\
             CONF_DIR = {root}\nLOG_DIR = {root}/log\nPID_DIR = {root}\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {lines}\n\
             PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {pickles}\n\
             ENABLE_UDP_LISTENER = True\n\
             UDP_RECEIVER_INTERFACE = 127.0.0.1\nUDP_RECEIVER_PORT = {datagrams}\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {queries}\n\
             MAX_CACHE_SIZE = inf\nMAX_UPDATES_PER_SECOND = inf\nMAX_CREATES_PER_MINUTE = inf\n\
             WHISPER_SPARSE_CREATE = True\nENABLE_TAGS = False\nLOG_LISTENER_CONN_SUCCESS = False\n"
        );
        for (name, text) in [
            ("carbon.conf", configuration.as_str()),
            ("storage-schemas.conf", schemas),
            ("storage-aggregation.conf", aggregation),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut carbon = Self {
            lines,
            pickles,
            datagrams,
            program,
            python,
            dir,
            running: None,
        };
        carbon.relaunch();
        Some(carbon)
    }

    /// Starts it, every time on the same ports and files, and waits until it listens.
    pub fn relaunch(&mut self) {
        let said = self.dir.path().join("said");
        let mut command = Command::new(self.program);
        command
            .arg(format!("--config={}", self.path("carbon.conf").display()))
            // In the foreground, and without a file of its process id.
            .args(["--nodaemon", "start"])
            .stdin(Stdio::null())
            .stdout(File::create(&said).unwrap())
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        self.running = Some((child, Leash::of(group, self.dir.path())));
        let started = Instant::now();
        let ports = [self.lines, self.pickles];
        while ports.map(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err())
            != [false; 2]
        {
            let said = fs::read_to_string(&said).unwrap();
            assert!(started.elapsed() < DEADLINE, "Carbon is not up: {said}");
            pause();
        }
    }

    /// Ends it at once: what it holds in memory is gone.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Ends it as an admin does.
    pub fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    fn end(&mut self, signal: Signal) {
        if let Some((mut child, mut leash)) = self.running.take() {
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            child.wait().unwrap();
            leash.release();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The folder of its whisper files.
    #[must_use]
    pub fn whisper(&self) -> PathBuf {
        self.path("whisper")
    }

    /// The whisper file of a path.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.whisper()
            .join(path.replace('.', "/"))
            .with_added_extension("wsp")
    }

    /// Whether the file of a path holds these many points now, one a second from this time on.
    /// Read here and not by whisper, and the last of them first, as a test that waits asks often.
    #[must_use]
    pub fn holds(&self, path: &str, from: u64, count: u64) -> bool {
        self.read_holds(path, from, count).unwrap_or(false)
    }

    fn read_holds(&self, path: &str, from: u64, count: u64) -> io::Result<bool> {
        let file = File::open(self.file(path))?;
        // Behind the header, with its one archive: times of 4 bytes and values of 8. The first
        // that was ever written is the first; it is a ring.
        let time = |point: &[u8]| u64::from(u32::from_be_bytes(point[..4].try_into().unwrap()));
        let mut first = [0; POINT];
        file.read_exact_at(&mut first, HEADER)?;
        let last = from + count - 1;
        let ring = i128::from((file.metadata()?.len() - HEADER) / SIZE);
        let place = (i128::from(last) - i128::from(time(&first))).rem_euclid(ring);
        let mut point = [0; POINT];
        file.read_exact_at(&mut point, HEADER + u64::try_from(place).unwrap() * SIZE)?;
        if time(&point) != last {
            return Ok(false);
        }
        let bytes = fs::read(self.file(path))?;
        let points = bytes[usize::try_from(HEADER).unwrap()..].chunks_exact(POINT);
        let times = from..from + count;
        let there = points.filter(|point| times.contains(&time(point))).count();
        Ok(there == usize::try_from(count).unwrap())
    }

    /// The points of a path between two times, as its file has them now.
    #[must_use]
    pub fn points(&self, path: &str, from: u64, until: u64) -> Vec<(u64, f64)> {
        let file = self.file(path);
        if !file.exists() {
            return Vec::new();
        }
        let mut read = Command::new(self.python);
        read.args(["-c", READ])
            .arg(file)
            .args([from.to_string(), until.to_string()]);
        let output = program::run(&mut read);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let points = String::from_utf8(output.stdout).unwrap();
        let read = |line: &str| {
            let (time, value) = line.split_once(' ').unwrap();
            (time.parse().unwrap(), value.parse().unwrap())
        };
        points.lines().map(read).collect()
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.kill();
    }
}
