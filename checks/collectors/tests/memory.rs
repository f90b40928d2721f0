//! metrics-memory on kernels that differ from the fixtures.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

mod trees;

use std::fs;

use trees::{NOW, collect};

fn on(meminfo: &str) -> trees::Collected {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("proc")).unwrap();
    fs::write(tree.path().join("proc/meminfo"), meminfo).unwrap();
    collect(&mut *trees::build("metrics-memory", tree.path(), "m", &[]))
}

const OLD: &str = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n\
    SwapTotal: 50 kB\nSwapFree: 40 kB\nDirty: 1 kB\n";

#[test]
fn without_available_it_is_reckoned_from_buffers_and_caches() {
    let got = on(OLD);
    let expected: String = [
        ("total", 1_024_000),
        ("free", 102_400),
        ("buffers", 20_480),
        ("cached", 307_200),
        ("swapTotal", 51_200),
        ("swapFree", 40_960),
        ("dirty", 1_024),
        ("swapUsed", 10_240),
        ("used", 921_600),
        ("usedWOBuffersCaches", 593_920),
        ("freeWOBuffersCaches", 430_080),
    ]
    .map(|(name, value)| format!("m.{name} {value} {NOW}\n"))
    .concat();
    assert_eq!(got.text, expected);
}

#[test]
fn what_contradicts_itself_is_left_out_and_said() {
    let got = on(&OLD.replace("SwapFree: 40", "SwapFree: 60"));
    assert!(!got.text.contains("swapUsed"));
    assert!(got.text.contains("m.used 921600 "));
    assert_eq!(got.problems.len(), 1);
    assert!(
        got.problems[0]
            .ends_with("/proc/meminfo: SwapFree exceeds SwapTotal; swapUsed is left out")
    );
}

/// Fields that no machine has: nothing overflows, and what cannot be told is left out.
#[test]
fn fields_beyond_any_memory_are_left_out() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("proc")).unwrap();
    let most = u64::MAX / 1024;
    let meminfo = OLD
        .replace("Buffers: 20", &format!("Buffers: {most}"))
        .replace("Cached: 300", &format!("Cached: {most}"));
    fs::write(tree.path().join("proc/meminfo"), meminfo).unwrap();
    for name in ["metrics-memory", "metrics-memory-percent"] {
        let got = collect(&mut *trees::build(name, tree.path(), "m", &[]));
        assert!(got.text.contains("m.swapUsed "), "{name}");
        assert!(!got.text.contains("WOBuffersCaches"), "{name}");
        assert_eq!(got.problems.len(), 2, "{name}: {:?}", got.problems);
    }
}
