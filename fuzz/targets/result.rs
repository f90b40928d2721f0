//! A result, or an array of them, as somebody on the node hands it in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use venus_agent::local::result::{NoMessage, read};

const NOW: u64 = 1_795_000_000;

fuzz_target!(|data: &[u8]| {
    let message = match read(data, NOW) {
        Ok(message) => message,
        Err(NoMessage::Unfinished) => return,
        Err(NoMessage::Invalid(why)) => return assert!(!why.is_empty()),
    };
    for result in &message.results {
        assert!(result["name"].is_string() && result["output"].is_string());
        assert!(result["status"].is_i64() || result["status"].is_u64());
        assert_eq!(result["issued"], NOW);
    }
    let text = json!(message.results).to_string();
    let again = read(text.as_bytes(), NOW).unwrap();
    assert_eq!(again.results.len(), message.results.len());
    assert_eq!(again.problem, None);
});
