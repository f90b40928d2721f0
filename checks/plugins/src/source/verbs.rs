//! RDMA devices as libibverbs shows them: what every program that uses RDMA gets to see.
//!
//! This is the one module that calls C. What it hands out is owned and typed; the library's
//! pointers do not leave it. Opening a device takes read and write access to
//! `/dev/infiniband/uverbsN`; nothing is sent and no state is changed.
//!
//! libibverbs finds devices by netlink and below its own `/sys` (or `SYSFS_PATH` of the
//! environment), whatever root is given to our own readers.

#![allow(
    unsafe_code,
    reason = "libibverbs has a C interface; this is the one module that calls it"
)]

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::net::Ipv6Addr;
use std::{mem, ptr, slice};

use nix::errno::Errno;
use rdma_sys::{
    ___ibv_query_port, ibv_close_device, ibv_context, ibv_device, ibv_device_attr,
    ibv_free_device_list, ibv_get_device_guid, ibv_get_device_list, ibv_get_device_name, ibv_gid,
    ibv_open_device, ibv_port_attr, ibv_query_device, ibv_query_gid,
};
use venus_collectors::source::infiniband::facts::{Facts, Tenths};
use venus_collectors::source::infiniband::sysfs::LinkLayer;

use crate::source::rdma::Guid;

/// What verbs knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// What was found when it was opened and asked, or why it could not be.
    pub(crate) opened: Result<Opened, Refusal>,
}

/// What an open device tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) node_guid: Guid,
    /// As the provider writes it, e.g. `2.42.5000`.
    pub(crate) firmware: String,
    pub(crate) vendor_id: u32,
    pub(crate) part_id: u32,
    /// By number.
    pub(crate) ports: Vec<Port>,
}

/// A port of an open device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u8,
    pub(crate) facts: Facts,
    /// Octets.
    pub(crate) active_mtu: Option<u16>,
    /// Octets.
    pub(crate) max_mtu: Option<u16>,
    /// Those entries of the GID table that are in use.
    pub(crate) gids: Vec<(u32, Ipv6Addr)>,
}

/// Something that libibverbs refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what}: {}", reason(*errno))]
pub(crate) struct Refusal {
    /// What was tried, e.g. "open it".
    pub(crate) what: String,
    pub(crate) errno: Errno,
}

/// Providers do not always say why.
fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::UnknownErrno => "libibverbs does not say why",
        errno => errno.desc(),
    }
}

/// Every device that libibverbs lists, by name. `step` is told what comes next, as each of these
/// may wait for the device's firmware.
pub(crate) fn devices(step: impl Fn(String)) -> Result<Vec<Device>, Refusal> {
    step("libibverbs lists its devices".to_owned());
    let list = List::get()?;
    let mut devices: Vec<Device> = list
        .devices()
        .map(|device| {
            let name = device.name();
            step(format!("libibverbs opens {name}"));
            let opened = device.open().and_then(|open| {
                step(format!("libibverbs asks {name}"));
                open.ask(device.node_guid())
            });
            Device { name, opened }
        })
        .collect();
    devices.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(devices)
}

/// The library's list of devices, which live for as long as it does.
struct List {
    first: *mut *mut ibv_device,
    count: usize,
}

impl List {
    fn get() -> Result<Self, Refusal> {
        let mut count: c_int = 0;
        Errno::clear();
        // SAFETY: the one argument is a valid place for a number. It may be called from any
        // thread.
        let first = unsafe { ibv_get_device_list(&raw mut count) };
        if first.is_null() {
            match Errno::last() {
                // The kernel knows nothing of RDMA, so there is no device.
                Errno::UnknownErrno | Errno::ENOSYS => count = 0,
                errno => {
                    let what = "list its devices".to_owned();
                    return Err(Refusal { what, errno });
                }
            }
        }
        let count = usize::try_from(count).unwrap_or(0);
        Ok(Self { first, count })
    }

    fn devices(&self) -> impl Iterator<Item = Listed<'_>> {
        let pointers = if self.first.is_null() {
            &[]
        } else {
            // SAFETY: the library gave `count` pointers from here on, which stay as they are until
            // the list is freed when `self`, borrowed here, is dropped.
            unsafe { slice::from_raw_parts(self.first, self.count) }
        };
        pointers.iter().map(|device| Listed {
            device: *device,
            list: PhantomData,
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.first.is_null() {
            // SAFETY: it came from ibv_get_device_list and is freed once. No `Listed` or
            // `Open` is left, as each borrows it.
            unsafe { ibv_free_device_list(self.first) }
        }
    }
}

/// A device of the list, which is borrowed, so that it stays.
#[derive(Clone, Copy)]
struct Listed<'a> {
    device: *mut ibv_device,
    list: PhantomData<&'a List>,
}

impl<'a> Listed<'a> {
    fn name(self) -> String {
        // SAFETY: a device of a list that is alive has a name, an array in it that ends with NUL,
        // which is copied before anything else is called.
        let name = unsafe { CStr::from_ptr(ibv_get_device_name(self.device)) };
        name.to_string_lossy().into_owned()
    }

    fn node_guid(self) -> Guid {
        // SAFETY: the list is alive, and with it the device, which is only read.
        let guid = unsafe { ibv_get_device_guid(self.device) };
        Guid(u64::from_be(guid))
    }

    fn open(self) -> Result<Open<'a>, Refusal> {
        Errno::clear();
        // SAFETY: the list is alive, and with it the device, for as long as what is made here.
        let context = unsafe { ibv_open_device(self.device) };
        if context.is_null() {
            return Err(Refusal {
                what: "open it".to_owned(),
                errno: Errno::last(),
            });
        }
        Ok(Open {
            context,
            list: PhantomData,
        })
    }
}

/// An open device of the list, which is borrowed, so that it stays.
struct Open<'a> {
    context: *mut ibv_context,
    list: PhantomData<&'a List>,
}

impl Open<'_> {
    /// All that is shown of it. `listed` is its node GUID by the list, for providers that leave
    /// it out of the attributes.
    fn ask(&self, listed: Guid) -> Result<Opened, Refusal> {
        // SAFETY: it has numbers and arrays of numbers only, for which zeros are values.
        let mut device: ibv_device_attr = unsafe { mem::zeroed() };
        // SAFETY: the context is open for as long as self is, and the attributes are ours.
        let code = unsafe { ibv_query_device(self.context, &raw mut device) };
        answered(code, || "query it".to_owned())?;
        let ports: Result<Vec<Port>, Refusal> = (1..=device.phys_port_cnt)
            .map(|number| self.port(number))
            .collect();
        let node_guid = match u64::from_be(device.node_guid) {
            0 => listed,
            guid => Guid(guid),
        };
        Ok(Opened {
            node_guid,
            firmware: text(&device.fw_ver),
            vendor_id: device.vendor_id,
            part_id: device.vendor_part_id,
            ports: ports?,
        })
    }

    fn port(&self, number: u8) -> Result<Port, Refusal> {
        // SAFETY: as for the device's attributes. An old provider fills the first part only.
        let mut port: ibv_port_attr = unsafe { mem::zeroed() };
        // SAFETY: the context is open, the port is one of its ports, and the attributes are ours,
        // of the size that rdma-sys tells the provider. It is C's inline function of this name,
        // for which the plain symbol is a trap: that fills an older, shorter struct.
        let code = unsafe { ___ibv_query_port(self.context, number, &raw mut port) };
        answered(code, || format!("query port {number}"))?;
        Ok(Port {
            number,
            facts: facts(&port),
            active_mtu: octets(port.active_mtu),
            max_mtu: octets(port.max_mtu),
            gids: (0..port.gid_tbl_len)
                .filter_map(|index| Some((u32::try_from(index).ok()?, self.gid(number, index)?)))
                .collect(),
        })
    }

    /// An entry of the GID table. One that is not in use is zeros, or an error, by the version of
    /// kernel and library.
    fn gid(&self, port: u8, index: c_int) -> Option<Ipv6Addr> {
        let mut gid = ibv_gid { raw: [0; 16] };
        // SAFETY: the context is open, and the place for the GID is ours.
        let code = unsafe { ibv_query_gid(self.context, port, index, ptr::from_mut(&mut gid)) };
        // SAFETY: the union was made with its array, and any 16 octets are one.
        let octets = unsafe { gid.raw };
        (code == 0 && octets != [0; 16]).then(|| Ipv6Addr::from(octets))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // SAFETY: it came from ibv_open_device and is closed once. That fails only for what is
        // not open, so there is nothing to do about it.
        unsafe { ibv_close_device(self.context) };
    }
}

/// Most of the library's functions answer 0, or the error's number; some -1, with it in errno.
fn answered(code: c_int, what: impl FnOnce() -> String) -> Result<(), Refusal> {
    let errno = match code {
        0 => return Ok(()),
        1.. => Errno::from_raw(code),
        _ => Errno::last(),
    };
    Err(Refusal {
        what: what(),
        errno,
    })
}

/// What is before the first NUL.
fn text(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array
        .iter()
        .map(|character| character.to_ne_bytes()[0])
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn facts(port: &ibv_port_attr) -> Facts {
    Facts {
        state: u8::try_from(port.state).ok(),
        phys_state: Some(port.phys_state),
        width: lanes(port.active_width),
        speed: lane_speed(port.active_speed),
        lid: Some(port.lid),
        sm_lid: Some(port.sm_lid),
        link_layer: match port.link_layer {
            1 => Some(LinkLayer::InfiniBand),
            2 => Some(LinkLayer::Ethernet),
            // Unspecified, by providers from before there was a choice.
            _ => None,
        },
    }
}

/// IBTA vol. 1, 14.2.5.6 `PortInfo`, `LinkWidthActive`.
fn lanes(code: u8) -> Option<u8> {
    match code {
        1 => Some(1),
        2 => Some(4),
        4 => Some(8),
        8 => Some(12),
        16 => Some(2),
        _ => None,
    }
}

/// `LinkSpeedActive` and its extensions in the bits above, in the kernel's tenths of Gbit/s.
fn lane_speed(code: u8) -> Option<Tenths> {
    let tenths = match code {
        1 => 25,
        2 => 50,
        // FDR10 has the data rate of QDR, in another encoding.
        4 | 8 => 100,
        16 => 140,
        32 => 250,
        64 => 500,
        128 => 1000,
        _ => return None,
    };
    Some(Tenths(tenths))
}

/// 1 is 256 octets, 5 is 4096.
fn octets(mtu: u32) -> Option<u16> {
    match mtu {
        1..=5 => Some(128 << mtu),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::path::Path;

    /// For real, on whatever machine this is. Software devices (rxe, siw) need kernel modules that
    /// the machines which build Venus do not have, and hardware they have not either, so that the
    /// list is empty there; `tests/rdma.rs` makes libibverbs list devices that cannot be opened.
    #[test]
    fn lists_what_there_is() {
        let steps = RefCell::new(Vec::new());
        let devices = devices(|step| steps.borrow_mut().push(step)).unwrap();
        assert_eq!(
            steps.borrow().first().unwrap(),
            "libibverbs lists its devices"
        );
        if !Path::new("/sys/class/infiniband").exists() {
            assert_eq!(devices, []);
            assert_eq!(steps.borrow().len(), 1);
        }
    }

    #[test]
    fn codes_are_decoded() {
        // SAFETY: numbers only, for which zeros are values.
        let mut port: ibv_port_attr = unsafe { mem::zeroed() };
        assert_eq!(facts(&port).width, None);
        assert_eq!(facts(&port).link_layer, None);
        (port.state, port.phys_state, port.lid, port.sm_lid) = (4, 5, 0xbfff, 1);
        (port.active_width, port.active_speed, port.link_layer) = (2, 4, 1);
        let facts = facts(&port);
        assert_eq!(
            facts,
            Facts {
                state: Some(4),
                phys_state: Some(5),
                width: Some(4),
                speed: Some(Tenths(100)),
                lid: Some(0xbfff),
                sm_lid: Some(1),
                link_layer: Some(LinkLayer::InfiniBand),
            }
        );
        assert_eq!(
            [0, 1, 4, 5, 6].map(octets),
            [None, Some(256), Some(2048), Some(4096), None]
        );
        let mut array: [c_char; 8] = [0; 8];
        for (to, from) in array.iter_mut().zip("2.42".bytes()) {
            *to = c_char::try_from(from).unwrap();
        }
        assert_eq!(text(&array), "2.42");
        assert_eq!(text(&[c_char::try_from(b'x').unwrap(); 3]), "xxx");
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let refusal = answered(Errno::EACCES as c_int, || "query port 1".to_owned()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "cannot query port 1: Permission denied"
        );
        Errno::clear();
        let refusal = answered(-1, || "query it".to_owned()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "cannot query it: libibverbs does not say why"
        );
    }
}
