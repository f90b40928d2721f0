//! What the documentation shows is run: settings and commands.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use venus_tests::program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages for users, by their names.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                paths.push(path);
            }
        }
    }
    let named = paths.iter().map(|path| {
        let name = path
            .strip_prefix(root())
            .unwrap_or(path)
            .display()
            .to_string();
        (name, fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_settings_that_the_pages_show_are_valid() {
    let mut checked = 0;
    for (name, page) in pages() {
        for block in blocks(&page, "json") {
            let settings: Value = serde_json::from_str(block)
                .unwrap_or_else(|error| panic!("{name}: {error} in {block}"));
            let (mut command, _dir) = program::agent(&settings);
            let output = program::run(command.arg("--validate_config"));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0), "{name}: {block}\n{said}");
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// The commands in a text that end by themselves and change nothing.
fn commands(text: &str) -> Vec<&str> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("$ "));
    let ends = |line: &&str| {
        let agent = line.strip_prefix("venus-agent ");
        let agent = agent.is_some_and(|arguments| {
            let mut words = arguments.split(' ');
            words.any(|word| ["--once", "-V", "-P", "--validate_config", "doctor"].contains(&word))
        });
        let checks = line.strip_prefix("venus-checks ");
        let checks = checks.is_some_and(|command| {
            let begins = |word: &&str| command.starts_with(word);
            // Of a feature that the default build does not have, and tested with it.
            let has_verbs = command.starts_with("check-rdma");
            !has_verbs && ["metrics-", "check-", "list"].iter().any(begins)
        });
        agent || checks
    };
    lines.filter(ends).collect()
}

/// Runs a command line with our programs on PATH.
fn run(line: &str) -> Output {
    let ours = program::path("venus-agent");
    let path = format!("{}:/usr/bin:/bin", ours.parent().unwrap().display());
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path);
    program::run(&mut command)
}

/// A command did what it was asked for. A check may find this machine lacking, and
/// did if it understood what to look at; metrics may find that a service does not run here.
fn assert_understood(page: &str, line: &str) {
    let output = run(line);
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let understood = if line.contains(" check-") {
        let statuses = ["OK", "WARNING", "CRITICAL", "UNKNOWN"];
        let mut words = out.split([' ', ':']).take(3);
        words.any(|word| statuses.contains(&word)) && !out.contains("--help")
    } else {
        // Nor does this machine have every service whose metrics are shown.
        let away = ["; is it running, and is this its address?", ": cannot ask "];
        let is_away = away.iter().any(|why| err.contains(why));
        output.status.success() || (line.contains(" metrics-") && is_away)
    };
    assert!(understood, "{page}: {line}\n{out}{err}");
}

#[test]
fn the_commands_that_the_pages_show_run() {
    let mut seen = 0;
    for (name, page) in pages() {
        for line in commands(&page) {
            assert_understood(&name, line);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_examples_of_every_help_run() {
    let list = String::from_utf8(run("venus-checks list").stdout).unwrap();
    let names = list.lines().filter_map(|line| line.split(' ').next());
    let mut programs: Vec<String> = names.map(|name| format!("venus-checks {name}")).collect();
    programs.push("venus-agent".to_owned());
    for program in programs {
        let help = String::from_utf8(run(&format!("{program} --help")).stdout).unwrap();
        let examples = commands(&help);
        assert!(!examples.is_empty(), "{program}: {help}");
        for line in examples {
            assert_understood(&program, line);
        }
    }
}

/// The Rust sources below a folder.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, all);
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_tests_that_a_page_names_are_there() {
    let mut all = String::new();
    for folder in ["agent", "checks", "handlers", "tests"] {
        sources(&root().join(folder), &mut all);
    }
    for (page, least) in [("compatibility", 50), ("security", 20)] {
        let page = fs::read_to_string(root().join(format!("docs/{page}.md"))).unwrap();
        let mut named = 0;
        for line in page.lines().filter(|line| line.matches('|').count() == 4) {
            let kept_by = line.split('|').nth(3).unwrap();
            for name in kept_by.split('`').skip(1).step_by(2) {
                assert!(all.contains(&format!("fn {name}(")), "no test {name}");
                named += 1;
            }
        }
        assert!(named > least);
    }
}
