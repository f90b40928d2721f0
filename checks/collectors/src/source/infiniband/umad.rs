//! `/dev/infiniband/umadN`: sends a management datagram and waits for its answer.
//!
//! The kernel's interface is `include/uapi/rdma/ib_user_mad.h` (ABI 5, with `P_Key` index; Linux 2.6.24
//! and later): a file for each port, on which one registers for a management class, and writes and
//! reads a header of 64 bytes with a datagram of 256. Which file belongs to which port is told by
//! `SYS/class/infiniband_mad/umadN/{ibdev,port}`.
//!
//! Everything goes through the C library's `open`, `ioctl`, `poll`, `read`, `write` and `close`, as
//! ibsim, the simulator of a fabric, puts itself in their place. Its device, which says that it is
//! one (`SYS/class/infiniband/DEVICE/hca_type`), has the header of 56 bytes, without a `P_Key` index,
//! that the kernel had before and still takes from those who ask for no other.
#![allow(
    unsafe_code,
    reason = "registering on a umad device is an ioctl, for which there is no safe wrapper"
)]

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::{close, read, write};

use crate::source::infiniband::mad::{self, Class, Mad, NoAnswer, Request};
use crate::source::kernel_file::{self, ATTRIBUTE_BYTES};

/// One port's device, open and registered.
#[derive(Debug)]
pub struct Umad {
    path: PathBuf,
    file: Device,
    header: Header,
    performance: u32,
    subnet: u32,
    transaction: u32,
    retries: u64,
}

/// Whom a datagram goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The node with a port of this local identifier.
    Lid(u16),
    /// Wherever the route in the datagram leads.
    Route,
}

/// A device cannot be used, or nobody answers. Each displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum UmadError {
    /// The kernel lists no device for this port.
    #[error("there is no umad device for {device} port {port} below {}; is the module ib_umad loaded?", class.display())]
    NoDevice {
        /// E.g. `mlx4_0`.
        device: String,
        /// From 1.
        port: u8,
        /// Where was looked.
        class: PathBuf,
    },
    /// Opening it, or registering on it, was refused.
    #[error("cannot {what} {}: {source}{}", path.display(), permission(source, path))]
    Open {
        /// "open" or "register on".
        what: &'static str,
        /// The device.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It went away, or failed.
    #[error("{}: {source}; the port is asked again the next time", path.display())]
    Failed {
        /// The device.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Nobody answered in time.
    #[error("no answer within the time that is left")]
    Silent,
    /// The answer is a refusal.
    #[error("refused with status {0:#06x}")]
    Refused(u16),
}

fn permission(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "; this user needs read and write permission on {}, by a udev rule or a group",
            path.display()
        ),
        io::ErrorKind::NotFound => "; is it made by udev?".to_owned(),
        _ => String::new(),
    }
}

/// The first try of a question is answered in this time by any agent that is not busy.
const FIRST_TRY: Duration = Duration::from_millis(50);
/// The longest header and a datagram.
const BYTES: usize = 64 + mad::BYTES;
/// The key of the queue pair that performance management agents listen on.
const WELL_KNOWN_QKEY: u32 = 0x8001_0000;

/// Which header a device takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    /// `struct ib_user_mad_hdr`.
    WithPkeyIndex,
    /// `struct ib_user_mad_hdr_old`.
    Old,
}

impl Header {
    fn bytes(self) -> usize {
        match self {
            Self::WithPkeyIndex => 64,
            Self::Old => 56,
        }
    }

    fn of(sys: &Path, device: &str) -> Self {
        let path = sys.join("class/infiniband").join(device).join("hca_type");
        match kernel_file::read_once(&path, &mut [0; ATTRIBUTE_BYTES]) {
            Ok(b"simulator\n") => Self::Old,
            Ok(_) | Err(_) => Self::WithPkeyIndex,
        }
    }
}

/// An open device. Not a [`std::fs::File`], as the simulator's is no descriptor that the kernel knows.
#[derive(Debug)]
struct Device(RawFd);

impl Device {
    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open for as long as this lives, as only `drop` closes it.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Nothing was written that could get lost.
        close(self.0).unwrap_or_default();
    }
}

mod ioctl {
    //! `include/uapi/rdma/rdma_user_ioctl_cmds.h`: type 0x1b.

    /// `struct ib_user_mad_reg_req`.
    #[repr(C)]
    #[derive(Debug, Default)]
    pub(super) struct Registration {
        /// Set by the kernel.
        pub(super) id: u32,
        /// Which methods are to be delivered unasked: none.
        pub(super) method_mask: [u32; 4],
        pub(super) qpn: u8,
        pub(super) class: u8,
        pub(super) class_version: u8,
        pub(super) oui: [u8; 3],
        pub(super) rmpp_version: u8,
    }

    nix::ioctl_readwrite!(register_agent, 0x1b, 1, Registration);
    nix::ioctl_none!(enable_pkey, 0x1b, 3);
}

/// Whether the kernel has such devices at all.
#[must_use]
pub fn is_there(sys: &Path) -> bool {
    fs::read_dir(sys.join("class/infiniband_mad")).is_ok()
}

/// The device of a port, by its name below `/dev/infiniband`.
pub fn name(sys: &Path, device: &str, port: u8) -> Result<String, UmadError> {
    let class = sys.join("class/infiniband_mad");
    let is = |folder: &Path, file: &str, wanted: &str| {
        let mut buffer = [0; ATTRIBUTE_BYTES];
        let text = kernel_file::read_once(&folder.join(file), &mut buffer);
        text.is_ok_and(|text| text.trim_ascii_end() == wanted.as_bytes())
    };
    let found = fs::read_dir(&class).ok().and_then(|entries| {
        entries.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let folder = entry.path();
            let matches = name.starts_with("umad")
                && is(&folder, "ibdev", device)
                && is(&folder, "port", &port.to_string());
            matches.then_some(name)
        })
    });
    found.ok_or_else(|| UmadError::NoDevice {
        device: device.to_owned(),
        port,
        class,
    })
}

impl Umad {
    /// Opens the device of a port and registers for both management classes.
    pub fn open(sys: &Path, dev: &Path, device: &str, port: u8) -> Result<Self, UmadError> {
        let path = dev.join("infiniband").join(name(sys, device, port)?);
        let failed = |what| {
            let path = path.clone();
            move |error: Errno| UmadError::Open {
                what,
                path,
                source: error.into(),
            }
        };
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = nix::fcntl::open(&path, flags, Mode::empty()).map_err(failed("open"))?;
        let file = Device(file.into_raw_fd());
        let header = Header::of(sys, device);
        if header == Header::WithPkeyIndex {
            // SAFETY: the descriptor is open, and this ioctl takes no argument: it only says which form
            // headers have.
            unsafe { ioctl::enable_pkey(file.0) }.map_err(failed("register on"))?;
        }
        let [performance, subnet] =
            [Class::Performance, Class::DirectedSubnet].map(|class| register(&file, class));
        Ok(Self {
            performance: performance.map_err(failed("register on"))?,
            subnet: subnet.map_err(failed("register on"))?,
            path,
            file,
            header,
            transaction: 0,
            retries: 0,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How often a question was asked again so far.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries
    }

    /// Asks until there is an answer, or it is too late. Each try waits twice as long as the one
    /// before, and has a transaction id of its own: an answer that comes late is no answer.
    pub fn ask(
        &mut self,
        to: To,
        mut request: Request,
        deadline: Instant,
    ) -> Result<Mad, UmadError> {
        let mut patience = FIRST_TRY;
        for attempt in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left < Duration::from_millis(1) {
                break;
            }
            self.retries += u64::from(attempt > 0);
            self.transaction = self.transaction.wrapping_add(1);
            let wait = patience.min(left);
            match self.try_once(to, &mut request, wait)? {
                Some(answer) => return Ok(answer),
                None => patience *= 2,
            }
        }
        Err(UmadError::Silent)
    }

    fn try_once(
        &mut self,
        to: To,
        request: &mut Request,
        wait: Duration,
    ) -> Result<Option<Mad>, UmadError> {
        let until = Instant::now() + wait;
        self.send(to, request, wait)
            .map_err(|error| self.failed(error))?;
        loop {
            let Some(answer) = self.receive(until).map_err(|error| self.failed(error))? else {
                return Ok(None);
            };
            match request.check(self.transaction, &answer) {
                Ok(()) => return Ok(Some(answer)),
                Err(NoAnswer::Other) => {}
                // The agent needs its time, and so does the fabric.
                Err(NoAnswer::Busy) => {
                    while self
                        .receive(until)
                        .map_err(|error| self.failed(error))?
                        .is_some()
                    {}
                    return Ok(None);
                }
                Err(NoAnswer::Refused(status)) => return Err(UmadError::Refused(status)),
            }
        }
    }

    fn send(&mut self, to: To, request: &mut Request, wait: Duration) -> io::Result<()> {
        let agent = match request.class() {
            Class::Performance => self.performance,
            Class::DirectedSubnet => self.subnet,
        };
        let (lid, queue_pair, key) = match to {
            To::Lid(lid) => (lid, 1_u32, WELL_KNOWN_QKEY),
            To::Route => (u16::MAX, 0, 0),
        };
        let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1);
        let mut message = [0; BYTES];
        // `id`, `status`, `timeout_ms`, `retries`, `length` as the host has numbers, then `qpn`,
        // `qkey` and `lid` as the fabric has them. The rest of the header stays 0.
        let fields: [&[u8]; 8] = [
            &agent.to_ne_bytes(),
            &0_u32.to_ne_bytes(),
            &wait.to_ne_bytes(),
            &0_u32.to_ne_bytes(),
            &0_u32.to_ne_bytes(),
            &queue_pair.to_be_bytes(),
            &key.to_be_bytes(),
            &lid.to_be_bytes(),
        ];
        let header = fields.into_iter().flatten();
        let datagram = request.mad(self.transaction);
        for (place, byte) in message.iter_mut().zip(header) {
            *place = *byte;
        }
        for (place, byte) in message.iter_mut().skip(self.header.bytes()).zip(datagram) {
            *place = *byte;
        }
        let length = self.header.bytes() + mad::BYTES;
        let message = message.get(..length).unwrap_or_default();
        match write(self.file.borrow(), message)? {
            taken if taken == length => Ok(()),
            _ => Err(io::Error::other("a datagram was taken in part only")),
        }
    }

    /// The next datagram, whatever it is, unless none comes in time.
    fn receive(&mut self, until: Instant) -> io::Result<Option<Mad>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.file.borrow(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                // The kernel waits for whole milliseconds.
                Ok(0) if left < Duration::from_millis(1) => return Ok(None),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let mut message = [0; BYTES];
            let wanted = self.header.bytes() + mad::BYTES;
            let room = message.get_mut(..wanted).unwrap_or_default();
            let length = match read(self.file.borrow(), room) {
                Err(Errno::EINTR) => continue,
                read => read?,
            };
            // A status is the kernel's word that nobody has answered. What is cut is no answer.
            let status = message.get(4..8).is_some_and(|status| status != [0; 4]);
            if status || length != wanted {
                if Instant::now() >= until {
                    return Ok(None);
                }
                continue;
            }
            let datagram = message
                .get(self.header.bytes()..)
                .and_then(|rest| rest.first_chunk());
            return Ok(datagram.copied());
        }
    }

    fn failed(&self, source: io::Error) -> UmadError {
        UmadError::Failed {
            path: self.path.clone(),
            source,
        }
    }
}

fn register(file: &Device, class: Class) -> nix::Result<u32> {
    let mut registration = ioctl::Registration {
        qpn: match class {
            Class::Performance => 1,
            Class::DirectedSubnet => 0,
        },
        class: class.number(),
        class_version: 1,
        ..ioctl::Registration::default()
    };
    // SAFETY: the descriptor is open. The kernel reads and writes one `ib_user_mad_reg_req`, which
    // `Registration` is, field by field, and which outlives the call. It keeps no pointer to it.
    unsafe { ioctl::register_agent(file.0, &raw mut registration) }?;
    Ok(registration.id)
}

#[cfg(test)]
mod tests;
