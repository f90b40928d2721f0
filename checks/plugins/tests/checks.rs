//! What holds for every check of the table.
#![allow(
    clippy::unwrap_used,
    clippy::unnecessary_debug_formatting,
    reason = "tests may fail loudly"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use venus_checks::check::{self, Check, command};
use venus_checks::metrics;

fn run(args: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_venus-checks");
    Command::new(binary).args(args).output().unwrap()
}

fn out(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn options(check: &'static Check) -> BTreeSet<String> {
    let command = command(check);
    let options = command.get_arguments().filter_map(|arg| arg.get_long());
    options.map(|long| format!("--{long}")).collect()
}

/// The options that every check has.
fn common() -> BTreeSet<String> {
    [
        "timeout",
        "perfdata",
        "state-dir",
        "proc-path",
        "sys-path",
        "dev-path",
        "dryrun",
    ]
    .map(|name| format!("--{name}"))
    .into()
}

#[test]
fn each_is_named_and_explained() {
    let mut names = BTreeSet::new();
    for check in check::all() {
        let name = check.name;
        assert!(name.starts_with("check-"));
        let of_a_script = !check.title.contains(char::is_lowercase);
        assert!(of_a_script || check.title.starts_with("Check"), "{name}");
        assert!(names.insert(name), "{name} is in the table twice");
        assert!(std::ptr::eq(check::find(name).unwrap(), *check));

        let page = docs().join(format!("checks/{name}.md"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.starts_with(&format!("# {name}\n")), "{page:?}");
        for option in options(check).difference(&common()) {
            assert!(text.contains(option), "{page:?} does not explain {option}");
        }
    }
}

#[test]
fn the_metrics_of_each_service_are_explained() {
    for metrics in metrics::all() {
        let name = metrics.name;
        let page = docs().join(format!("metrics/{name}.md"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(text.starts_with(&format!("# {name}\n")), "{page:?}");
        let command = metrics::command(metrics);
        for option in command.get_arguments().filter_map(|arg| arg.get_long()) {
            let option = format!("--{option}");
            let explained = common().contains(&option) || text.contains(&option);
            assert!(explained, "{page:?} does not explain {option}");
        }
    }
}

/// `VENUS_WRITE_DOCS=1` writes it anew.
#[test]
fn the_list_of_commands_is_the_programs_own() {
    const BEGIN: &str = "<!-- What `venus-checks list` says; a test keeps it so. -->\n";
    const END: &str = "<!-- End of the list. -->\n";
    let mut table = String::from("| command | |\n|---|---|\n");
    let list = run(&["list"]);
    // The default build has not that of the feature `verbs`.
    let lines = out(&list).lines();
    for line in lines.filter(|line| !line.starts_with("check-rdma ")) {
        let (name, about) = line.split_once("  ").unwrap();
        let folder = if name.starts_with("check-") {
            "checks"
        } else {
            "metrics"
        };
        table.push_str(&format!(
            "| [{name}]({folder}/{name}.md) | {} |\n",
            about.trim()
        ));
    }
    let page = docs().join("checks.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (is, after) = rest.split_once(END).unwrap();
    if std::env::var_os("VENUS_WRITE_DOCS").is_some() {
        fs::write(&page, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(
            is.trim(),
            table.trim(),
            "run this test with VENUS_WRITE_DOCS=1"
        );
    }
}

#[test]
fn the_common_options_are_explained() {
    let page = fs::read_to_string(docs().join("checks.md")).unwrap();
    for option in common() {
        assert!(
            page.contains(&option),
            "checks.md does not explain {option}"
        );
        for check in check::all() {
            assert!(options(check).contains(&option), "{} {option}", check.name);
        }
    }
}

/// On any machine: whatever it finds, it says so in the form that all share.
#[test]
fn the_example_in_each_help_gives_an_answer() {
    for check in check::all() {
        let help = run(&[check.name, "--help"]);
        assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0));
        let example = out(&help).split("Example:\n").nth(1).unwrap().trim();
        let mut words = example.split(' ');
        assert_eq!(words.next(), Some("venus-checks"));
        let got = run(&words.collect::<Vec<_>>());
        let statuses = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];
        let code = usize::try_from(got.status.code().unwrap()).unwrap();
        let status = statuses.get(code).unwrap();
        let after = out(&got).strip_prefix(check.title).unwrap_or_default();
        let mut words = after.split_whitespace().take(3);
        let is_status = |word: &str| word.strip_suffix(':').unwrap_or(word) == *status;
        assert!(words.any(is_status), "{example}: {}", out(&got));
        assert_eq!(str::from_utf8(&got.stderr).unwrap(), "");
    }
}

#[test]
fn bad_arguments_are_one_line_and_unknown() {
    for check in check::all() {
        let (name, title) = (check.name, check.title);
        let got = run(&[name, "--colour"]);
        assert_eq!(
            out(&got),
            format!(
                "{title} UNKNOWN{} unexpected argument '--colour' found; \
                 see venus-checks {name} --help\n",
                if title.contains(char::is_lowercase) {
                    ":"
                } else {
                    " -"
                }
            )
        );
        assert_eq!((got.status.code(), got.stderr.len()), (Some(3), 0));
    }
}

#[test]
fn a_dry_run_says_what_would_be_looked_at() {
    for check in check::all() {
        let got = run(&[check.name, "--dryrun", "--sys-path", "/nowhere"]);
        let first = format!("{} would look at:\n  ", check.title);
        assert!(out(&got).starts_with(&first), "{}", out(&got));
        assert_eq!((got.status.code(), got.stderr.len()), (Some(0), 0));
    }
}

/// A fifo that nobody writes to stands for a file server that is gone: to open it hangs for ever.
/// That this returns at all shows that the process has ended.
#[test]
fn what_hangs_is_given_up() {
    let tree = tempfile::tempdir().unwrap();
    let port = tree.path().join("class/infiniband/mlx4_0/ports/1");
    fs::create_dir_all(&port).unwrap();
    nix::unistd::mkfifo(&port.join("state"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let sys = tree.path().to_str().unwrap();
    let got = run(&["check-infiniband", "--timeout", "0.3", "--sys-path", sys]);
    let start = "CheckInfiniBand UNKNOWN: no answer within 0.3 s";
    assert!(out(&got).starts_with(start), "{}", out(&got));
    assert_eq!((got.status.code(), got.stderr.len()), (Some(3), 0));
    assert_eq!(out(&got).lines().count(), 1);
}

/// A status that a check has no case of, and why.
const NEVER: &[(&str, &str, &str)] = &[
    (
        "check-fstab-mounts",
        "WARNING",
        "what fstab lists is mounted or is not",
    ),
    (
        "check-mounts",
        "WARNING",
        "a mount is there, writable and answered for, or is not",
    ),
    (
        "check-rdma",
        "OK",
        "it takes a device; what it says of one is a case of check/rdma/tests.rs",
    ),
    (
        "check-rdma",
        "WARNING",
        "it takes a device; what it says of one is a case of check/rdma/tests.rs",
    ),
];

/// Something at the top of a source: a function, a constant, what belongs to a type, with its name.
struct Item<'a> {
    name: &'a str,
    text: String,
    is_test: bool,
}

/// The name of what begins in this line.
fn name(line: &str) -> Option<&str> {
    if line.starts_with("impl") {
        let of = line.split(" {").next()?.split(' ').next_back()?;
        return of.split('<').next();
    }
    let mut words = line.split([' ', '(', '<', ':', ';']);
    let first = words.find(|word| !["pub", "crate)", "async"].contains(word))?;
    let begins = ["fn", "const", "static", "struct"].contains(&first);
    words.next().filter(|_| begins)
}

/// Those of a source, in their order.
fn items(source: &str) -> Vec<Item<'_>> {
    let mut found: Vec<Item<'_>> = Vec::new();
    let mut before = "";
    for line in source.lines() {
        if let Some(name) = name(line) {
            found.push(Item {
                name,
                text: String::new(),
                is_test: before == "#[test]",
            });
        }
        if let Some(last) = found.last_mut() {
            last.text.push_str(line);
            last.text.push('\n');
        }
        before = line;
    }
    found
}

/// What each test of a source says, with all that it uses of that source.
fn tests(source: &str) -> Vec<String> {
    let items = items(source);
    let with_all = |root: &Item<'_>| {
        let (mut used, mut texts) = (BTreeSet::from([root.name]), vec![root.text.clone()]);
        let mut next = 0;
        while let Some(text) = texts.get(next).cloned() {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let words: BTreeSet<&str> = words.filter(|word| !used.contains(word)).collect();
            let named = |item: &&Item<'_>| !item.is_test && words.contains(item.name);
            for other in items.iter().filter(named) {
                used.insert(other.name);
                texts.push(other.text.clone());
            }
            next += 1;
        }
        texts.concat()
    };
    let roots = items.iter().filter(|item| item.is_test);
    roots.map(with_all).collect()
}

#[test]
fn a_test_says_what_it_uses_says() {
    let source = "const FINE: &str = \"OK: fine\";\n\npub(crate) fn says(line: &str) {\n    run(\"check-x\", line);\n}\n\
        \n#[test]\nfn one() {\n    says(FINE);\n}\n\n#[test]\nfn two() {\n    other(\"WARNING\");\n}\n";
    let all = tests(source);
    let has = |text: &str| {
        all.iter()
            .map(|test| test.contains(text))
            .collect::<Vec<_>>()
    };
    assert_eq!(has("\"check-x\""), [true, false]);
    assert_eq!(has("\"OK: "), [true, false]);
    assert_eq!(has("\"WARNING\""), [false, true]);
}

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// A check that is added without a case of each status fails here. What a case asserts is its own.
#[test]
fn each_status_of_each_check_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests", "../../tests/tests/end_to_end"].map(|folder| root.join(folder));
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| sources(folder)).collect();
    // Not this one and that of the documentation, which have them all.
    let ours = |path: &&PathBuf| !path.ends_with("checks.rs") && !path.ends_with("docs.rs");
    let others = all.iter().filter(ours);
    let tests: Vec<String> = others
        .flat_map(|path| tests(&fs::read_to_string(path).unwrap()))
        .collect();
    let mut missing = Vec::new();
    for check in check::all() {
        let (name, title) = (check.name, check.title);
        let named = [format!("\"{name}\""), format!("\"{name} ")];
        let is_named = |test: &&String| named.iter().any(|name| test.contains(name));
        let own: Vec<&String> = tests.iter().filter(is_named).collect();
        for status in ["OK", "WARNING", "CRITICAL", "UNKNOWN"] {
            // Alone or at the beginning of a line, or after the title.
            let says = [
                format!("\"{status}\""),
                format!("\"{status}: "),
                format!("\"{title} {status}: "),
                format!("\"{title} {status} - "),
            ];
            let has = own
                .iter()
                .any(|test| says.iter().any(|says| test.contains(says)));
            let never = NEVER
                .iter()
                .find(|(of, never, _)| *of == name && *never == status);
            match (has, never) {
                (true, None) | (false, Some(_)) => {}
                (false, None) => missing.push(format!("{name} has no case of {status}")),
                (true, Some((.., why))) => {
                    missing.push(format!("{name} has a case of {status}, though {why}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
