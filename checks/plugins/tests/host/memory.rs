use crate::Host;

/// 1000 MB, of which 215 are available; 100 MB of swap, of which 30 are used.
const MEMINFO: &str = "MemTotal: 1024000 kB\nMemFree: 51200 kB\nMemAvailable: 220160 kB\n\
    Buffers: 10240 kB\nCached: 102400 kB\nSwapTotal: 102400 kB\nSwapFree: 71680 kB\nDirty: 0 kB\n";

fn says(check: &str, args: &[&str], line: &str, status: i32) {
    Host::with(&[("proc/meminfo", MEMINFO)]).says(check, args, line, status);
}

#[test]
fn what_is_used_in_percent() {
    for (args, status, code) in [
        (&[][..], "OK", 0),
        (&["-w", "79"], "WARNING", 1),
        (&["-w", "0", "-c", "100"], "WARNING", 1),
        (&["-w", "0", "-c", "79"], "CRITICAL", 2),
        (&["-c", "79"], "CRITICAL", 2),
    ] {
        let line = format!("MEM {status} - system memory usage: 79%");
        says("check-memory-percent", args, &line, code);
    }
    says(
        "check-memory-percent",
        &["-p", "-w", "0", "-c", "0"],
        "MEM CRITICAL - system memory usage: 79% | 'free memory'=79%;0;0;0",
        2,
    );
    says(
        "check-memory-percent",
        &["-w", "90", "-c", "80"],
        "MEM UNKNOWN - warning 90 and critical 80 are upside down: \
         critical must not come before the warning",
        3,
    );
}

#[test]
fn what_is_left_in_megabytes() {
    for (args, status, code) in [
        (&[][..], "OK", 0),
        (&["-w", "214", "-c", "0"], "OK", 0),
        (&["-w", "215", "-c", "0"], "WARNING", 1),
        (&["-w", "999", "-c", "215"], "CRITICAL", 2),
    ] {
        let line = format!("MEM {status} - free system memory: 215 MB");
        says("check-memory", args, &line, code);
    }
    says(
        "check-memory",
        &["-w", "1", "-c", "2"],
        "MEM UNKNOWN - warning 1 and critical 2 are upside down: \
         critical must not come before the warning",
        3,
    );
    says(
        "check-memory",
        &["-w", "1", "-c", "0", "--perfdata"],
        "MEM OK - free system memory: 215 MB | 'free memory'=215;1:;0:;0",
        0,
    );
}

#[test]
fn what_of_swap_is_used() {
    for (args, status, code) in [
        (&[][..], "OK", 0),
        (&["-w", "31", "-c", "90"], "OK", 0),
        (&["-w", "30", "-c", "90"], "WARNING", 1),
        (&["-w", "0", "-c", "0"], "CRITICAL", 2),
    ] {
        let line = format!("SWAP {status} - used swap memory: 30 MB");
        says("check-swap", args, &line, code);
    }
    says(
        "check-swap",
        &["-w", "x"],
        "SWAP UNKNOWN - invalid value 'x' for '--warning <N>': not a range; use a number such as \
         10, or 10:, ~:10, 10:20, @10:20; see venus-checks check-swap --help",
        3,
    );
}

#[test]
fn ram_free_or_used() {
    for (args, line, code) in [
        (&[][..], "OK: 21.5% RAM free", 0),
        (&["-w", "21.5"], "WARNING: 21.5% RAM free", 1),
        (
            &["-f", "-w", "50", "-c", "25"],
            "CRITICAL: 21.5% RAM free",
            2,
        ),
        (&["-m"], "OK: 215 megabytes of RAM left", 0),
        (
            &["-m", "-w", "215"],
            "WARNING: 215 megabytes of RAM left",
            1,
        ),
        (&["-u"], "OK: 78.5% RAM used", 0),
        (&["-u", "-w", "78.5"], "WARNING: 78.5% RAM used", 1),
        (
            &["-u", "-m", "-c", "785"],
            "CRITICAL: 785 megabytes of RAM used",
            2,
        ),
        (
            &["-w", "101"],
            "UNKNOWN: invalid percentage for --warning: use at most 100, or MB with --megabytes",
            3,
        ),
        (
            &["-w", "5", "-c", "10"],
            "UNKNOWN: warning 5 and critical 10 are upside down: \
             critical must not come before the warning",
            3,
        ),
    ] {
        says("check-ram", args, &format!("CheckRAM {line}"), code);
    }
}

#[test]
fn an_old_kernel_and_one_that_contradicts_itself() {
    let old = MEMINFO.replace("MemAvailable: 220160 kB\n", "");
    let host = Host::with(&[("proc/meminfo", &old)]);
    host.says(
        "check-memory",
        &[],
        "MEM OK - free system memory: 160 MB",
        0,
    );
    let wrong = MEMINFO.replace("SwapFree: 71680", "SwapFree: 171680");
    let host = Host::with(&[("proc/meminfo", &wrong)]);
    host.says(
        "check-swap",
        &[],
        "SWAP UNKNOWN - cannot understand HOST/proc/meminfo: SwapFree exceeds SwapTotal",
        3,
    );
    let host = Host::with(&[("proc/meminfo", &MEMINFO[..50])]);
    host.says(
        "check-memory-percent",
        &[],
        "MEM UNKNOWN - cannot understand HOST/proc/meminfo: line 3 is cut off",
        3,
    );
}
