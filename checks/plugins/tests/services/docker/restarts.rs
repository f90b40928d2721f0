//! Restarts, which are asked for one by one and counted from one run to the next.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{ALL, restarted};
use crate::{Server, check, says};

#[test]
fn restarts_are_counted_from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let all = r#"[{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 5 seconds"}]"#;
    let restarts = Arc::new(AtomicUsize::new(3));
    let count = Arc::clone(&restarts);
    let server = restarted(all, move || count.load(Ordering::Relaxed));
    let url = server.url();
    let run = |more: &[&str], line: &str, status| {
        let args = [
            "check-docker-container",
            "--url",
            &url,
            "--state-dir",
            state,
        ];
        let args = [&args[..], &["-w", "1", "-c", "3"], more].concat();
        says(&args, &format!("CheckDockerContainer {line}"), status);
    };
    run(
        &["--total"],
        "CRITICAL: web was restarted 3 times in all, threshold 3",
        2,
    );
    run(
        &[],
        "OK: 1 container runs: web; first run, restarts are counted from here on",
        0,
    );
    run(&[], "OK: 1 container runs: web", 0);
    restarts.store(4, Ordering::Relaxed);
    run(
        &["--perfdata"],
        "WARNING: web was restarted 1 time since the last run, threshold 1 \
         | 'running'=1;;;0 'unhealthy'=0;;;0 'web restarts'=1;1;3;0",
        1,
    );
    run(&[], "OK: 1 container runs: web", 0);
    // Somebody has started it again, and it was counted anew.
    restarts.store(3, Ordering::Relaxed);
    run(
        &[],
        "CRITICAL: web was restarted 3 times since the last run, threshold 3",
        2,
    );
    // Others that are looked at are counted for themselves.
    run(
        &["--container", "web"],
        "OK: 1 container runs: web; first run, restarts are counted from here on",
        0,
    );
    let (text, _) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
        "-w",
        "1",
        "--dryrun",
    ]);
    assert!(
        text.contains(&format!("\n  {state}/check-docker-container-")),
        "{text}"
    );
    let files = fs::read_dir(folder.path()).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "two states and their locks: {files:?}");
    let is_state = |file: &&PathBuf| file.extension().is_some_and(|end| end == "json");
    for file in files.iter().filter(is_state) {
        fs::write(file, "{").unwrap();
    }
    let (text, status) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
        "-w",
        "1",
        "-c",
        "3",
    ]);
    assert!(text.contains("is damaged") && status == 0, "{text}");
}

/// A check with other thresholds, in between, takes nothing away.
#[test]
fn restarts_are_counted_for_each_check_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let all = r#"[{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 5 seconds"}]"#;
    let restarts = Arc::new(AtomicUsize::new(3));
    let count = Arc::clone(&restarts);
    let server = restarted(all, move || count.load(Ordering::Relaxed));
    let url = server.url();
    let run = |more: &[&str], line: &str, status| {
        let args = [
            "check-docker-container",
            "--url",
            &url,
            "--state-dir",
            state,
        ];
        says(
            &[&args[..], more].concat(),
            &format!("CheckDockerContainer {line}"),
            status,
        );
    };
    let (strict, patient) = (["-w", "1", "-c", "5"], ["-w", "100"]);
    let fine = "OK: 1 container runs: web";
    let first = format!("{fine}; first run, restarts are counted from here on");
    run(&strict, &first, 0);
    run(&patient, &first, 0);
    restarts.store(10, Ordering::Relaxed);
    run(&patient, fine, 0);
    let seven = "CRITICAL: web was restarted 7 times since the last run, threshold 5";
    run(&strict, seven, 2);
}

/// The first run asks all of them, as far as it comes; the next only what it has to.
#[test]
fn many_are_asked_once() {
    let container = |id| {
        format!(
            r#"{{"Id":"{id:064x}","Names":["/hpcg{id}"],"State":"running","Status":"Up 5 hours"}}"#
        )
    };
    let all: Vec<String> = (0..1001).map(container).collect();
    let all = format!("[{}]", all.join(","));
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = restarted(&all, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        9
    });
    let url = server.url();
    let args = [
        "check-docker-container",
        "--url",
        &url,
        "--state-dir",
        state,
    ];
    let args = [&args[..], &["-w", "1", "--timeout", "60"]].concat();
    let fine = "CheckDockerContainer OK: 1001 containers run";
    let first = format!("{fine}; first run, restarts are counted from here on");
    says(&args, &first, 0);
    assert_eq!(asked.swap(0, Ordering::Relaxed), 1001);
    says(&args, fine, 0);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_state_that_cannot_be_kept() {
    let all =
        r#"[{"Id":"a","Names":["/web"],"State":"exited","Status":"Exited (137) 1 hour ago"}]"#;
    let detail = ("/containers/a/json", 200, "{\"State\":{}}");
    let url = Server::http([(ALL, 200, all), detail]).url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (text, status) = check(&[
        "check-docker-container",
        "--url",
        &url,
        "-N",
        "web",
        "-w",
        "1",
        "--state-dir",
        file.to_str().unwrap(),
    ]);
    let start = "CheckDockerContainer CRITICAL: web has ended with exit code 137; \
                 cannot read the state file ";
    assert!(text.starts_with(start) && status == 2, "{text}");
}

/// Whoever asks finds one restart more.
#[test]
fn runs_side_by_side_tell_of_each_restart_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let all = r#"[{"Id":"a1","Names":["/web"],"State":"running","Status":"Up 5 seconds"}]"#;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = restarted(all, move || counter.fetch_add(1, Ordering::Relaxed));
    let url = server.url();
    let run = || {
        let args = [
            "check-docker-container",
            "--url",
            &url,
            "--state-dir",
            state,
        ];
        check(&[&args[..], &["-w", "1", "--perfdata"]].concat()).0
    };
    run();
    let lines: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for line in &lines {
        assert!(
            line.contains("web was restarted 1 time since the last run")
                && line.contains("'web restarts'=1;"),
            "{lines:?}"
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 21);
}
