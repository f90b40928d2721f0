//! Settings files, one after the other with a null byte between: merged, then read into types.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use venus_agent::settings::Settings;
use venus_event::redact;
use venus_settings::merge;

fuzz_target!(|data: &[u8]| {
    let mut merged = Map::new();
    for file in data.split(|byte| *byte == 0) {
        let Ok(Value::Object(file)) = serde_json::from_slice(file) else {
            continue;
        };
        merge(&mut merged, file.clone());
        let once = merged.clone();
        merge(&mut merged, file);
        assert_eq!(merged, once, "a file that is read twice changes nothing");
    }
    match Settings::compile(merged, Vec::new()) {
        Ok(settings) => {
            let keys = &settings.client.redact;
            let shown = redact::shown(&settings.merged, keys);
            // Of keys. In a text, what one secret was hidden with may have ended another.
            assert_eq!(redact::redacted(&shown, keys), shown, "nothing was left");
            let again = Settings::compile(settings.merged.clone(), Vec::new());
            assert_eq!(again.unwrap().merged, settings.merged);
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }
});
