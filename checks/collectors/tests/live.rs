//! What we read of this machine is what the procfs crate reads of it, where it holds still.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

mod trees;

use std::collections::BTreeSet;
use std::path::Path;

use procfs::{Current, CurrentSI};
use trees::collect;
use venus_collectors::source::kernel_file::{ATTRIBUTE_BYTES, KernelFile};
use venus_collectors::source::net_speed;

fn lines(collector: &str) -> Vec<(String, String)> {
    lines_with(collector, &[])
}

fn lines_with(collector: &str, options: &[(&str, &str)]) -> Vec<(String, String)> {
    let got = collect(&mut *trees::build(collector, Path::new("/"), "s", options));
    got.presence.unwrap();
    got.text
        .lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let path = fields.next().unwrap().strip_prefix("s.").unwrap();
            (path.to_owned(), fields.next().unwrap().to_owned())
        })
        .collect()
}

fn value(lines: &[(String, String)], path: &str) -> u64 {
    let found = lines.iter().find(|(of, _)| of == path);
    found
        .unwrap_or_else(|| panic!("no {path}"))
        .1
        .parse()
        .unwrap()
}

#[test]
fn processors_and_boot() {
    let ours = lines("metrics-cpu");
    let theirs = procfs::KernelStats::current().unwrap();
    assert_eq!(value(&ours, "btime"), theirs.btime);
    assert_eq!(
        value(&ours, "cpu_count"),
        u64::try_from(theirs.cpu_time.len()).unwrap()
    );
    let (then, now) = (value(&ours, "total.user"), theirs.total.user);
    assert!(now >= then && now - then < 1000, "{then} {now}");
    let (then, now) = (value(&ours, "ctxt"), theirs.ctxt);
    assert!(now >= then, "{then} {now}");
}

#[test]
fn memory() {
    let ours = lines("metrics-memory");
    let theirs = procfs::Meminfo::current().unwrap();
    assert_eq!(value(&ours, "total"), theirs.mem_total);
    assert_eq!(value(&ours, "swapTotal"), theirs.swap_total);
    assert_eq!(
        ours.iter().any(|(path, _)| path == "available"),
        theirs.mem_available.is_some()
    );
}

#[test]
fn load() {
    let ours = lines("metrics-load");
    let theirs = procfs::LoadAverage::current().unwrap();
    let fifteen: f32 = ours[2].1.parse().unwrap();
    assert!((fifteen - theirs.fifteen).abs() < 0.5);
}

#[test]
fn a_process() {
    let mut sleep = std::process::Command::new("sleep");
    let mut sleep = sleep.arg("987.25").spawn().unwrap();
    let theirs = procfs::process::Process::new(sleep.id().cast_signed()).unwrap();
    // Until it is that program, it is still a copy of this one.
    while theirs.cmdline().unwrap() != ["sleep", "987.25"] {
        std::thread::yield_now();
    }
    let pattern = ("pattern", "^sleep 987\\.25$");
    let ours = lines_with("metrics-process", &[pattern]);
    let files = theirs.fd_count().unwrap();
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert_eq!(value(&ours, "matching.total_processes"), 1);
    assert_eq!(value(&ours, "matching.threads"), 1);
    assert_eq!(value(&ours, "matching.fds"), u64::try_from(files).unwrap());
    assert!(value(&ours, "matching.memory.vms") > value(&ours, "matching.memory.rss"));
    assert!(value(&ours, "process_count") > 1);
    assert!(value(&ours, "thread_count") >= value(&ours, "process_count"));
}

#[test]
fn interfaces() {
    let ours: BTreeSet<String> = lines("metrics-net")
        .iter()
        .filter_map(|(path, _)| path.strip_suffix(".rx_bytes").map(str::to_owned))
        .collect();
    let mut theirs: BTreeSet<String> = procfs::net::dev_status().unwrap().into_keys().collect();
    theirs.remove("lo");
    assert_eq!(ours, theirs);
}

/// A file of procfs is made anew for each read of the same open file.
#[test]
fn an_open_kernel_file_is_read_anew() {
    let path = Path::new("/proc/thread-self/comm");
    let mut file = KernelFile::new(path.to_owned());
    let mut buffer = Vec::new();
    for name in ["venus-a", "venus-bcd", "v"] {
        std::fs::write(path, name).unwrap();
        let read = file.read(&mut buffer).unwrap();
        assert_eq!(str::from_utf8(read).unwrap(), format!("{name}\n"));
    }
}

/// The loopback interface has no speed: the kernel refuses the read with EINVAL.
#[test]
fn a_refused_read_is_no_speed() {
    let path = Path::new("/sys/class/net/lo/speed");
    assert_eq!(net_speed::read(path).unwrap(), None);
    let mut file = KernelFile::new(path.to_owned());
    for _ in 0..2 {
        let error = file.read_attribute(&mut [0; ATTRIBUTE_BYTES]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
