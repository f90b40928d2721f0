//! The real binary: what it prints, what it says when something is wrong, how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use venus_checks::check;
use venus_collectors::registry;

const BINARY: &str = env!("CARGO_BIN_EXE_venus-checks");

fn metrics() -> Vec<&'static str> {
    registry::all().iter().map(|spec| spec.name).collect()
}

/// The three tables, in the order of the list.
fn commands() -> Vec<&'static str> {
    let services = venus_checks::metrics::all().iter().map(|one| one.name);
    let checks = check::all().iter().map(|check| check.name);
    metrics()
        .into_iter()
        .chain(services)
        .chain(checks)
        .collect()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn run(args: &[&str]) -> Output {
    Command::new(BINARY).args(args).output().unwrap()
}

/// Runs a metric on a fixture tree.
fn on(tree: &str, args: &[&str]) -> Output {
    let tree = fixtures().join(tree);
    let mut command = Command::new(BINARY);
    command.args(args);
    command.arg("--proc-path").arg(tree.join("proc"));
    command.arg("--sys-path").arg(tree.join("sys"));
    command.output().unwrap()
}

fn out(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    venus_collectors::graphite::sanitise(name.trim_end())
}

/// It ended with `code`, nothing on stdout, and this line on stderr.
fn assert_says(output: &Output, code: i32, line: &str) {
    assert_eq!(err(output), format!("{line}\n"));
    assert_eq!((output.status.code(), out(output)), (Some(code), ""));
}

/// The lines with their time stamp replaced by `@TS@`, as the expected outputs have it.
fn unstamped(text: &str) -> String {
    text.lines()
        .map(|line| {
            let (rest, stamp) = line.rsplit_once(' ').unwrap();
            assert!(stamp.parse::<u64>().unwrap() > 1_700_000_000, "{line}");
            format!("{rest} @TS@\n")
        })
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn prints_the_expected_lines() {
    for (tree, metric, scheme) in [
        ("plugins/venus001", "metrics-cpu", "venus001.cpu"),
        ("plugins/venus001", "metrics-load", "venus001"),
        ("plugins/vm", "metrics-memory", "venus001.memory"),
        ("plugins/vm", "metrics-net", "venus001.net"),
        ("infiniband", "metrics-infiniband", "venus001.infiniband"),
    ] {
        let got = on(tree, &[metric, "--scheme", scheme]);
        let expected = fixtures().join(format!("{tree}/expected/{metric}.txt"));
        let expected = fs::read_to_string(expected).unwrap();
        assert_eq!(unstamped(out(&got)), expected.split_once('\n').unwrap().1);
        assert_eq!((err(&got), got.status.code()), ("", Some(0)));
    }
}

#[test]
fn the_default_scheme_is_the_hosts_name() {
    for (metric, first) in [
        ("metrics-cpu", ".cpu.total.user "),
        ("metrics-load", ".load_avg.one "),
        ("metrics-memory", ".memory.total "),
        ("metrics-net", ".net.docker0.tx_packets "),
    ] {
        let got = on("plugins/venus001", &[metric]);
        let start = format!("{}{first}", host());
        assert!(out(&got).starts_with(&start), "{}", out(&got));
    }
}

#[test]
fn options_reach_the_collector() {
    let net = on(
        "plugins/vm",
        &["metrics-net", "-s", "n", "-i", "eth|veth", "-I", "^veth"],
    );
    assert!(out(&net).starts_with("n.eth0.tx_packets ") && !out(&net).contains("veth"));
    let load = on(
        "plugins/vm",
        &["metrics-load", "-s", "x", "-s", "l", "--per-core"],
    );
    assert!(out(&load).starts_with("l.load_avg.one ") && !out(&load).contains("12.94"));
    let one = on(
        "infiniband",
        &["metrics-infiniband", "-s", "i", "--link-layer", "ethernet"],
    );
    assert!(out(&one).starts_with("i.port1.SymbolErrorCounter 0 "));
}

#[test]
fn a_link_called_like_a_command_is_that_command() {
    let folder = tempfile::tempdir().unwrap();
    let tree = fixtures().join("plugins/vm");
    let link = folder.path().join("metrics-load");
    symlink(BINARY, &link).unwrap();
    let got = Command::new(&link)
        .args(["-s", "venus001", "--proc-path"])
        .arg(tree.join("proc"))
        .output()
        .unwrap();
    assert!(
        out(&got).starts_with("venus001.load_avg.one 12.94 "),
        "{}",
        err(&got)
    );
    let got = Command::new(&link).arg("metrics-cpu").output().unwrap();
    assert_says(
        &got,
        3,
        "metrics-load: unexpected argument 'metrics-cpu' found; see metrics-load --help",
    );

    // Only the exact name counts.
    let other = folder.path().join("my-metrics-load");
    symlink(BINARY, &other).unwrap();
    let got = Command::new(&other).arg("list").output().unwrap();
    assert!(out(&got).starts_with("metrics-cpu "), "{}", err(&got));
}

#[test]
fn bad_arguments_are_one_line_and_exit_3() {
    for (args, line) in [
        (
            &["metrics-nothing"][..],
            "venus-checks: unrecognized subcommand 'metrics-nothing'; see venus-checks --help",
        ),
        (
            &["metrics-cpu", "--colour"],
            "venus-checks metrics-cpu: unexpected argument '--colour' found; see venus-checks metrics-cpu --help",
        ),
        (
            &["metrics-cpu", "-s", "a b"],
            "venus-checks metrics-cpu: invalid value 'a b' for '--scheme <SCHEME>': the scheme has ' ' at \
             position 2, which Graphite cannot take in a path; see venus-checks metrics-cpu --help",
        ),
        (
            &["metrics-cpu", "--scheme="],
            "venus-checks metrics-cpu: invalid value '' for '--scheme <SCHEME>': the scheme is empty; \
             leave it out to have the host name; see venus-checks metrics-cpu --help",
        ),
        (
            &["metrics-infiniband", "--link-layer", "x"],
            "venus-checks metrics-infiniband: invalid value 'x' for '--link-layer <LAYER>' \
             [possible values: all, infiniband, ethernet]; see venus-checks metrics-infiniband --help",
        ),
        (
            &["install"],
            "venus-checks: the following required arguments were not provided: <DIR>; see venus-checks --help",
        ),
    ] {
        assert_says(&run(args), 3, line);
    }
    let got = run(&["metrics-net", "-i", "("]);
    assert!(err(&got).starts_with("metrics-net: option 'include-device' cannot be '(': "));
    assert_eq!((err(&got).lines().count(), got.status.code()), (1, Some(3)));
    let got = run(&[]);
    assert_eq!(
        err(&got),
        "venus-checks: no command given; see venus-checks list, or --help\n"
    );
    assert_eq!((err(&got).lines().count(), got.status.code()), (1, Some(3)));
}

#[test]
fn a_collector_that_fails_is_one_line_and_exit_3() {
    for (metric, file) in [
        ("metrics-cpu", "stat"),
        ("metrics-load", "loadavg"),
        ("metrics-memory", "meminfo"),
        ("metrics-net", "net/dev"),
    ] {
        let got = run(&[metric, "--proc-path", "/nowhere"]);
        assert_says(
            &got,
            3,
            &format!(
                "{metric}: cannot read /nowhere/{file}: No such file or directory (os error 2); \
                 is the right root given, and is it mounted?"
            ),
        );
    }
}

#[test]
fn no_infiniband_is_one_line_and_exit_0() {
    assert_says(
        &run(&["metrics-infiniband", "--sys-path", "/nowhere"]),
        0,
        "metrics-infiniband: no InfiniBand device below /nowhere/class/infiniband",
    );
}

#[test]
fn what_could_not_be_read_is_said_beside_what_could() {
    let tree = tempfile::tempdir().unwrap();
    let counters = tree.path().join("class/infiniband/mlx4_0/ports/1/counters");
    fs::create_dir_all(counters.join("symbol_error")).unwrap();
    fs::write(counters.join("link_downed"), "4\n").unwrap();
    let got = run(&[
        "metrics-infiniband",
        "-s",
        "i",
        "--sys-path",
        tree.path().to_str().unwrap(),
    ]);
    assert_eq!(
        unstamped(out(&got)),
        "i.port1.LinkDownedCounter 4 @TS@\ni.port1.link_layer 1 @TS@\n"
    );
    assert_eq!(
        err(&got),
        format!(
            "metrics-infiniband: cannot read {}: Is a directory (os error 21)\n",
            counters.join("symbol_error").display()
        )
    );
    assert_eq!(got.status.code(), Some(0));
}

#[test]
fn a_full_device_is_an_error_and_a_closed_pipe_is_not() {
    for args in [&["list"][..], &["metrics-cpu"], &["--help"]] {
        let full = fs::File::create("/dev/full").unwrap();
        let got = Command::new(BINARY)
            .args(args)
            .stdout(full)
            .output()
            .unwrap();
        assert!(
            err(&got).ends_with(
                ": cannot write to standard output: No space left on device (os error 28)\n"
            ),
            "{}",
            err(&got)
        );
        assert_eq!((err(&got).lines().count(), got.status.code()), (1, Some(3)));

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let got = Command::new(BINARY)
            .args(args)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!((err(&got), got.status.code()), ("", Some(0)));
    }
}

#[test]
fn closed_streams_do_not_make_it_panic() {
    let mut child = Command::new(BINARY)
        .arg("metrics-cpu")
        .args(["--proc-path", "/nowhere"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create("/dev/full").unwrap())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!((text.as_str(), child.wait().unwrap().code()), ("", Some(3)));
}

#[test]
fn list_has_every_command_with_what_it_shows() {
    let got = run(&["list"]);
    let names: Vec<&str> = out(&got)
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(names, commands());
    assert!(out(&got).lines().all(|line| line.len() > 40));
}

#[test]
fn the_example_in_each_help_works() {
    let version = format!("{}\n", env!("CARGO_PKG_VERSION"));
    let of_each = metrics().into_iter().map(|name| vec![name]);
    for args in of_each.chain([vec![]]) {
        let help = run(&[&args[..], &["--help"]].concat());
        assert_eq!((err(&help), help.status.code()), ("", Some(0)));
        let example = out(&help).split("Example:\n").nth(1).unwrap().trim();
        let mut words = example.split(' ');
        assert_eq!(words.next(), Some("venus-checks"));
        let got = run(&words.collect::<Vec<_>>());
        assert_eq!(got.status.code(), Some(0), "{example}");

        let got = run(&[&args[..], &["--version"]].concat());
        assert!(out(&got).ends_with(&version), "{}", out(&got));
    }
}

#[test]
fn install_makes_links_that_work_and_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/checks");
    let install = || run(&["install", folder.to_str().unwrap()]);
    for _ in 0..2 {
        let got = install();
        assert_eq!((err(&got), got.status.code()), ("", Some(0)));
        assert_eq!(out(&got).lines().count(), commands().len());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), commands().len());
    }
    for command in commands() {
        let got = Command::new(folder.join(command))
            .arg("--help")
            .output()
            .unwrap();
        assert!(
            out(&got).contains(&format!("Usage: {command} ")),
            "{}",
            out(&got)
        );
    }

    // A link to an earlier installation is replaced.
    let link = folder.join("metrics-cpu");
    fs::remove_file(&link).unwrap();
    symlink("/opt/old/venus-checks", &link).unwrap();
    assert_eq!(install().status.code(), Some(0));
    assert_eq!(
        fs::read_link(&link).unwrap().canonicalize().unwrap(),
        Path::new(BINARY).canonicalize().unwrap()
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), commands().len());
}

#[test]
fn install_leaves_what_is_not_ours() {
    let ours = Path::new(BINARY).canonicalize().unwrap();
    for what in ["a file", "a folder", "a link"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics-net");
        match what {
            "a file" => fs::write(&path, "#!/bin/sh\n").unwrap(),
            "a folder" => fs::create_dir(&path).unwrap(),
            _ => symlink("/bin/true", &path).unwrap(),
        }
        let got = run(&["install", folder.path().to_str().unwrap()]);
        assert_says(
            &got,
            3,
            &format!(
                "venus-checks: {} is there and is no link to {}; nothing was changed: \
                 move it away, or give another folder",
                path.display(),
                ours.display()
            ),
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{what}");
    }
}
