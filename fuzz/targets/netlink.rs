//! A datagram of the kernel's with the interfaces of a namespace.

#![no_main]

use libfuzzer_sys::fuzz_target;
use venus_collectors::source::rtnetlink::{link, messages};

fuzz_target!(|data: &[u8]| {
    let mut bytes = 0;
    for message in messages(data) {
        bytes += 16 + message.payload.len();
        if let Some(link) = link(message.payload) {
            assert!(!link.name.is_empty() && !link.name.contains(&0));
        }
    }
    assert!(bytes <= data.len(), "no byte is read twice");
    drop(link(data));
});
