//! check-uptime, check-file-descriptors, check-entropy, check-hugepages.

use crate::Host;

/// Each case with the file as it then is.
fn cases(check: &str, title: &str, file: &str, cases: &[(&str, &[&str], &str, i32)]) {
    let host = Host::new();
    for (text, args, line, status) in cases {
        host.write(file, text);
        host.says(check, args, &format!("{title} {line}"), *status);
    }
    host.remove(file);
    let (text, status) = host.check(check, &[]);
    let start = format!("{title} UNKNOWN: cannot read HOST/{file}: ");
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(status, 3);
    let (text, status) = host.check(check, &["-w", "x"]);
    assert!(text.contains("'x' for '--warning <N>'"), "{text}");
    assert_eq!(status, 3);
}

#[test]
fn uptime() {
    cases(
        "check-uptime",
        "CheckUptime",
        "proc/uptime",
        &[
            ("350735.47 1.00\n", &[], "OK: up for 4 d 1 h 25 min", 0),
            (
                "3700.00 1.00\n",
                &["--perfdata"],
                "OK: up for 1 h 1 min | 'uptime'=3700s;300:;;0",
                0,
            ),
            (
                "300.90 1.00\n",
                &[],
                "WARNING: up for 5 min, threshold 300 s",
                1,
            ),
            (
                "59.90 1.00\n",
                &["-c", "60"],
                "CRITICAL: up for 59 s, threshold 60 s",
                2,
            ),
            (
                "1e300 1\n",
                &[],
                "UNKNOWN: cannot understand HOST/proc/uptime: nothing is up for so long",
                3,
            ),
            (
                "59.90",
                &[],
                "UNKNOWN: cannot understand HOST/proc/uptime: line 1 is cut off",
                3,
            ),
        ],
    );
}

#[test]
fn file_descriptors() {
    let malformed = "UNKNOWN: cannot understand HOST/proc/sys/fs/file-nr: \
                     it is not three numbers, the second no more than the first, the last above 0";
    cases(
        "check-file-descriptors",
        "CheckFileDescriptors",
        "proc/sys/fs/file-nr",
        &[
            (
                "653\t0\t10000\n",
                &[],
                "OK: 653 of 10000 file descriptors used (6.53%)",
                0,
            ),
            (
                "8000\t0\t10000\n",
                &[],
                "WARNING: 8000 of 10000 file descriptors used (80%), threshold 80%",
                1,
            ),
            (
                "9000\t0\t10000\n",
                &[],
                "CRITICAL: 9000 of 10000 file descriptors used (90%), threshold 90%",
                2,
            ),
            ("653\t0\t0\n", &[], malformed, 3),
            ("653\t0\n", &[], malformed, 3),
            ("5\t9\t10\n", &[], malformed, 3),
        ],
    );
}

#[test]
fn entropy() {
    cases(
        "check-entropy",
        "CheckEntropy",
        "proc/sys/kernel/random/entropy_avail",
        &[
            ("256\n", &[], "OK: 256 bits of entropy at hand", 0),
            (
                "128\n",
                &[],
                "WARNING: 128 bits of entropy at hand, threshold 128",
                1,
            ),
            (
                "64\n",
                &[],
                "CRITICAL: 64 bits of entropy at hand, threshold 64",
                2,
            ),
            (
                "256",
                &[],
                "UNKNOWN: cannot understand HOST/proc/sys/kernel/random/entropy_avail: \
                 line 1 is cut off",
                3,
            ),
        ],
    );
}

#[test]
fn hugepages() {
    let pages = "HugePages_Total:      20\nHugePages_Free:        5\n";
    cases(
        "check-hugepages",
        "CheckHugepages",
        "proc/meminfo",
        &[
            (pages, &[], "OK: 15 of 20 huge pages used (75%)", 0),
            (
                pages,
                &["-w", "75"],
                "WARNING: 15 of 20 huge pages used (75%), threshold 75%",
                1,
            ),
            (
                pages,
                &["-w", "50", "-c", "75"],
                "CRITICAL: 15 of 20 huge pages used (75%), threshold 75%",
                2,
            ),
            (
                pages,
                &["--pages", "30"],
                "CRITICAL: 20 huge pages are reserved, expected 30",
                2,
            ),
            (
                "HugePages_Total: 0\nHugePages_Free: 0\n",
                &[],
                "OK: no huge pages are reserved",
                0,
            ),
            (
                "HugePages_Total: 1\n",
                &[],
                "UNKNOWN: cannot understand HOST/proc/meminfo: it has no HugePages_Free:",
                3,
            ),
        ],
    );
}
