//! The one question to Docker: which containers there are, and what they are called.
//!
//! `GET /containers/json` of the Engine's API over its socket, as HTTP/1.0, to which the answer
//! ends with the connection. Podman's socket answers the same. The whole exchange has half a
//! second; a daemon that hangs costs no more.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use serde::Deserialize;

/// Where Docker listens by default.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// How long the whole exchange may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long an answer may be, in bytes: room for some 10,000 containers.
const LONGEST: u64 = 32 << 20;
/// How long its head may be, in bytes.
const LONGEST_HEAD: u64 = 16 << 10;

/// `{"status":["created","running","paused","restarting"]}`: all but those that have ended.
const REQUEST: &[u8] = b"GET /containers/json?filters=%7B%22status%22%3A%5B%22created%22%2C\
    %22running%22%2C%22paused%22%2C%22restarting%22%5D%7D HTTP/1.0\r\nHost: docker\r\n\
    Accept: application/json\r\n\r\n";

/// A container, as far as its name is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// `/NAME`, and `/OTHER/ALIAS` for each link.
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<Labels>,
    #[serde(default)]
    host_config: Option<HostConfig>,
    /// When it was created, in seconds since the epoch.
    #[serde(default)]
    pub created: i64,
    /// `created`, `running`, `paused` or `restarting`.
    #[serde(default)]
    state: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Labels {
    #[serde(rename = "com.docker.swarm.service.name")]
    service: Option<String>,
    /// `SERVICE.SLOT.TASK`; of a global service `SERVICE.NODE.TASK`.
    #[serde(rename = "com.docker.swarm.task.name")]
    task: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: Option<String>,
}

impl Container {
    /// Its name. That of a Swarm task, which has another each time it starts anew, is the name of
    /// its service and its slot: `web.1`, or the service alone where each node has one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let labels = self.labels.as_ref();
        if let Some((service, task)) =
            labels.and_then(|labels| labels.service.as_deref().zip(labels.task.as_deref()))
        {
            return slot(service, task);
        }
        let mut names = self.names.iter().flatten();
        let own = names.find_map(|name| {
            let name = name.strip_prefix('/').unwrap_or(name);
            (!name.is_empty() && !name.contains('/')).then_some(name)
        });
        own.map(str::to_owned)
    }

    /// Whether it was started already.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.state.as_deref() != Some("created")
    }

    /// Whether it lives in the network namespace of another container.
    #[must_use]
    pub fn joins_another(&self) -> bool {
        let mode = self.host_config.as_ref();
        let mode = mode.and_then(|config| config.network_mode.as_deref());
        mode.is_some_and(|mode| mode.starts_with("container:"))
    }
}

/// What a Swarm task is called by, whichever container it has at the moment: its service and its
/// slot, `web.1`, or the service alone where each node has one. `None` if the task, which is called
/// `SERVICE.SLOT.ID`, is none of the service's.
#[must_use]
pub fn slot(service: &str, task: &str) -> Option<String> {
    let rest = task.strip_prefix(service)?.strip_prefix('.')?;
    let slot = rest.split('.').next().unwrap_or_default();
    Some(if slot.parse::<u32>().is_ok() {
        format!("{service}.{slot}")
    } else {
        service.to_owned()
    })
}

/// Where Docker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    path: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            path: PathBuf::from("/var/run/docker.sock"),
        }
    }
}

impl Host {
    /// Takes `unix:///PATH`.
    #[must_use]
    pub fn new(uri: &str) -> Option<Self> {
        let path = Path::new(uri.strip_prefix("unix://")?);
        // As long as the system takes one, and without a null byte.
        (path.is_absolute() && UnixAddr::new(path).is_ok()).then(|| Self {
            path: path.to_owned(),
        })
    }

    /// The containers that run, are paused or about to start.
    pub fn containers(&self) -> Result<Vec<Container>, DockerError> {
        let until = Instant::now() + PATIENCE;
        self.ask(until).map_err(|why| DockerError {
            host: self.to_string(),
            why,
        })
    }

    fn ask(&self, until: Instant) -> Result<Vec<Container>, Why> {
        let mut exchange = Exchange {
            stream: self.connect()?,
            until,
        };
        exchange.write_all(REQUEST)?;
        read(exchange)
    }

    /// A server that does not accept would block who connects, once its queue is full.
    fn connect(&self) -> Result<UnixStream, Why> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .map_err(|errno| Why::Exchange(errno.into()))?;
        let address = UnixAddr::new(&self.path).map_err(|errno| Why::Exchange(errno.into()))?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => {}
            Err(Errno::EAGAIN) => return Err(Why::Exchange(io::ErrorKind::TimedOut.into())),
            Err(errno) => return Err(Why::Connect(errno.into())),
        }
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "unix://{}", self.path.display())
    }
}

/// Docker did not say what its containers are called.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask {host} for the names of containers: {why}{}", why.advice())]
pub struct DockerError {
    host: String,
    why: Why,
}

impl DockerError {
    /// Whether there is nobody who could be asked, so that asking again soon is of no use.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(&self.why, Why::Connect(error) if matches!(error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied))
    }

    /// Whether nobody listens there, or nobody that this user may talk to.
    #[must_use]
    pub fn is_not_there(&self) -> bool {
        matches!(self.why, Why::Connect(_))
    }
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Connect(io::Error),
    #[error("{}", within(.0))]
    Exchange(#[from] io::Error),
    #[error("it answers \"{0}\"")]
    Refused(String),
    #[error("its answer is none of Docker's: {0}")]
    Answer(serde_json::Error),
}

impl Why {
    fn advice(&self) -> &'static str {
        match self {
            Self::Connect(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "; put this user into the group of the socket (docker), or give --docker-host; \
                     until then containers are shown by their short ids"
                }
                _ => {
                    "; is Docker running, or is another --docker-host meant? \
                     until then containers are shown by their short ids"
                }
            },
            Self::Exchange(_) | Self::Refused(_) | Self::Answer(_) => {
                "; new containers go without a name until it answers"
            }
        }
    }
}

/// A read that ran out of time says so in other words than the system's.
fn within(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {} ms", PATIENCE.as_millis())
        }
        _ => error.to_string(),
    }
}

/// A stream each of whose reads and writes has the time that is left.
struct Exchange {
    stream: UnixStream,
    until: Instant,
}

impl Exchange {
    fn left(&self) -> io::Result<Duration> {
        match self.until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Exchange {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Reads an answer: head, empty line, JSON.
fn read(answer: impl Read) -> Result<Vec<Container>, Why> {
    let mut answer = BufReader::new(answer.take(LONGEST));
    let mut head = answer.by_ref().take(LONGEST_HEAD);
    let mut status = Vec::new();
    head.read_until(b'\n', &mut status)?;
    let status = String::from_utf8_lossy(&status);
    let status = status.trim_ascii_end();
    let mut words = status.split_ascii_whitespace();
    let version = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    if !version || words.next() != Some("200") {
        return Err(Why::Refused(status.chars().take(80).collect()));
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        if head.read_until(b'\n', &mut line)? == 0 {
            return Err(Why::Exchange(io::ErrorKind::UnexpectedEof.into()));
        }
        if line.trim_ascii_end().is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    answer.read_to_end(&mut body)?;
    serde_json::from_slice(&body).map_err(Why::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n";

    fn names(json: &str) -> Vec<Option<String>> {
        let found = read(format!("{HEAD}{json}").as_bytes()).unwrap();
        found.iter().map(Container::name).collect()
    }

    #[test]
    fn a_container_has_a_name_of_its_own() {
        for (container, name) in [
            (r#""Names":["/hpcg1"]"#, Some("hpcg1")),
            (r#""Names":["/web/db","/db"],"Labels":{}"#, Some("db")),
            (r#""Names":["plain"],"Labels":null"#, Some("plain")),
            (r#""Names":[]"#, None),
            (r#""Names":null"#, None),
            (r#""Image":"bb""#, None),
            (
                r#""Names":["/web.1.x9"],"Labels":{"com.docker.swarm.service.name":"web",
                   "com.docker.swarm.task.name":"web.1.x9","other":"x"}"#,
                Some("web.1"),
            ),
            (
                r#""Names":["/g.n0de.x9"],"Labels":{"com.docker.swarm.service.name":"g",
                   "com.docker.swarm.task.name":"g.n0de.x9"}"#,
                Some("g"),
            ),
            (
                r#""Names":["/x"],"Labels":{"com.docker.swarm.service.name":"web"}"#,
                Some("x"),
            ),
        ] {
            let json = format!(r#"[{{"Id":"0",{container}}}]"#);
            assert_eq!(names(&json), [name.map(str::to_owned)], "{json}");
        }
        let joined = r#"[{"Id":"0","HostConfig":{"NetworkMode":"container:1"}}]"#;
        let joined = read(format!("{HEAD}{joined}").as_bytes()).unwrap();
        assert!(joined[0].joins_another());
        assert_eq!(names("[]"), []);
    }

    #[test]
    fn an_answer_that_is_none_is_said() {
        for (answer, says) in [
            ("", "it answers \"\""),
            (
                "HTTP/1.1 403 Forbidden\r\n\r\n",
                "it answers \"HTTP/1.1 403 Forbidden\"",
            ),
            ("SSH-2.0-x\r\n", "it answers \"SSH-2.0-x\""),
            ("HTTP/1.0 200 OK\r\n", "unexpected end of file"),
            (
                "HTTP/1.0 200 OK\r\n\r\n{\"message\":1}",
                "its answer is none of Docker's: ",
            ),
            (
                "HTTP/1.0 200 OK\r\n\r\n[{\"Id\":\"0\"}",
                "its answer is none of Docker's: ",
            ),
        ] {
            let error = read(answer.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(says), "{answer:?}: {error}");
        }
        let endless = HEAD.replace("\r\n\r\n", &"x: y\r\n".repeat(10_000));
        assert!(read(endless.as_bytes()).is_err());
    }

    #[test]
    fn only_a_local_socket_is_taken() {
        assert_eq!(Host::new(DEFAULT_HOST), Some(Host::default()));
        assert_eq!(Host::default().to_string(), DEFAULT_HOST);
        for bad in [
            "tcp://h:2375",
            "unix://",
            "unix://docker.sock",
            "/run/x",
            "",
        ] {
            assert_eq!(Host::new(bad), None, "{bad}");
        }
        let long = format!("unix:///{}", "x".repeat(200));
        assert_eq!(Host::new(&long), None);
    }

    #[test]
    fn a_server_that_does_not_answer_or_accept_costs_no_more_than_the_time_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let host = Host::new(&format!("unix://{}", path.display())).unwrap();
        let started = Instant::now();
        let error = host.containers().unwrap_err();
        assert!(started.elapsed() < 4 * PATIENCE);
        assert!(!error.is_not_there());
        assert_eq!(
            error.to_string(),
            format!(
                "cannot ask {host} for the names of containers: no answer within 500 ms; new \
                 containers go without a name until it answers"
            )
        );
        let mut waiting = Vec::new();
        while let Ok(stream) = host.connect() {
            waiting.push(stream);
        }
        assert!(
            host.containers()
                .unwrap_err()
                .to_string()
                .contains("no answer within")
        );
        drop(listener);
        let error = host.containers().unwrap_err();
        assert!(error.is_not_there() && !error.is_lasting(), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(host.containers().unwrap_err().is_lasting());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, json in "[\\[\\]{}\":,a-zA-Z0-9]{0,40}") {
            drop(read(&bytes[..]));
            drop(read(&[HEAD.as_bytes(), &bytes].concat()[..]));
            drop(read(format!("{HEAD}{json}").as_bytes()));
        }
    }
}
