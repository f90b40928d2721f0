//! The metrics that are twins of the host's checks, on files of the test's own.

use crate::Host;

#[test]
fn each_says_what_its_check_looks_at() {
    let host = Host::with(&[
        ("proc/uptime", "86400.55 1.0\n"),
        ("proc/sys/fs/file-nr", "2144\t0\t9223372036854775807\n"),
        ("proc/sys/kernel/random/entropy_avail", "256\n"),
        ("proc/meminfo", "HugePages_Total:  8\nHugePages_Free:   5\n"),
        (
            "proc/mdstat",
            "Personalities : [raid1]\nmd0 : active raid1 sdb1[1] sda1[0](F)\n      \
             1 blocks super 1.2 [2/1] [_U]\nmd127 : inactive sdc[0](S)\n      \
             1 blocks super external:imsm\n",
        ),
    ]);
    for (metrics, lines) in [
        ("metrics-uptime", &["seconds 86400"][..]),
        (
            "metrics-file-descriptors",
            &["used 2144", "max 9223372036854775807"],
        ),
        ("metrics-entropy", &["available 256"]),
        ("metrics-hugepages", &["used 3", "total 8"]),
        (
            "metrics-mdraid",
            &[
                "md0.active 1",
                "md0.failed 1",
                "md0.members 2",
                "md0.working 1",
            ],
        ),
    ] {
        let output = host.command(metrics, &["--scheme", "s"]).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let text = String::from_utf8(output.stdout).unwrap();
        let got: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix("s.").unwrap().rsplit_once(' ').unwrap().0)
            .collect();
        assert_eq!(got, lines, "{metrics}");
    }
    host.write("proc/uptime", "x\n");
    let output = host.command("metrics-uptime", &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("metrics-uptime: cannot understand "),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(3));
}
