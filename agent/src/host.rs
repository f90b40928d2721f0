//! What the kernel knows of this host.

use crate::settings::Host;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrIn, SockaddrLike};
use std::net::Ipv4Addr;

/// The host's name and its first IPv4 address that is not loopback.
#[must_use]
pub fn discover() -> Host {
    let name = nix::unistd::gethostname().unwrap_or_default();
    Host {
        name: name.to_string_lossy().into_owned(),
        address: first_address().map(|address| address.to_string()),
    }
}

fn first_address() -> Option<Ipv4Addr> {
    getifaddrs()
        .ok()?
        .filter_map(|interface| interface.address)
        .filter(|address| address.family() == Some(nix::sys::socket::AddressFamily::Inet))
        .filter_map(|address| address.as_sockaddr_in().map(SockaddrIn::ip))
        .find(|address| !address.is_loopback())
}
