//! Real parts that may be missing.

use std::path::Path;

/// The first of `paths` that exists. Where there is none, the test is to return
/// at once: it was SKIPPED, and the reason is printed. Where parts are required
/// (`VENUS_REQUIRE_PARTS=1`, as in CI), it fails instead.
#[must_use]
pub fn find(part: &str, paths: &[&'static str]) -> Option<&'static Path> {
    let required = std::env::var_os("VENUS_REQUIRE_PARTS").is_some_and(|value| value == "1");
    find_or_fail(part, paths, required)
}

fn find_or_fail(part: &str, paths: &[&'static str], required: bool) -> Option<&'static Path> {
    let mut all = paths.iter().copied().map(Path::new);
    let found = all.find(|path| path.exists());
    if found.is_none() {
        let reason = format!("{part} is missing (none of {})", paths.join(", "));
        assert!(!required, "{reason}, and VENUS_REQUIRE_PARTS=1");
        eprintln!("SKIPPED: {reason}");
    }
    found
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
