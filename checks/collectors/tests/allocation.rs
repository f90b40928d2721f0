//! What is steady does not allocate: the second collection and those after it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]
#![allow(
    unsafe_code,
    reason = "a counting allocator can only be had by implementing GlobalAlloc"
)]

mod trees;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use trees::{CASES, NOW};
use venus_collectors::Presence;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: each call is passed on to the system's allocator as it came. The count is a plain
// thread-local without a destructor, so that reaching it neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`, by `alloc` or `realloc` here.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as for `dealloc`; the caller keeps the contract on size.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn only_the_first_collection_allocates() {
    for case in CASES {
        let (_copy, mut collector) = case.on_a_copy();
        let (mut out, mut problems) = (Vec::with_capacity(64 * 1024), Vec::new());
        let (mut steady, mut announced) = (0, 0);
        for time in 0..5 {
            out.clear();
            let now = NOW + 10 * time;
            // One that looks around anew says so before.
            let is_steady = !collector.may_wait(now);
            let before = ALLOCATIONS.get();
            let presence = collector.collect(now, &mut out, &mut problems);
            let allocated = ALLOCATIONS.get() - before;
            assert!(matches!(presence, Ok(Presence::Here)));
            assert!(!out.is_empty());
            // Or each time, as drivers may be slow: then it does not look around.
            announced += u64::from(!is_steady);
            let always_says_so = announced > time && time > 1;
            if time > 0 && (is_steady || always_says_so) {
                steady += 1;
                assert_eq!(
                    allocated, 0,
                    "{} {:?}, collection {time}",
                    case.collector, case.options
                );
            }
        }
        assert!(steady >= 3, "{} is hardly ever steady", case.collector);
    }
}

/// The same on this machine's own interfaces, whatever they are.
#[test]
fn nor_does_naming_by_container() {
    let options = [
        ("name-by", "container"),
        ("docker-host", "unix:///nonexistent/docker.sock"),
    ];
    let mut collector = trees::build("metrics-net", Path::new("/"), "s", &options);
    let (mut out, mut problems) = (Vec::with_capacity(1 << 20), Vec::with_capacity(64));
    for time in 0..10 {
        out.clear();
        let is_steady = !collector.may_wait(NOW + time);
        let before = ALLOCATIONS.get();
        let presence = collector.collect(NOW + time, &mut out, &mut problems);
        let allocated = ALLOCATIONS.get() - before;
        // A machine without an interface says so in words.
        if is_steady && matches!(presence, Ok(Presence::Here)) {
            assert_eq!(allocated, 0, "collection {time}");
        }
    }
    assert!(!collector.may_wait(NOW + 11), "it is never steady");
}
