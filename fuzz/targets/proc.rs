//! A file of /proc or /sys; the first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::hint::black_box;
use venus_collectors::source::{
    cgroup, cgroup_path, counts, cpu_online, loadavg, meminfo, mounts, namespaces, net_dev, nfs,
    process, stat, text,
};

fuzz_target!(|data: &[u8]| {
    let Some((which, file)) = data.split_first() else {
        return;
    };
    let is_read = match which {
        b'a' => stat::parse(file, |entry| {
            black_box(entry);
        })
        .is_ok(),
        b'b' => meminfo::MemInfo::parse(file).is_ok_and(|memory| {
            let used = memory.used_without_caches();
            assert!(used.is_err() || used <= Ok(memory.total));
            assert!(memory.swap_used().is_err() || memory.swap_used() <= Ok(memory.swap_total));
            true
        }),
        b'c' => loadavg::parse(file).is_ok_and(|averages| {
            assert!(averages.iter().all(|one| one.tasks >= 0.0));
            true
        }),
        b'd' => net_dev::parse(file, |name, counters| {
            assert!(!name.is_empty());
            assert_eq!(counters.of_the_other_end().of_the_other_end(), counters);
        })
        .is_ok(),
        b'e' => nfs::mounts(file, |told| {
            black_box(told);
        })
        .is_ok(),
        b'f' => nfs::rows(file, |_, columns| nfs::counted(columns, |_, _| {})).is_ok(),
        b'g' => counts::parse(file, |name, _| assert!(counts::is_name(name.as_bytes()))).is_ok(),
        b'h' => cpu_online::parse(file).is_ok(),
        b'i' => process::Stat::parse(file).is_ok(),
        b'j' => process::uptime(file).is_ok_and(|seconds| {
            assert!(seconds.is_finite() && seconds >= 0.0);
            true
        }),
        b'k' => cgroup::keyed(file, ["usage_usec", "user_usec"]).is_ok(),
        b'l' => cgroup::limit(file).is_ok() || cgroup::limit_v1(file).is_ok(),
        b'm' => cgroup::io_stat(file).is_ok(),
        b'n' => cgroup::blkio(file).is_ok(),
        b'o' => mounts::parse(file).is_ok_and(|mounts| {
            mounts.iter().for_each(|mount| {
                black_box(mount.may_hang());
            });
            // A table that somebody writes may end without a newline.
            false
        }),
        b'p' => mounts::parse_fstab(file).is_ok_and(|_| false),
        b'q' => text::only_decimal(file).is_ok(),
        _ => {
            let path = String::from_utf8_lossy(file);
            black_box(cgroup_path::owners(&path));
            black_box(namespaces::name_in(&path, 2));
            return;
        }
    };
    assert!(
        !is_read || file.is_empty() || file.ends_with(b"\n"),
        "what is cut off is not read"
    );
});
