//! A cable to a broker, which a test can cut, stall and mend.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// Forwards connections to a port of the loopback interface.
pub struct Cable {
    /// The end to connect to.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    cut: bool,
    stalled: bool,
    connections: Vec<TcpStream>,
}

impl Cable {
    /// A whole cable to `target`.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                served.take(near, target);
            }
        });
        Self { port, shared }
    }

    /// Breaks every connection, and each new one at once.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        state.cut = true;
        for connection in state.connections.drain(..) {
            // One that has ended already is cut as well.
            connection.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    /// From now on nothing arrives, and nobody is told.
    pub fn stall(&self) {
        self.shared.lock().stalled = true;
    }

    /// Whole again.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        state.cut = false;
        state.stalled = false;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn take(self: &Arc<Self>, near: TcpStream, target: u16) {
        let mut state = self.lock();
        if state.cut {
            return;
        }
        let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
            return;
        };
        for (from, to) in [(&near, &far), (&far, &near)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(self);
            thread::spawn(move || shared.forward(from, to));
        }
        state.connections.extend([near, far]);
    }

    /// Forwards until either end closes.
    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let state = self.lock();
            drop(self.changed.wait_while(state, |state| state.stalled));
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).unwrap_or_default();
    }
}
