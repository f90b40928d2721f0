//! `cycle-cost SECONDS AGENT URI`: what a cycle costs, in CPU time.
//!
//! Four processes that wake up once a second take turns, each alone and each
//! several times, so that all of them find the same cold caches and none
//! profits from another's warm ones:
//!
//! | process | in a cycle it |
//! |---|---|
//! | `read` | only `pread`s the files that the built-in checks of `physical` read |
//! | `collect` | runs these collectors |
//! | `agent` | the agent, connected, without built-in checks |
//! | `deliver` | the agent, connected, with built-in checks every second |
//!
//! Their CPU time is the kernel's (`/proc/PID/task/*/schedstat`, first column,
//! nanoseconds). What delivery costs is `deliver` less `agent`, so that
//! keepalives and heartbeats, which do not depend on the cycle, are left out.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use venus_benches::read_whole;
use venus_collectors::graphite::Scheme;
use venus_collectors::source::docker::Host;
use venus_collectors::{Given, Roots, Setup, registry};

type Failure = Box<dyn Error>;

const FILES: [&str; 4] = ["stat", "loadavg", "meminfo", "net/dev"];
const CYCLE: Duration = Duration::from_secs(1);
/// Until connections and buffers are as they stay.
const WARM_UP: Duration = Duration::from_secs(5);
/// How often each process has its turn.
const TURNS: u32 = 3;
/// After how long the memory of an agent with the default interval is read.
const SETTLED: Duration = Duration::from_mins(1);

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the output of a program"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["read"] => read(),
        ["collect"] => collect(),
        [seconds, agent, uri] => compare(seconds, agent, uri).map(|table| println!("{table}")),
        _ => Err("usage: cycle-cost SECONDS AGENT URI".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cycle-cost: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time is what is measured here"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn every_cycle(mut work: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    let start = Instant::now();
    for cycle in 1.. {
        work()?;
        wait((CYCLE * cycle).saturating_sub(start.elapsed()));
    }
    Ok(())
}

/// Reads each file to its end, in place.
fn read() -> Result<(), Failure> {
    let proc = Roots::default().proc;
    let files: io::Result<Vec<File>> = FILES
        .iter()
        .map(|name| File::open(proc.join(name)))
        .collect();
    let files = files?;
    let mut buffer = vec![0; 65_536];
    every_cycle(|| {
        for file in &files {
            read_whole(file, &mut buffer)?;
        }
        Ok(())
    })
}

fn collect() -> Result<(), Failure> {
    let roots = Roots::default();
    let scheme = Scheme::new("venus001")?;
    let mut collectors = Vec::new();
    for spec in registry::all() {
        if spec
            .builtin
            .is_some_and(|builtin| builtin.subscription == "physical")
        {
            let given = Given::of(spec.options);
            let setup = Setup {
                roots: &roots,
                scheme: &scheme,
                docker: &Host::default(),
                given: &given,
            };
            collectors.push((spec.build)(&setup)?);
        }
    }
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    every_cycle(|| {
        out.clear();
        for collector in &mut collectors {
            collector.collect(1_453_048_230, &mut out, &mut problems)?;
        }
        black_box(&out);
        Ok(())
    })
}

/// What a process cost in all its turns.
#[derive(Debug, Default)]
struct Cost {
    nanoseconds: u64,
    memory: String,
}

/// One turn: starts it, lets it warm up, and adds what it costs in `time`.
fn turn(command: &mut Command, time: Duration, cost: &mut Cost) -> Result<(), Failure> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let child = Running(child);
    wait(WARM_UP);
    let before = child.cpu()?;
    wait(time);
    cost.nanoseconds += child.cpu()? - before;
    cost.memory = child.memory()?;
    Ok(())
}

/// A process that ends when this is dropped.
struct Running(Child);

impl Running {
    /// Nanoseconds of CPU time of all its threads so far.
    fn cpu(&self) -> Result<u64, Failure> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            let on_cpu = stat.split(' ').next().unwrap_or_default();
            total += on_cpu.parse::<u64>()?;
        }
        Ok(total)
    }

    /// `VmRSS` and `VmHWM` as the kernel has them.
    fn memory(&self) -> Result<String, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let words: Vec<&str> = status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
            .flat_map(str::split_whitespace)
            .collect();
        Ok(words.join(" "))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let killed = self.0.kill();
        drop(killed.and_then(|()| self.0.wait()));
    }
}

fn compare(seconds: &str, agent: &str, uri: &str) -> Result<String, Failure> {
    let seconds: u32 = seconds.parse()?;
    let own = env::current_exe()?;
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("none"))?;
    let with_settings = |name: &str, builtin: bool, interval: u32| -> io::Result<Command> {
        let file = dir.path().join(format!("{name}.json"));
        write_settings(&file, name, builtin, interval)?;
        let mut command = Command::new(agent);
        command.arg("-c").arg(&file);
        command.arg("-d").arg(dir.path().join("none"));
        command.env("RABBITMQ_URL", uri);
        Ok(command)
    };
    let mut read = Command::new(&own);
    read.arg("read");
    let mut collect = Command::new(&own);
    collect.arg("collect");
    let mut commands = [
        ("read", read),
        ("collect", collect),
        ("agent", with_settings("agent", false, 1)?),
        ("deliver", with_settings("deliver", true, 1)?),
    ];
    let mut costs: [Cost; 4] = Default::default();
    for _ in 0..TURNS {
        for ((_, command), cost) in commands.iter_mut().zip(&mut costs) {
            turn(command, CYCLE * seconds, cost)?;
        }
    }
    let mut settled = Cost::default();
    turn(
        &mut with_settings("settled", true, 10)?,
        SETTLED,
        &mut settled,
    )?;
    let cycles = f64::from(seconds * TURNS);
    let micros = costs.each_ref().map(|cost| {
        let total = Duration::from_nanos(cost.nanoseconds);
        total.as_secs_f64() * 1e6 / cycles
    });
    let [bare, _, idle, deliver] = micros;
    let mut table = format!(
        "{:<8} {:>8} {:>6}  memory\n",
        "process", "us/cycle", "ratio"
    );
    for (((name, _), cost), micros) in commands.iter().zip(&costs).zip(micros) {
        let ratio = micros / bare;
        table.push_str(&format!(
            "{name:<8} {micros:>8.0} {ratio:>6.2}  {}\n",
            cost.memory
        ));
    }
    let delivery = deliver - idle;
    let ratio = delivery / bare;
    table.push_str(&format!(
        "deliver less agent: {delivery:.0} us/cycle, ratio {ratio:.2}\n\
         interval 10 s, after {} s: {}",
        SETTLED.as_secs(),
        settled.memory,
    ));
    Ok(table)
}

fn write_settings(file: &Path, name: &str, builtin: bool, interval: u32) -> io::Result<()> {
    let settings = format!(
        r#"{{"client": {{"name": "{name}", "address": "127.0.0.1", "subscriptions": ["physical"]}},
            "venus": {{"builtin_checks": {builtin}, "interval": {interval}}}}}"#
    );
    fs::write(file, settings)
}
