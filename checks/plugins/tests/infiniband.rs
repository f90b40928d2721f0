//! check-infiniband on trees of files, which is where width and speed can be told; on a fabric it is
//! tested end to end.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A host with one port, Active at 4X QDR, whose files a test may change.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/infiniband/single/sys");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(from)
            .arg(dir.path())
            .status();
        assert!(copied.unwrap().success());
        Self(dir)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn write(&self, file: &str, text: &str) {
        let port = self.path("sys/class/infiniband/mlx4_0/ports/1");
        fs::write(port.join(file), format!("{text}\n")).unwrap();
    }

    /// What it prints, and how it ends.
    fn check(&self, args: &[&str]) -> (String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_venus-checks"));
        command.arg("check-infiniband").args(args);
        command.arg("--sys-path").arg(self.path("sys"));
        command.arg("--state-dir").arg(self.path("state"));
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().next().unwrap();
        (line.to_owned(), output.status.code().unwrap())
    }
}

fn line(status: &str, what: &str) -> String {
    format!("CheckInfiniBand {status}: {what}")
}

#[test]
fn a_port_that_is_as_it_should_be_is_ok() {
    let host = Host::new();
    let first = "mlx4_0 port 1 is Active at 4X QDR, counters read for the first time";
    let expected = ["--port", "mlx4_0:1", "--width", "4X", "--speed", "qdr"];
    assert_eq!(host.check(&expected), (line("OK", first), 0));
    let then = "mlx4_0 port 1 is Active at 4X QDR, 0 errors in 1 min";
    let (text, status) = host.check(&expected);
    assert_eq!((text, status), (line("OK", then), 0));
}

#[test]
fn a_cable_that_trained_down_is_critical() {
    let host = Host::new();
    host.write("rate", "10 Gb/sec (1X QDR)");
    let narrow = "mlx4_0 port 1 runs at 1X QDR, expected 4X QDR";
    for args in [&["--width", "4X"][..], &["--width", "4X", "--speed", "QDR"]] {
        assert_eq!(host.check(args), (line("CRITICAL", narrow), 2));
    }
    host.write("rate", "20 Gb/sec (4X DDR)");
    let slow = "mlx4_0 port 1 runs at 4X DDR, expected 4X QDR";
    assert_eq!(host.check(&["--speed", "QDR"]), (line("CRITICAL", slow), 2));
    assert_eq!(host.check(&[]).1, 0, "nothing else was expected");
}

#[test]
fn a_port_that_is_down_or_gone_is_critical() {
    let host = Host::new();
    let gone = line("CRITICAL", "mlx4_0 port 2 is not there");
    assert_eq!(host.check(&["--port", "mlx4_0:2"]), (gone, 2));
    host.write("state", "1: DOWN");
    host.write("phys_state", "2: Polling");
    let down = line(
        "CRITICAL",
        "mlx4_0 port 1 is Down (Polling), expected Active",
    );
    assert_eq!(host.check(&["--width", "4X"]), (down.clone(), 2));
    assert_eq!(host.check(&["--port", "mlx4_0:1"]), (down, 2));
    assert_eq!(host.check(&["--state", "down"]).1, 0);
}

#[test]
fn errors_are_judged_and_a_reset_is_none() {
    let host = Host::new();
    let symbol = "counters/symbol_error";
    host.write(symbol, "100");
    assert_eq!(host.check(&[]).1, 0);
    host.write(symbol, "244");
    assert_eq!(host.check(&[]).1, 0, "one bit in 10^12");
    host.write(symbol, "245");
    let (text, status) = host.check(&[]);
    let warning = "mlx4_0 port 1 counted 145 SymbolErrorCounter in 1 min, expected ~:144";
    assert_eq!((text, status), (line("WARNING", warning), 1));
    host.write(symbol, "0");
    assert_eq!(host.check(&[]).1, 1, "what was counted before the reset");
    assert_eq!(host.check(&["-w", "200", "-c", "300"]).1, 0);
    assert_eq!(host.check(&["-c", "100"]).1, 2);
    host.write("counters/link_downed", "1");
    let (text, status) = host.check(&["-w", "200"]);
    assert_eq!(status, 1);
    assert!(
        text.contains("mlx4_0 port 1 went down 1 time in "),
        "{text}"
    );
}

#[test]
fn a_counter_that_has_stopped_is_not_silence() {
    let host = Host::new();
    host.write("counters/link_downed", "255");
    let stopped = "mlx4_0 port 1 cannot count LinkDownedCounter any more, which has stopped at 255: \
                   reset it";
    for _ in 0..2 {
        assert_eq!(host.check(&[]), (line("WARNING", stopped), 1));
    }
    host.write("counters/link_downed", "0");
    assert_eq!(host.check(&[]).1, 0);
}

#[test]
fn figures_are_printed_when_asked() {
    let host = Host::new();
    host.check(&[]);
    let (text, _) = host.check(&["--perfdata"]);
    for figure in [
        " 'mlx4_0:1 SymbolErrorCounter'=0;~:144;~:1440;0 ",
        " 'mlx4_0:1 LinkDownedCounter'=0;;;0 ",
    ] {
        assert!(text.contains(figure), "{text}");
    }
}

#[test]
fn what_cannot_be_told_is_unknown() {
    let host = Host::new();
    fs::remove_dir_all(host.path("sys/class/infiniband")).unwrap();
    let (text, status) = host.check(&[]);
    assert!(
        text.starts_with(&line("UNKNOWN", "no InfiniBand device below ")),
        "{text}"
    );
    assert_eq!(status, 3);
    let gone = line("CRITICAL", "mlx4_0 port 1 is not there");
    assert_eq!(host.check(&["--port", "mlx4_0:1"]), (gone, 2));

    let host = Host::new();
    for folder in ["counters", "counters_ext"] {
        fs::remove_dir_all(
            host.path("sys/class/infiniband/mlx4_0/ports/1")
                .join(folder),
        )
        .unwrap();
    }
    let unread = line("UNKNOWN", "mlx4_0 port 1: no counters could be read");
    assert_eq!(host.check(&[]), (unread, 3));

    let host = Host::new();
    fs::write(host.path("state"), "in the way").unwrap();
    let (text, status) = host.check(&[]);
    assert!(
        text.starts_with(&line("UNKNOWN", "cannot read the state file ")),
        "{text}"
    );
    assert_eq!(status, 3);

    for (args, why) in [
        (["--width", "3X"], "use 1X, 2X, 4X, 8X or 12X"),
        (
            ["--port", "mlx4_0"],
            "use a device and a port, as in mlx4_0:1",
        ),
        (
            ["--speed", "fast"],
            "use one of SDR, DDR, QDR, FDR, EDR, HDR, NDR",
        ),
    ] {
        let (text, status) = host.check(&args);
        assert!(
            text.starts_with("CheckInfiniBand UNKNOWN: ") && text.contains(why),
            "{text}"
        );
        assert_eq!(status, 3);
    }
    let (text, status) = host.check(&["--warning=90", "--critical=80"]);
    assert!(text.contains("upside down"), "{text}");
    assert_eq!(status, 3);
}
