//! Real parts that may be missing.

use std::path::Path;

/// The first of `paths` that exists. Where there is none, the test is to return
/// at once: it was SKIPPED, and the reason is printed. Where parts are required
/// (`VENUS_REQUIRE_PARTS=1`, as in CI), it fails instead.
#[must_use]
pub fn find(part: &str, paths: &[&'static str]) -> Option<&'static Path> {
    let found = paths
        .iter()
        .copied()
        .map(Path::new)
        .find(|path| path.exists());
    if found.is_none() {
        let reason = format!("{part} is missing (none of {})", paths.join(", "));
        let required = std::env::var_os("VENUS_REQUIRE_PARTS").is_some_and(|value| value == "1");
        assert!(!required, "{reason}, and VENUS_REQUIRE_PARTS=1");
        eprintln!("SKIPPED: {reason}");
    }
    found
}
