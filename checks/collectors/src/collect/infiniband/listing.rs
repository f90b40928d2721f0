//! Lists the ports, and decides where each is read.

use std::io;
use std::time::Instant;

use crate::collect::infiniband::counters::{Counters, Listed, Preference};
use crate::collect::infiniband::port::{Port, Remote, ask_facts, why_unreachable};
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

    fn offer(
        &mut self,
        roots: &Roots,
        files: &mut FactFiles,
        details: &[Kind],
        deadline: Instant,
    ) -> Result<Offer, CollectError> {
        if let Some(offer) = &self.offer {
            return Ok(offer.clone());
        }
        let (label, number) = (label(&self.device, self.port), self.port);
        let fabric = |source| CollectError::Fabric {
            port: label.clone(),
            source,
        };
        let umad = self.open(roots).map_err(fabric)?;
        let facts = ask_facts(umad, number, files, deadline).map_err(fabric)?;
        if let Some(why) = why_unreachable(&facts) {
            return Err(CollectError::Unreachable { port: label, why });
        }
        let address = Address {
            lid: facts.lid.unwrap_or_default(),
            number,
        };
        let offer = fabric::offer(umad, address, details, deadline).map_err(fabric)?;
        self.offer = Some(offer.clone());
        Ok(offer)
    }
}

impl Reach {
    /// The device of a port, if it is open.
    pub(super) fn umad(&mut self, device: &str, port: u8) -> Option<&mut Umad> {
        let known = self.0.iter_mut();
        let mut known = known.filter(|known| known.port == port && known.device == device);
        known.next()?.umad.as_mut()
    }

    /// To be opened anew.
    pub(super) fn forget(&mut self, device: &str, port: u8) {
        self.0
            .retain(|known| known.port != port || known.device != device);
    }

    fn of(&mut self, port: &sysfs::Port) -> &mut Reached {
        let known = |known: &Reached| known.port == port.number && known.device == port.device;
        let place = self.0.iter().position(known).unwrap_or(self.0.len());
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
        CollectError::Unreachable { .. } => true,
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
        let reasons = self.ports.iter().filter_map(|port| port.because.as_ref());
        // A port that is not in use has files to read, and may stay so for years.
        let mut reasons = reasons.filter(|why| !matches!(why, CollectError::Unreachable { .. }));
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
        let (mut because, mut offer) = (None, None);
        if self.options.source != Source::Sysfs && layer == Some(LinkLayer::InfiniBand) {
            let details = self.options.wanted_details();
            let reached = self.reach.of(port);
            match reached.offer(&self.roots, &mut files, details, deadline) {
                Ok(offered) => offer = Some(offered),
                Err(error) if self.options.source == Source::Umad => {
                    listed.keep_driver();
                    problems.push(error);
                }
                Err(error) if listed.is_empty() => problems.push(error),
                Err(error) => because = Some(error),
            }
        }
        if self.options.resets && self.options.source == Source::Sysfs {
            let opened = self.reach.of(port).open(&self.roots);
            problems.extend(opened.err().map(|source| CollectError::Fabric {
                port: label(&port.device, port.number),
                source,
            }));
        }
        if listed.is_empty() && offer.is_none() && failures.is_empty() {
            let none = io::Error::other("the port has no counters");
            failures.push((port.path.clone(), FileError::Io(none)));
        }
        problems.extend(
            failures
                .into_iter()
                .map(|(path, error)| CollectError::from_file(&path, error)),
        );
        let preference = match self.options.source {
            Source::Umad => Preference::Agent,
            Source::Auto | Source::Sysfs => Preference::Files,
        };
        let remote = if self.options.remote && layer == Some(LinkLayer::InfiniBand) {
            self.remote(port, &prefix, deadline, problems)
        } else {
            None
        };
        let offer = offer.as_ref().map(|offer| (offer, preference));
        let key = format!("{}:{}", port.device, port.number);
        Port {
            device: port.device.clone(),
            number: port.number,
            facts: files,
            counters: Counters::new(
                label(&port.device, port.number),
                (&prefix, &key),
                listed,
                offer,
            ),
            prefix,
            remote,
            because,
            failures: Vec::new(),
        }
    }

    /// The other end of the cable.
    fn remote(
        &mut self,
        port: &sysfs::Port,
        prefix: &[u8],
        deadline: Instant,
        problems: &mut Vec<CollectError>,
    ) -> Option<Remote> {
        match self.find_remote(port, prefix, deadline) {
            Ok(remote) => Some(remote),
            Err(source) => {
                problems.push(CollectError::Peer {
                    port: label(&port.device, port.number),
                    source,
                });
                None
            }
        }
    }

    fn find_remote(
        &mut self,
        port: &sysfs::Port,
        prefix: &[u8],
        deadline: Instant,
    ) -> Result<Remote, UmadError> {
        let details = self.options.wanted_details();
        let umad = self.reach.of(port).open(&self.roots)?;
        let peer = fabric::peer(umad, port.number, deadline)?;
        let offer = fabric::offer(umad, peer.address, details, deadline)?;
        let Address { number, .. } = peer.address;
        let label = format!(
            "{} port {number} (at {})",
            peer.description,
            label(&port.device, port.number)
        );
        let path = [prefix, b"remote."].concat();
        let key = format!("{:016x}:{number}", peer.guid);
        let offer = Some((&offer, Preference::Agent));
        let counters = Counters::new(label, (&path, &key), Listed::default(), offer);
        Ok(Remote { peer, counters })
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
