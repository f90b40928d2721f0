//! A message that a broker delivers, to an agent in safe mode that has no check with a command.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use venus_fuzz::{Agent, run};

fuzz_target!(|data: &[u8]| {
    let results = run(async {
        let agent = Agent::new();
        agent.runner.run_request(data);
        agent.runner.finished().await;
        agent.results().await
    });
    assert!(results.len() <= 1);
    let request: Value = serde_json::from_slice(data).unwrap_or_default();
    for result in results {
        // A name may have tokens.
        let has_tokens = request["name"].to_string().contains(":::");
        assert!(has_tokens || result.check["name"] == request["name"]);
        if request.get("command").is_some() {
            assert_eq!(result.check["status"], 3, "no command runs");
        }
    }
});
