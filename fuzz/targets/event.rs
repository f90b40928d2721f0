//! What a handler reads from its standard input.

#![no_main]

use libfuzzer_sys::fuzz_target;
use venus_event::event::Event;

fuzz_target!(|data: &[u8]| {
    let Ok(event) = Event::from_json(data) else {
        return;
    };
    let again = Event::from_json(&serde_json::to_vec(&event).unwrap()).unwrap();
    let told = |event: &Event| {
        let names = [event.client_name(), event.check_name(), event.output()].map(str::to_owned);
        let counts = [event.occurrences, event.occurrences_watermark];
        let times = [event.timestamp, event.last_ok, event.last_state_change];
        let silenced = (event.silenced, event.silenced_by.clone());
        let rest = (
            event.subscriptions(),
            event.client_address().map(str::to_owned),
        );
        (
            names,
            counts,
            times,
            silenced,
            rest,
            event.status(),
            event.action,
            event.severity(),
        )
    };
    assert_eq!(told(&again), told(&event));
});
