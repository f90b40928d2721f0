//! Where the faults happen: one network namespace with one broker, which belongs to one
//! test at a time.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::net::Ipv4Addr;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use venus_tests::network;
use venus_tests::part;
use venus_tests::rabbitmq::RabbitMq;
use venus_tests::room::run_here;

/// Where the broker listens besides: an address that another namespace may have a way to.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// More than there are tests.
const VHOSTS: usize = 40;

static PLACE: Mutex<Option<Place>> = Mutex::new(None);

/// The namespace.
struct Place {
    network: File,
    broker: RabbitMq,
}

/// How long a fault lasts: as long as the promise says, or shorter where a short selection
/// is wanted.
pub(crate) fn lasting(whole: u64, short: u64) -> Duration {
    Duration::from_secs(if is_whole() { whole } else { short })
}

/// Whether all of it is wanted.
pub(crate) fn is_whole() -> bool {
    std::env::var_os("VENUS_FAULTS").is_some_and(|value| value == "whole")
}

/// Runs a test in the namespace, with its broker running, while no other test does.
pub(crate) fn alone(test: impl FnOnce(&mut RabbitMq) + Send) {
    let mut place = PLACE.lock().unwrap_or_else(|poisoned| {
        // A test that failed may have left anything behind.
        PLACE.clear_poison();
        let mut place = poisoned.into_inner();
        *place = None;
        place
    });
    if place.is_none() {
        *place = network::in_its_own(make).flatten();
    }
    let Some(Place { network, broker }) = &mut *place else {
        return;
    };
    let done = thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(&*network, CloneFlags::CLONE_NEWNET).unwrap();
            test(broker);
        });
        inside.join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic));
}

fn make() -> Option<Place> {
    part::find("iptables", &["/usr/sbin/iptables"])?;
    run_here(&format!("ip addr add {ADDRESS}/32 dev lo"));
    let network = File::open("/proc/thread-self/ns/net").unwrap();
    let mut broker = RabbitMq::own_of(VHOSTS)?;
    broker.listen_at(ADDRESS);
    broker.launch();
    Some(Place { network, broker })
}
