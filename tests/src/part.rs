//! Real parts that may be missing.

use std::path::{Path, PathBuf};

/// The first of `paths` that exists. Where there is none, the test is to return
/// at once: it was SKIPPED, and the reason is printed. Where parts are required
/// (`VENUS_REQUIRE_PARTS=1`, as in CI), it fails instead.
#[must_use]
pub fn find(part: &str, paths: &[&'static str]) -> Option<&'static Path> {
    find_or_fail(part, paths, is_required())
}

fn find_or_fail(part: &str, paths: &[&'static str], required: bool) -> Option<&'static Path> {
    let mut all = paths.iter().copied().map(Path::new);
    all.find(|path| path.exists()).or_else(|| {
        let reason = format!("{part} is missing (none of {})", paths.join(", "));
        skip(&reason, required)
    })
}

/// Where `tests/run` keeps what it makes once: in the user's cache.
#[must_use]
pub fn cached(name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).unwrap_or_default();
    cache.join("venus").join(name)
}

/// The test is to return at once, or fails, because of something else than a file.
#[must_use]
pub fn missing<T>(what: &str) -> Option<T> {
    skip(&format!("{what} is missing"), is_required())
}

fn is_required() -> bool {
    std::env::var_os("VENUS_REQUIRE_PARTS").is_some_and(|value| value == "1")
}

fn skip<T>(reason: &str, required: bool) -> Option<T> {
    assert!(!required, "{reason}, and VENUS_REQUIRE_PARTS=1");
    eprintln!("SKIPPED: {reason}");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: [&str; 1] = ["/nonexistent/part"];

    #[test]
    fn a_part_that_is_missing_skips_the_test() {
        assert_eq!(find_or_fail("a part", &NOWHERE, false), None);
        let shell = find_or_fail("sh", &["/nonexistent/sh", "/bin/sh"], true);
        assert_eq!(shell, Some(Path::new("/bin/sh")));
    }

    #[test]
    #[should_panic(expected = "a part is missing (none of /nonexistent/part)")]
    fn a_part_that_is_missing_fails_the_test_where_it_is_required() {
        assert_eq!(find_or_fail("a part", &NOWHERE, true), None);
    }
}
