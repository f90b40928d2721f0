use crate::Host;

fn host(loadavg: &str) -> Host {
    Host::with(&[
        ("proc/loadavg", loadavg),
        ("sys/devices/system/cpu/online", "0-1\n"),
    ])
}

#[test]
fn the_average_per_processor_is_judged() {
    let host = host("0.06 0.04 0.08 1/100 42\n");
    let text = "Per core load average (2 CPU): [0.03, 0.02, 0.04]";
    for (args, status, code) in [
        (&[][..], "OK", 0),
        (&["-w", "90,90,90", "-c", "99,99,99"], "OK", 0),
        (&["-w", "0.04,0.02,0.05"], "WARNING", 1),
        (&["-w", "0.04,0.03,0.05"], "OK", 0),
        (&["-w", "0,0,0", "-c", "99,99,99"], "WARNING", 1),
        (&["--warn", "0,0,0", "--crit", "0,0,0"], "CRITICAL", 2),
        (&["-w", "0,0,0", "-c", "9,9,0.04"], "CRITICAL", 2),
    ] {
        host.says(
            "check-load",
            args,
            &format!("CheckLoad {status}: {text}"),
            code,
        );
    }
    host.says(
        "check-load",
        &["--perfdata"],
        &format!(
            "CheckLoad OK: {text} | 'load1'=0.03;2.75;3.5;0 'load5'=0.02;2.5;3.25;0 'load15'=0.04;2;3;0"
        ),
        0,
    );
}

#[test]
fn what_is_not_understood_is_unknown() {
    let good = host("0.06 0.04 0.08 1/100 42\n");
    let form = |option: &str, given: &str| {
        format!(
            "CheckLoad UNKNOWN: invalid value '{given}' for '--{option} <L1,L5,L15>': \
             use three numbers, as in 2.75,2.5,2.0; see venus-checks check-load --help"
        )
    };
    for bad in ["x", "1,1", "1,1,1,1", "1,1,", "nan,1,1"] {
        good.says(
            "check-load",
            &["-w", bad, "-c", "1"],
            &form("warning", bad),
            3,
        );
    }
    good.says("check-load", &["-c", "1"], &form("critical", "1"), 3);
    good.says(
        "check-load",
        &["-w", "1,9,1", "-c", "2,8,2"],
        "CheckLoad UNKNOWN: warning 9 and critical 8 are upside down: \
         critical must not come before the warning",
        3,
    );
    host("0.06 0.04").says(
        "check-load",
        &[],
        "CheckLoad UNKNOWN: cannot understand HOST/proc/loadavg: line 1 is cut off",
        3,
    );
    Host::new().says(
        "check-load",
        &[],
        "CheckLoad UNKNOWN: cannot read HOST/proc/loadavg: No such file or directory (os error 2); \
         is the right path given, and is it mounted?",
        3,
    );
}
