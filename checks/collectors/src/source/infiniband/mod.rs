//! `InfiniBand`: what the kernel's sysfs tells of this host's ports, and what management datagrams
//! (MADs) through `/dev/infiniband/umadN` tell of them and of the other end of the cable.
//!
//! [`sysfs`] reads the kernel's tree and [`facts`] what it says of a link. [`umad`] sends a
//! datagram and waits for its answer, [`mad`] makes and checks datagrams, [`performance`] and
//! [`subnet`] know the attributes of the two management classes, and [`fabric`] asks a port for
//! all that it has.

pub mod fabric;
pub mod facts;
pub mod mad;
pub mod performance;
pub mod subnet;
pub mod sysfs;
pub mod umad;
