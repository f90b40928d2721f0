//! Lists the ports, and decides where each is read.

use std::io;
use std::time::Instant;

use crate::collect::infiniband::counters::{Counters, Listed, Preference};
use crate::collect::infiniband::port::{NO_LID, Port, Remote, ask_facts, why_unreachable};
use crate::collect::infiniband::{DeviceInPath, Infiniband, Options, Source, share};
use crate::collector::{CollectError, Roots};
use crate::graphite;
use crate::source::infiniband::fabric::{self, Address, Offer};
use crate::source::infiniband::facts::FactFiles;
use crate::source::infiniband::performance::Kind;
use crate::source::infiniband::sysfs::{self, LinkLayer};
use crate::source::infiniband::umad::{Umad, UmadError};
use crate::source::kernel_file::FileError;

/// By which devices questions go out, and what the agents of this host's ports have to offer. What
/// was once learnt of a port is believed for as long as the collector lives, so that it is not read
/// here now and there another time.
#[derive(Default)]
pub(super) struct Reach(Vec<Reached>);

struct Reached {
    device: String,
    port: u8,
    umad: Option<Umad>,
    offer: Option<Offer>,
}

impl Reached {
    fn open(&mut self, roots: &Roots) -> Result<&mut Umad, UmadError> {
        match &mut self.umad {
            Some(umad) => Ok(umad),
            closed @ None => {
                let umad = Umad::open(&roots.sys, &roots.dev, &self.device, self.port)?;
                Ok(closed.insert(umad))
            }
        }
    }

    /// Where the port's agent is asked.
    fn address(
        &mut self,
        roots: &Roots,
        files: &mut FactFiles,
        deadline: Instant,
    ) -> Result<Address, CollectError> {
        let (label, number) = (label(&self.device, self.port), self.port);
        let facts = self
            .open(roots)
            .and_then(|umad| ask_facts(umad, number, files, deadline));
        let facts = facts.map_err(|source| CollectError::Fabric {
            port: label.clone(),
            source,
        })?;
        match why_unreachable(&facts) {
            Some(why) => Err(CollectError::Unreachable { port: label, why }),
            None => Ok(Address {
                lid: facts.lid.unwrap_or_default(),
                number,
            }),
        }
    }

    fn offer(
        &mut self,
        roots: &Roots,
        address: Address,
        details: &[Kind],
        deadline: Instant,
    ) -> Result<Offer, CollectError> {
        if let Some(offer) = &self.offer {
            return Ok(offer.clone());
        }
        let offer = self
            .open(roots)
            .and_then(|umad| fabric::offer(umad, address, details, deadline));
        let offer = offer.map_err(|source| CollectError::Fabric {
            port: label(&self.device, self.port),
            source,
        })?;
        Ok(self.offer.insert(offer).clone())
    }

    /// The other end of the cable, with paths that begin so.
    fn remote(
        &mut self,
        roots: &Roots,
        prefix: &[u8],
        details: &[Kind],
        deadline: Instant,
    ) -> Result<Remote, CollectError> {
        let (here, number) = (label(&self.device, self.port), self.port);
        let peer = self
            .open(roots)
            .and_then(|umad| fabric::peer(umad, number, deadline));
        let peer = peer.map_err(|source| CollectError::Peer {
            port: here.clone(),
            source,
        })?;
        let Address { lid, number } = peer.address;
        let label = format!("{} port {number} (at {here})", peer.description);
        if lid == 0 {
            return Err(CollectError::Unreachable {
                port: label,
                why: NO_LID,
            });
        }
        let offer = self
            .open(roots)
            .and_then(|umad| fabric::offer(umad, peer.address, details, deadline));
        let offer = offer.map_err(|source| CollectError::Fabric {
            port: label.clone(),
            source,
        })?;
        let path = [prefix, b"remote."].concat();
        let key = format!("{:016x}:{number}", peer.guid);
        let mut listed = Listed::default();
        listed.take_from(&offer, Preference::Agent);
        let counters = Counters::new(label, (&path, &key), listed);
        Ok(Remote { peer, counters })
    }
}

impl Reach {
    /// The device of a port, if it is open.
    pub(super) fn umad(&mut self, device: &str, port: u8) -> Option<&mut Umad> {
        self.find(device, port)?.umad.as_mut()
    }

    /// To be opened anew, if need be.
    pub(super) fn close(&mut self, device: &str, port: u8) {
        if let Some(known) = self.find(device, port) {
            known.umad = None;
        }
    }

    fn find(&mut self, device: &str, port: u8) -> Option<&mut Reached> {
        let is = |known: &&mut Reached| known.port == port && known.device == device;
        self.0.iter_mut().find(is)
    }

    fn of(&mut self, port: &sysfs::Port) -> &mut Reached {
        let is = |known: &Reached| known.port == port.number && known.device == port.device;
        let place = self.0.iter().position(is).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(Reached {
                device: port.device.clone(),
                port: port.number,
                umad: None,
                offer: None,
            });
        }
        #[expect(clippy::indexing_slicing, reason = "found or pushed above")]
        &mut self.0[place]
    }
}

/// Whether what was wrong may be right the next time, so that it is worth listing anew.
fn may_pass(problem: &CollectError) -> bool {
    match problem {
        CollectError::Fabric { source, .. } | CollectError::Peer { source, .. } => {
            !matches!(source, UmadError::NoDevice { .. } | UmadError::Open { .. })
        }
        _ => false,
    }
}

fn label(device: &str, port: u8) -> String {
    format!("{device} port {port}")
}

impl Options {
    fn wanted_details(&self) -> &'static [Kind] {
        if self.details {
            &[Kind::PortRcvErrorDetails, Kind::PortXmitDiscardDetails]
        } else {
            &[]
        }
    }
}

impl Infiniband {
    /// Lists the ports anew, or says why there are none.
    pub(super) fn list(
        &mut self,
        problems: &mut Vec<CollectError>,
        deadline: Instant,
    ) -> Result<Option<String>, CollectError> {
        self.ports.clear();
        let class = sysfs::class(&self.roots.sys);
        let mut failures = Vec::new();
        let ports = sysfs::ports(&class, &mut failures)
            .map_err(|error| CollectError::read(&class, error))?;
        let Some(ports) = ports else {
            return Ok(Some(format!(
                "no InfiniBand device below {}",
                class.display()
            )));
        };
        let mut shown = Vec::new();
        for port in ports {
            let layer = port
                .link_layer()
                .map_err(|failure| failures.push(failure))
                .ok();
            if self.options.link_layer.is_none() || self.options.link_layer == layer {
                shown.push((port, layer));
            }
        }
        let mut devices: Vec<&str> = shown.iter().map(|(port, _)| port.device.as_str()).collect();
        devices.dedup();
        let with_device = match self.options.device_in_path {
            DeviceInPath::Always => true,
            DeviceInPath::Auto => devices.len() > 1,
            DeviceInPath::Never if devices.len() > 1 => {
                return Err(CollectError::PathsCollide {
                    path: class,
                    count: devices.len(),
                });
            }
            DeviceInPath::Never => false,
        };
        problems.extend(
            failures
                .into_iter()
                .map(|(path, error)| CollectError::from_file(&path, error)),
        );
        let (count, known) = (shown.len(), problems.len());
        for (number, (port, layer)) in shown.into_iter().enumerate() {
            let prefix = self.port_prefix(&port, with_device);
            let deadline = share(deadline, count - number);
            let port = self.attach((&port, layer), prefix, deadline, problems);
            self.ports.push(port);
        }
        let mut reasons = self.ports.iter().filter_map(|port| port.because.as_ref());
        let new = problems.get(known..).unwrap_or_default();
        self.is_provisional = reasons.any(may_pass) || new.iter().any(may_pass);
        Ok(self.ports.is_empty().then(|| {
            format!(
                "no port to show of the InfiniBand devices below {}",
                class.display()
            )
        }))
    }

    /// Decides where a port is read, and who is at the other end of its cable.
    fn attach(
        &mut self,
        (port, layer): (&sysfs::Port, Option<LinkLayer>),
        prefix: Vec<u8>,
        deadline: Instant,
        problems: &mut Vec<CollectError>,
    ) -> Port {
        let mut failures = Vec::new();
        let mut listed = Listed::of(port, &mut failures);
        let mut files = FactFiles::of(port, layer);
        let Options {
            source,
            remote: wants_remote,
            resets,
            ..
        } = self.options;
        let (roots, details) = (&self.roots, self.options.wanted_details());
        let reached = self.reach.of(port);
        let (mut wrong, mut offer, mut remote) = (None, None, None);
        let wants_offer = source != Source::Sysfs;
        let is_fabric = layer == Some(LinkLayer::InfiniBand);
        if is_fabric && (wants_offer || wants_remote || resets) {
            match reached.address(roots, &mut files, deadline) {
                Ok(address) => {
                    if wants_offer {
                        match reached.offer(roots, address, details, deadline) {
                            Ok(offered) => offer = Some(offered),
                            Err(error) => wrong = Some(error),
                        }
                    }
                    if wants_remote {
                        match reached.remote(roots, &prefix, details, deadline) {
                            Ok(found) => remote = Some(found),
                            Err(error) => problems.push(error),
                        }
                    }
                }
                Err(error) => {
                    offer = reached.offer.clone().filter(|_| wants_offer);
                    wrong = Some(error);
                }
            }
        }
        let preference = match source {
            Source::Umad => Preference::Agent,
            Source::Auto | Source::Sysfs => Preference::Files,
        };
        match &offer {
            Some(offer) => listed.take_from(offer, preference),
            None if source == Source::Umad && is_fabric => listed.keep_driver(),
            // When it can be asked it has more bits, and a series is of one width.
            None if source == Source::Auto && reached.umad.is_some() => listed.leave_out_narrow(),
            None => {}
        }
        if listed.is_empty() && failures.is_empty() {
            let none = io::Error::other("the port has no counters");
            failures.push((port.path.clone(), FileError::Io(none)));
        }
        problems.extend(
            failures
                .into_iter()
                .map(|(path, error)| CollectError::from_file(&path, error)),
        );
        let waits_for_link = matches!(wrong, Some(CollectError::Unreachable { .. }));
        // By default nobody asked for more than the files have.
        let is_asked = source == Source::Umad || wants_remote || resets;
        if is_asked || listed.is_empty() {
            problems.extend(wrong.take());
        }
        let key = format!("{}:{}", port.device, port.number);
        let label = label(&port.device, port.number);
        let counters = Counters::new(label, (&prefix, &key), listed);
        if !(counters.are_asked() || remote.is_some() || resets) {
            // An open device keeps its driver from being replaced.
            reached.umad = None;
        }
        Port {
            device: port.device.clone(),
            number: port.number,
            facts: files,
            counters,
            prefix,
            remote,
            because: wrong,
            waits_for_link,
            failures: Vec::new(),
        }
    }

    /// Scheme, device and port with the dot before the counter.
    fn port_prefix(&self, port: &sysfs::Port, with_device: bool) -> Vec<u8> {
        let mut prefix = self.prefix.clone();
        if with_device {
            prefix.extend_from_slice(graphite::sanitise(&port.device).as_bytes());
            prefix.push(b'.');
        }
        prefix.extend_from_slice(format!("port{}.", port.number).as_bytes());
        prefix
    }
}
