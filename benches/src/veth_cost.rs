//! `veth-cost ROUNDS`: what `metrics-net` costs in the network namespace that it is run in, in
//! CPU time against one bare read of `/proc/net/dev`. It is meant for one with many veths; how
//! to make that is in `docs/performance.md`.
//!
//! In each round the bare read, `--name-by device` and `--name-by container` take turns, each
//! several times in a row. CPU time is the kernel's (`schedstat` of the thread, nanoseconds).

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use venus_benches::read_whole;
use venus_collectors::graphite::Scheme;
use venus_collectors::source::docker::Host;
use venus_collectors::{Collector, Given, Roots, Setup, registry};

type Failure = Box<dyn Error>;

/// How often each works in a turn.
const IN_A_ROW: u32 = 20;
/// The time stamp of all lines; a constant, so that nothing is due by its age.
const NOW: u64 = 1_453_048_230;

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the output of a program"
)]
fn main() -> ExitCode {
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok());
    let done = match rounds {
        Some(rounds) => compare(rounds).map(|table| println!("{table}")),
        None => Err("usage: veth-cost ROUNDS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("veth-cost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// CPU time of this thread so far.
fn cpu() -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let on_cpu = stat.split(' ').next().unwrap_or_default();
    Ok(Duration::from_nanos(on_cpu.parse()?))
}

fn collector(name_by: &str) -> Result<Box<dyn Collector>, Failure> {
    let spec = registry::find("metrics-net").ok_or("no metrics-net")?;
    let mut given = Given::of(spec.options);
    given.set("name-by", name_by)?;
    Ok((spec.build)(&Setup {
        roots: &Roots::default(),
        scheme: &Scheme::new("venus001.net")?,
        docker: &Host::default(),
        given: &given,
    })?)
}

/// A turn of a collector, as the agent runs it.
fn collect(collector: &mut dyn Collector, out: &mut Vec<u8>) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for _ in 0..IN_A_ROW {
        out.clear();
        black_box(collector.may_wait(NOW));
        collector.collect(NOW, out, &mut problems)?;
        black_box(&out);
    }
    match problems.pop() {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

fn compare(rounds: u32) -> Result<String, Failure> {
    let file = File::open(Roots::default().proc.join("net/dev"))?;
    let mut buffer = vec![0; 1 << 20];
    let mut read = || -> Result<(), Failure> {
        for _ in 0..IN_A_ROW {
            read_whole(&file, &mut buffer)?;
        }
        Ok(())
    };
    let (mut by_device, mut by_container) = (collector("device")?, collector("container")?);
    let mut out = Vec::new();
    read()?;
    collect(&mut *by_device, &mut out)?;
    let (before, started) = (cpu()?, Instant::now());
    by_container.collect(NOW, &mut out, &mut Vec::new())?;
    let (first, took) = (cpu()?.saturating_sub(before), started.elapsed());
    collect(&mut *by_container, &mut out)?;
    let matched = String::from_utf8_lossy(&out)
        .matches(".eth0.rx_bytes ")
        .count();

    let mut costs = [Duration::ZERO; 3];
    for _ in 0..rounds {
        let mut marks = [cpu()?; 4];
        read()?;
        marks[1] = cpu()?;
        collect(&mut *by_device, &mut out)?;
        marks[2] = cpu()?;
        collect(&mut *by_container, &mut out)?;
        marks[3] = cpu()?;
        for (cost, pair) in costs.iter_mut().zip(marks.windows(2)) {
            if let [before, after] = pair {
                *cost += after.saturating_sub(*before);
            }
        }
    }
    let micros = costs.map(|cost| cost.as_secs_f64() * 1e6 / f64::from(rounds * IN_A_ROW));
    let [bare, ..] = micros;
    let mut table = format!(
        "{matched} interfaces have the name of what is behind them; the first look took \
         {:.1} ms of CPU, {:.1} ms in all\n",
        first.as_secs_f64() * 1e3,
        took.as_secs_f64() * 1e3
    );
    for (name, micros) in ["read", "device", "container"].iter().zip(micros) {
        table.push_str(&format!(
            "{name:<10} {micros:>7.0} us  {:>5.2}\n",
            micros / bare
        ));
    }
    Ok(table)
}
