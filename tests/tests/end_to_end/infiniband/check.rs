//! `check-infiniband` on a simulated fabric.

use venus_tests::fabric::Fabric;
use venus_tests::{network, program};

#[test]
fn check_infiniband_names_both_ends_of_the_cable() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let state = tempfile::tempdir().unwrap();
        let check = |fabric: &Fabric, args: &[&str]| {
            let mut command = fabric.on("venus005", program::path("venus-checks"));
            command.arg("check-infiniband").args(args);
            let output = program::run(command.arg("--state-dir").arg(state.path()));
            let text = String::from_utf8(output.stdout).unwrap();
            let line = text.lines().next().unwrap_or_default();
            let (before, minutes) = line.rsplit_once(" in ").unwrap_or((line, ""));
            assert!(
                minutes.is_empty() || minutes.starts_with(['0', '1', 'a']),
                "{line}"
            );
            (before.to_owned(), output.status.code().unwrap())
        };
        let cable = "ibsim0 port 1 (to Switch2 port 1)";
        let first = format!(
            "CheckInfiniBand OK: {cable} is Active at 4X SDR, counters read for the first time"
        );
        assert_eq!(
            check(&fabric, &["--width", "4X", "--speed", "SDR"]),
            (first, 0)
        );
        let fine = format!("CheckInfiniBand OK: {cable} is Active at 4X SDR, 0 errors");
        assert_eq!(check(&fabric, &[]), (fine, 0));

        let set = |node: &str, name: &str, value: u32| {
            format!("PerformanceSet \"{node}\"[1] PortCounters.{name}={value}")
        };
        fabric.console(&set("Switch2", "SymbolErrorCounter", 37));
        let (text, status) = check(&fabric, &[]);
        let far = "Switch2 port 1 (to ibsim0 port 1) counted 37 SymbolErrorCounter";
        assert_eq!(
            (text, status),
            (format!("CheckInfiniBand WARNING: {far}"), 1)
        );
        fabric.console(&set("venus005", "PortRcvErrors", 361));
        let (text, status) = check(&fabric, &[]);
        assert!(
            text.starts_with(&format!(
                "CheckInfiniBand CRITICAL: {cable} counted 361 PortRcvErrors in "
            )),
            "{text}"
        );
        assert_eq!(status, 2);

        fabric.console("Unlink \"venus005\"[1]");
        let (text, status) = check(&fabric, &["--width", "4X"]);
        let down = format!("CheckInfiniBand CRITICAL: {cable} is Down (");
        assert!(text.starts_with(&down), "{text}");
        assert_eq!(status, 2);
    });
}

#[test]
fn a_cable_that_was_moved_has_another_past() {
    network::in_its_own(|| {
        let Some(mut fabric) = Fabric::launch() else {
            return;
        };
        let state = tempfile::tempdir().unwrap();
        let state = state.path().to_str().unwrap();
        let args = ["check-infiniband", "--state-dir", state];
        let check = |fabric: &Fabric| fabric.run("venus005", program::path("venus-checks"), &args);
        check(&fabric);
        for (name, value) in [("SymbolErrorCounter", 5000), ("LinkDownedCounter", 7)] {
            fabric.console(&format!(
                "PerformanceSet \"Switch2\"[9] PortCounters.{name}={value}"
            ));
        }
        fabric.console("Unlink \"venus005\"[1]");
        fabric.console("Link \"venus005\"[1] \"Switch2\"[9]");
        fabric.manage();
        for _ in 0..2 {
            let text = check(&fabric);
            let fine =
                "CheckInfiniBand OK: ibsim0 port 1 (to Switch2 port 9) is Active at 4X SDR, ";
            assert!(text.starts_with(fine), "{text}");
        }
    });
}
