//! Real parts that may be missing.

use std::path::Path;

/// The first of `paths` that exists. Where there is none, the test is to return
/// at once: it was SKIPPED, and the reason is printed. Where parts are required
/// (`VENUS_REQUIRE_PARTS=1`, as in CI), it fails instead.
#[must_use]
pub fn find(part: &str, paths: &[&'static str]) -> Option<&'static Path> {
    let mut all = paths.iter().copied().map(Path::new);
    let found = all.find(|path| path.exists());
    found.or_else(|| missing(&format!("{part} (none of {})", paths.join(", "))))
}

/// Something is missing that the test needs. It is to return at once, or fails
/// here, as in [`find`].
#[must_use]
pub fn missing<T>(what: &str) -> Option<T> {
    let required = std::env::var_os("VENUS_REQUIRE_PARTS").is_some_and(|value| value == "1");
    skip_or_fail(what, required)
}

fn skip_or_fail<T>(what: &str, required: bool) -> Option<T> {
    assert!(!required, "missing: {what}, and VENUS_REQUIRE_PARTS=1");
    eprintln!("SKIPPED: missing: {what}");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_there_is_found() {
        let shell = find("sh", &["/nonexistent/sh", "/bin/sh"]);
        assert_eq!(shell, Some(Path::new("/bin/sh")));
    }

    #[test]
    fn a_part_that_is_missing_skips_the_test() {
        assert_eq!(skip_or_fail::<()>("a part", false), None);
    }

    #[test]
    #[should_panic(expected = "missing: a part, and VENUS_REQUIRE_PARTS=1")]
    fn a_part_that_is_missing_fails_the_test_where_it_is_required() {
        assert_eq!(skip_or_fail::<()>("a part", true), None);
    }
}
