//! check-mdraid, check-temperature, check-interface, check-cpu-frequency, check-mce.

use crate::Host;

const MDSTAT: &str = "Personalities : [raid1] [raid6]\n\
    md0 : active raid1 sdb1[1] sda1[0]\n      1046528 blocks super 1.2 [2/2] [UU]\n      \n\
    md1 : active raid0 sdc1[1] sdd1[0]\n      2093056 blocks super 1.2 512k chunks\n\n\
    unused devices: <none>\n";

#[test]
fn arrays_that_are_whole_or_not() {
    let host = Host::with(&[("proc/mdstat", MDSTAT)]);
    let says = |args: &[&str], line: &str, status| {
        host.says("check-mdraid", args, &format!("CheckMdraid {line}"), status);
    };
    let fine = "OK: md0 (raid1) has all 2 members; md1 (raid0) is active";
    says(&["--array", "md0"], fine, 0);
    says(&["--array", "md9"], "CRITICAL: md9 is not there", 2);
    let broken = MDSTAT
        .replace("[2/2] [UU]", "[2/1] [U_]")
        .replace("sdb1[1]", "sdb1[1](F)");
    host.write("proc/mdstat", &broken);
    let failed = "md0 (raid1) has 1 of 2 members, failed: sdb1";
    says(&[], &format!("CRITICAL: {failed}"), 2);
    let rebuilt =
        "[2/1] [U_]\n      [==>......]  recovery = 12.6% (1/8) finish=1.0min speed=1K/sec";
    host.write("proc/mdstat", &MDSTAT.replace("[2/2] [UU]", rebuilt));
    says(
        &[],
        "WARNING: md0 (raid1) has 1 of 2 members, recovery 12.6%",
        1,
    );
    host.write(
        "proc/mdstat",
        &MDSTAT.replace("[2/2] [UU]", "[2/2] [UU]\n      check = 5.0% (1/2)"),
    );
    says(
        &[],
        "OK: md0 (raid1) has all 2 members, check 5.0%; md1 (raid0) is active",
        0,
    );
    host.write(
        "proc/mdstat",
        "md0 : inactive sda1[0](S)\n      1 blocks super 1.2\n",
    );
    says(&[], "CRITICAL: md0 is inactive", 2);
    // A container of a controller's arrays is never active; they are.
    let controller = "md126 : active raid1 sda[1] sdb[0]\n      \
        1 blocks super external:/md127/0 [2/2] [UU]\n\
        md127 : inactive sdb[1](S) sda[0](S)\n      6306 blocks super external:imsm\n";
    host.write("proc/mdstat", controller);
    says(
        &["--array", "md127"],
        "OK: md126 (raid1) has all 2 members",
        0,
    );
    let inactive = controller
        .replace("active raid1", "inactive")
        .replace(" [2/2] [UU]", "");
    host.write("proc/mdstat", &inactive);
    says(&[], "CRITICAL: md126 is inactive", 2);
    host.write("proc/mdstat", &controller.replace(" [2/2] [UU]", ""));
    says(&[], "UNKNOWN: md126 (raid1) does not tell its members", 3);
    host.write("proc/mdstat", "Personalities :\nunused devices: <none>\n");
    says(&[], "UNKNOWN: no array in HOST/proc/mdstat", 3);
}

#[test]
fn sensors_by_their_own_limits_or_by_given_ones() {
    let chip = "sys/class/hwmon/hwmon0";
    let host = Host::new();
    let write =
        |file: &str, text: &str| host.write(&format!("{chip}/{file}"), &format!("{text}\n"));
    for (file, text) in [
        ("name", "coretemp"),
        ("temp1_input", "45500"),
        ("temp1_label", "Package id 0"),
        ("temp1_max", "80000"),
        ("temp1_crit", "100000"),
        ("fan1_input", "1250"),
        ("fan1_min", "600"),
    ] {
        write(file, text);
    }
    let says = |args: &[&str], line: &str, status| {
        host.says(
            "check-temperature",
            args,
            &format!("CheckTemperature {line}"),
            status,
        );
    };
    let heat = |degrees: &str, limit: &str| {
        format!("coretemp Package id 0 has {degrees}°C, threshold {limit}°C")
    };
    says(
        &[],
        "OK: 2 sensors, the hottest is coretemp Package id 0 with 45.5°C",
        0,
    );
    says(
        &["-w", "45"],
        &format!("WARNING: {}", heat("45.5", "45")),
        1,
    );
    says(
        &["-w", "40", "-c", "45.5"],
        &format!("CRITICAL: {}", heat("45.5", "45.5")),
        2,
    );
    write("temp1_input", "80000");
    says(&[], &format!("WARNING: {}", heat("80", "80")), 1);
    write("temp1_input", "100000");
    says(&[], &format!("CRITICAL: {}", heat("100", "100")), 2);
    write("temp1_input", "45500");
    write("fan1_input", "0");
    says(
        &[],
        "CRITICAL: coretemp fan1 turns 0 times a minute, expected 600",
        2,
    );
    write("fan1_input", "1250");
    write("temp1_fault", "1");
    says(&[], "UNKNOWN: coretemp Package id 0 is faulty", 3);
    // One that cannot be read does not hide another that is too slow.
    write("temp1_fault", "x");
    write("fan1_input", "0");
    says(
        &[],
        "CRITICAL: coretemp fan1 turns 0 times a minute, expected 600; \
         cannot understand HOST/sys/class/hwmon/hwmon0/temp1_fault: it is not a whole number",
        2,
    );
    // Where drivers of older kernels have them, and another chip's sensors beside it.
    let old = "sys/class/hwmon/hwmon1/device";
    for (file, text) in [
        ("name", "it87"),
        ("temp1_input", "61000"),
        ("temp1_max", "60000"),
    ] {
        host.write(&format!("{old}/{file}"), &format!("{text}\n"));
    }
    write("temp1_fault", "0");
    write("fan1_input", "1250");
    says(&[], "WARNING: it87 temp1 has 61°C, threshold 60°C", 1);
    let none =
        "CheckTemperature UNKNOWN: no sensor of temperature or fan below HOST/sys/class/hwmon";
    Host::new().says("check-temperature", &[], none, 3);
}

/// A host with one interface, which is up.
fn eth0() -> Host {
    let host = Host::new();
    for (file, text) in [
        ("operstate", "up"),
        ("speed", "1000"),
        ("duplex", "full"),
        ("carrier_changes", "2"),
        ("statistics/rx_errors", "5"),
        ("statistics/tx_errors", "0"),
    ] {
        host.write(&format!("sys/class/net/eth0/{file}"), &format!("{text}\n"));
    }
    host
}

#[test]
fn interfaces_and_what_they_counted() {
    let host = eth0();
    let write = |file: &str, text: &str| {
        host.write(&format!("sys/class/net/eth0/{file}"), &format!("{text}\n"));
    };
    let says = |args: &[&str], line: &str, status| {
        let args = [&["--interface", "eth0"], args].concat();
        host.says(
            "check-interface",
            &args,
            &format!("CheckInterface {line}"),
            status,
        );
    };
    let up = "eth0 is up at 1000 Mbit/s";
    let first = format!("OK: {up}, counters read for the first time since boot");
    says(&[], &first, 0);
    let fine = format!("OK: {up}, 0 errors since the last run");
    says(&[], &fine, 0);
    // Each check counts for itself.
    let wanted = ["--speed", "1000", "--duplex", "full"];
    says(&wanted, &first, 0);
    says(&wanted, &fine, 0);
    let slow = "CRITICAL: eth0 runs at 1000 Mbit/s, expected 10000";
    says(&["--speed", "10000"], slow, 2);
    write("duplex", "half");
    says(
        &["--duplex", "full"],
        "WARNING: eth0 has half duplex, expected full",
        1,
    );
    write("statistics/rx_errors", "7");
    says(&[], "WARNING: eth0 counted 2 errors since the last run", 1);
    says(&[], &fine, 0);
    write("statistics/tx_errors", "100");
    says(
        &[],
        "CRITICAL: eth0 counted 100 errors since the last run",
        2,
    );
    let two = "eth0 counted 102 errors since the last run; \
               eth0 had its link come or go 1 times since the last run";
    write("carrier_changes", "3");
    says(&wanted[..2], &first, 0);
    write("duplex", "full");
    says(&wanted, &format!("CRITICAL: {two}"), 2);
    says(
        &[],
        "WARNING: eth0 had its link come or go 1 times since the last run",
        1,
    );
    write("carrier_changes", "5");
    says(
        &[],
        "WARNING: eth0 had its link come or go 2 times since the last run",
        1,
    );
    write("operstate", "down");
    says(&[], "CRITICAL: eth0 is down", 2);
    says(
        &["-i", "eth9"],
        "CRITICAL: eth0 is down; eth9 is not there",
        2,
    );
    // Kernels before 3.15, such as that of CentOS 7, do not count them.
    host.remove("sys/class/net/eth0/carrier_changes");
    says(&[], "CRITICAL: eth0 is down", 2);
    host.remove("sys/class/net/eth0/statistics/rx_errors");
    let unread = "cannot read HOST/sys/class/net/eth0/statistics/rx_errors: No such file or \
                  directory (os error 2); is the right path given, and is it mounted?";
    says(&[], &format!("CRITICAL: eth0 is down; {unread}"), 2);
    write("operstate", "up");
    says(&[], &format!("UNKNOWN: {unread}"), 3);
}

#[test]
fn interfaces_by_default_after_a_boot_and_on_older_kernels() {
    let host = eth0();
    let write = |file: &str, text: &str| {
        host.write(&format!("sys/class/net/eth0/{file}"), &format!("{text}\n"));
    };
    let says = |args: &[&str], line: &str, status| {
        let args = [&["--interface", "eth0"], args].concat();
        host.says(
            "check-interface",
            &args,
            &format!("CheckInterface {line}"),
            status,
        );
    };
    let first = "OK: eth0 is up at 1000 Mbit/s, counters read for the first time since boot";
    let none = "CheckInterface UNKNOWN: no interface of hardware that is switched on below \
                HOST/sys/class/net";
    host.says("check-interface", &[], none, 3);
    write("device/vendor", "0x8086");
    for flags in ["0x1002", "0x1003"] {
        write("flags", flags);
        let line = if flags == "0x1002" {
            none.to_owned()
        } else {
            format!("CheckInterface {first}")
        };
        let status = if flags == "0x1002" { 3 } else { 0 };
        host.says("check-interface", &[], &line, status);
    }
    // After a boot the counters are none that came about.
    says(&[], first, 0);
    write("carrier_changes", "7");
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    says(&[], first, 0);
    // What older kernels say of a speed that they do not know.
    for unknown in ["4294967295", "65535", "-1"] {
        write("speed", unknown);
        says(
            &["--speed", "1000"],
            "UNKNOWN: eth0 does not tell its speed",
            3,
        );
    }
}

#[test]
fn interfaces_that_are_down_whatever_can_be_remembered() {
    let host = eth0();
    host.write("sys/class/net/eth0/operstate", "down\n");
    host.write("state/check-interface.json", "{");
    let (text, status) = host.check("check-interface", &["--interface", "eth0"]);
    let start = "CheckInterface CRITICAL: eth0 is down; the state file \
                 HOST/state/check-interface.json is damaged (";
    assert!(text.starts_with(start) && status == 2, "{text}");
    host.remove("proc/sys/kernel/random/boot_id");
    let (text, status) = host.check("check-interface", &["--interface", "eth0"]);
    let start = "CheckInterface CRITICAL: eth0 is down; cannot read \
                 HOST/proc/sys/kernel/random/boot_id: No such file";
    assert!(text.starts_with(start) && status == 2, "{text}");
}

#[test]
fn processors_that_are_slow_or_were_throttled() {
    let host = Host::new();
    let write = |processor: u32, file: &str, text: &str| {
        let file = format!("sys/devices/system/cpu/cpu{processor}/{file}");
        host.write(&file, &format!("{text}\n"));
    };
    for processor in [0, 1, 10] {
        for (file, text) in [
            ("cpufreq/scaling_cur_freq", "2400000"),
            ("cpufreq/cpuinfo_max_freq", "3000000"),
            ("cpufreq/scaling_governor", "performance"),
            ("thermal_throttle/core_throttle_count", "5"),
            ("thermal_throttle/package_throttle_count", "7"),
            ("topology/physical_package_id", "0"),
            ("topology/core_id", "3"),
        ] {
            write(processor, file, text);
        }
    }
    // The folder has more that begins so.
    host.write("sys/devices/system/cpu/cpuidle/current_driver", "none\n");
    write(1, "topology/core_id", "4");
    let says = |args: &[&str], line: &str, status| {
        let line = format!("CheckCPUFrequency {line}");
        host.says("check-cpu-frequency", args, &line, status);
    };
    let all = "3 processors at 2400 to 2400 MHz";
    says(
        &[],
        &format!("OK: {all}, throttling counted for the first time"),
        0,
    );
    let fine = format!("OK: {all}, throttled 0 times since the last run");
    says(&[], &fine, 0);
    let given = ["--governor", "performance", "--min-frequency", "2400"];
    // Each check counts for itself.
    let first = format!("OK: {all}, throttling counted for the first time");
    says(&given, &first, 0);
    says(&given, &fine, 0);
    says(&["-w", "50", "-c", "25"], &first, 0);
    says(&["-K", "10"], &first, 0);
    let figures = " | 'slowest'=80%;50:;25:;0 'throttled'=0;1;;0";
    let args = ["-w", "50", "-c", "25", "--perfdata"];
    says(&args, &format!("{fine}{figures}"), 0);

    write(10, "cpufreq/scaling_cur_freq", "1200500");
    let slow = "cpu10 runs at 1200 of 3000 MHz (40.02%), threshold 50%";
    says(&["-w", "50", "-c", "25"], &format!("WARNING: {slow}"), 1);
    let slow = "cpu10 runs at 1200 of 3000 MHz (40.02%), threshold 45%";
    says(&["-w", "50", "-c", "45"], &format!("CRITICAL: {slow}"), 2);
    says(
        &["--min-frequency", "1500"],
        "CRITICAL: cpu10 runs at 1200 MHz, expected 1500",
        2,
    );
    write(10, "cpufreq/scaling_governor", "powersave");
    let other = "WARNING: 1 of 3 processors without governor performance: cpu10 has powersave";
    says(&["--governor", "performance"], other, 1);

    // Both processors of the core count it, and all three their package.
    for processor in [0, 10] {
        write(processor, "thermal_throttle/core_throttle_count", "6");
    }
    for processor in [0, 1, 10] {
        write(processor, "thermal_throttle/package_throttle_count", "17");
    }
    let both = "core 3 of package 0 was throttled 1 time since the last run; \
                package 0 was throttled 10 times since the last run";
    says(&[], &format!("WARNING: {both}"), 1);
    let fine = "OK: 3 processors at 1200 to 2400 MHz, throttled 0 times since the last run";
    says(&[], fine, 0);
    write(1, "thermal_throttle/package_throttle_count", "27");
    let package = "package 0 was throttled 10 times since the last run";
    let core = "core 3 of package 0 was throttled 1 time since the last run";
    let package = package.replace("10 times", "20 times");
    says(&["-K", "10"], &format!("CRITICAL: {package}; {core}"), 2);
    says(
        &[],
        "WARNING: package 0 was throttled 10 times since the last run",
        1,
    );
    // After a boot all are new.
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    write(1, "thermal_throttle/package_throttle_count", "28");
    let all = [
        "core 3 of package 0 was throttled 6 times since the last run",
        "core 4 of package 0 was throttled 5 times since the last run",
        "package 0 was throttled 28 times since the last run",
    ];
    says(&[], &format!("WARNING: {}", all.join("; ")), 1);

    // One that is switched off has no frequency.
    host.remove("sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq");
    let two = "OK: 2 processors at 2400 to 2400 MHz, throttled 0 times since the last run";
    says(&[], two, 0);
    write(0, "cpufreq/scaling_cur_freq", "fast");
    let bad = "UNKNOWN: cannot understand HOST/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq: \
               it is not a whole number";
    says(&[], bad, 3);
    says(
        &["-w", "25", "-c", "50"],
        "UNKNOWN: warning 25 and critical 50 are upside down: critical must not come before the warning",
        3,
    );
}

#[test]
fn a_virtual_machine_tells_no_frequency() {
    let host = Host::with(&[("sys/devices/system/cpu/cpu0/online", "1\n")]);
    host.says(
        "check-cpu-frequency",
        &[],
        "CheckCPUFrequency UNKNOWN: no frequency and no count of throttling below \
         HOST/sys/devices/system/cpu: is it a virtual machine?",
        3,
    );
    host.write(
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
        "0\n",
    );
    let args = ["--governor", "performance"];
    let line = "CheckCPUFrequency UNKNOWN: no processor tells its frequency";
    host.says("check-cpu-frequency", &args, line, 3);
}

#[test]
fn machine_checks_since_the_last_run() {
    let interrupts = |counts: &str| {
        format!(
            "            CPU0       CPU1       CPU2       CPU5\n\
             LOC: 9 9 9 9   Local timer interrupts\n\
             MCE: {counts}   Machine check exceptions\nMCP: 7 7 7 7   Machine check polls\nERR: 0\n"
        )
    };
    let host = Host::with(&[
        ("proc/interrupts", &interrupts("1 1 1 1")),
        ("proc/sys/kernel/random/boot_id", "a-b\n"),
    ]);
    let says = |args: &[&str], line: &str, status| {
        host.says("check-mce", args, &format!("CheckMCE {line}"), status);
    };
    let first =
        "first run, 1 machine check (1 on cpu0-2,5) since boot; new ones are known from here on";
    says(&[], &format!("OK: {first}"), 0);
    let none = "OK: 0 machine checks since the last run";
    says(&[], none, 0);
    // All were told of one, and one of another.
    host.write("proc/interrupts", &interrupts("2 2 3 2"));
    let two = "2 machine checks since the last run (2 on cpu2, 1 on cpu0-1,5), \
               see the kernel's log for the hardware";
    says(
        &["--perfdata"],
        &format!("WARNING: {two} | 'machine checks'=2;1;;0"),
        1,
    );
    says(&[], none, 0);
    // Another check with thresholds of its own counts for itself.
    let (own, high) = (["-c", "10"], ["-w", "20", "-c", "30"]);
    assert_eq!(host.check("check-mce", &own).1, 0);
    assert_eq!(host.check("check-mce", &high).1, 0);
    host.write("proc/interrupts", &interrupts("2 12 3 2"));
    let ten =
        "10 machine checks since the last run (10 on cpu1), see the kernel's log for the hardware";
    says(&["-c", "10"], &format!("CRITICAL: {ten}"), 2);
    says(&[], &format!("WARNING: {ten}"), 1);
    // After a boot all are new.
    host.write("proc/sys/kernel/random/boot_id", "c-d\n");
    let all = "12 machine checks since the last run (12 on cpu1, 3 on cpu2, 2 on cpu0,5), \
               see the kernel's log for the hardware";
    says(&high, &format!("OK: {all}"), 0);
    // What was counted last is lost, and may have been less.
    host.write("state/check-mce.json", "{");
    let (text, status) = host.check("check-mce", &[]);
    let damaged = "CheckMCE UNKNOWN: the state file HOST/state/check-mce.json is damaged (";
    assert!(text.starts_with(damaged) && status == 3, "{text}");
    assert!(
        text.ends_with("; new ones are known from here on\n"),
        "{text}"
    );
    says(&[], none, 0);

    host.write("proc/interrupts", &interrupts("2 12"));
    let short = "UNKNOWN: cannot understand HOST/proc/interrupts: \
                 line 3 has not a number for each processor";
    says(&[], short, 3);
    host.write("proc/interrupts", "CPU0\nERR: 0\n");
    let uncounted =
        "UNKNOWN: this kernel does not count machine checks: no line MCE in HOST/proc/interrupts";
    says(&[], uncounted, 3);
}
