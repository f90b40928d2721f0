//! A management datagram that comes as an answer.

#![no_main]

use libfuzzer_sys::fuzz_target;
use venus_collectors::source::infiniband::mad::{
    BYTES, Class, Method, NoAnswer, Request, attribute,
};
use venus_collectors::source::infiniband::performance::{Capabilities, Kind};
use venus_collectors::source::infiniband::subnet::{NodeInfo, read_description, read_port};

fuzz_target!(|data: &[u8]| {
    let mut mad = [0; BYTES];
    for (place, byte) in mad.iter_mut().zip(data) {
        *place = *byte;
    }
    let performance = attribute(Class::Performance, &mad);
    let capabilities = Capabilities::read(performance);
    let fields = capabilities.fields(&Kind::ALL);
    // One of them, as all take their time.
    let field = fields[usize::from(mad[BYTES - 1]) % fields.len()];
    let value = field.value(performance);
    assert!(
        field.bits == 64 || value < 1 << field.bits,
        "{}",
        field.name
    );
    let subnet = attribute(Class::DirectedSubnet, &mad);
    let description = read_description(subnet);
    assert!(!description.contains(char::is_control) && description.chars().count() <= 64);
    let port = read_port(subnet);
    let names = [port.state_name(), port.phys_state_name(), port.speed_name()];
    assert!(names.iter().all(|name| !name.is_empty()));
    assert!(port.rate().is_none() || port.width.is_some());
    assert_eq!(u64::from(NodeInfo::read(subnet).port), subnet.bits(288, 8));
    for request in [
        Request::performance(Method::Get, 0x12),
        Request::directed(0x15, 1, &[1]),
    ] {
        let is_answer = request.check(1, &mad) != Err(NoAnswer::Other);
        assert!(!is_answer || mad[1] == request.class().number() && mad[12..16] == [0, 0, 0, 1]);
    }
});
