//! Ports that nobody has now.

use std::net::{Ipv4Addr, TcpListener};

/// As many different ones as are wanted. For programs that cannot be given a
/// socket that is open.
#[must_use]
pub fn free<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
