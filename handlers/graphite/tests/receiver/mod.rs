//! A stand-in for Carbon, as the real one cannot be made to misbehave at a given moment. The real
//! one is asked in `tests/tests/end_to_end/graphite.rs`.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Conduct {
    /// It is read to its end and closed, as Carbon does.
    Read,
    /// Likewise, but a little at a time.
    Slow,
    /// It is closed at once.
    Close,
    /// So many bytes are read, and the rest is thrown away with the connection.
    Break(usize),
    /// It is greeted, as no Carbon does.
    Greet,
    /// Nothing is read, and it stays open.
    Hang,
    /// It is read to its end and closed when the test says so.
    Hold,
}

#[derive(Default)]
struct State {
    /// What came over each connection, in the order in which they were opened.
    received: Vec<Vec<u8>>,
    released: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A running one.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// How long a test waits for what has to happen.
const DEADLINE: Duration = Duration::from_mins(1);

impl Receiver {
    /// Treats the n-th connection as the n-th of `conducts` says, and those after them as the
    /// last.
    pub(crate) fn start(conducts: &[Conduct]) -> Self {
        Self::with(conducts, None)
    }

    /// Likewise behind TLS.
    pub(crate) fn with_tls(config: ServerConfig) -> Self {
        Self::with(&[Conduct::Read], Some(Arc::new(config)))
    }

    fn with(conducts: &[Conduct], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (conducts, served) = (conducts.to_vec(), Arc::clone(&shared));
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                let conduct = *conducts.get(index).or(conducts.last()).unwrap();
                served.change(|state| state.received.push(Vec::new()));
                let (served, tls) = (Arc::clone(&served), tls.clone());
                thread::spawn(move || match tls {
                    None => served.treat(index, stream, conduct),
                    Some(config) => {
                        let session = ServerConnection::new(config).unwrap();
                        let mut stream = StreamOwned::new(session, stream);
                        served.read(index, &mut stream, 4096);
                        stream.conn.send_close_notify();
                        // Who was refused has left.
                        stream.flush().unwrap_or_default();
                    }
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What has come, connection by connection.
    pub(crate) fn received(&self) -> Vec<String> {
        let state = self.shared.state.lock().unwrap();
        let received = state.received.iter();
        received
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }

    /// Likewise, as bytes.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// Waits until this is so of what has come.
    pub(crate) fn wait_until(&self, happened: impl Fn(&[Vec<u8>]) -> bool) {
        let state = self.shared.state.lock().unwrap();
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(state, DEADLINE, |state| !happened(&state.received))
            .unwrap();
        drop(state);
        assert!(!waited.timed_out(), "it does not happen");
    }

    /// Lets what is held go on.
    pub(crate) fn release(&self) {
        self.shared.change(|state| state.released = true);
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn treat(&self, index: usize, mut stream: TcpStream, conduct: Conduct) {
        match conduct {
            Conduct::Read => self.read(index, stream, 4096),
            Conduct::Slow => self.read(index, stream, 97),
            Conduct::Close => {}
            Conduct::Greet => {
                stream.write_all(b"220 mail.example.org\r\n").unwrap();
                self.read(index, stream, 4096);
            }
            Conduct::Break(count) => {
                let mut bytes = vec![0; count];
                stream.read_exact(&mut bytes).unwrap();
                self.change(|state| state.received[index] = bytes);
            }
            Conduct::Hang => {
                let state = self.state.lock().unwrap();
                drop(self.changed.wait_while(state, |state| !state.released));
                drop(stream);
            }
            Conduct::Hold => {
                self.read(index, stream.try_clone().unwrap(), 4096);
                let state = self.state.lock().unwrap();
                drop(self.changed.wait_while(state, |state| !state.released));
                drop(stream);
            }
        }
    }

    /// Reads to the end.
    fn read(&self, index: usize, mut stream: impl Read + Write, piece: usize) {
        let mut buffer = vec![0; piece];
        // A connection that breaks has ended as well.
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            self.change(|state| state.received[index].extend_from_slice(&buffer[..count]));
        }
    }
}
