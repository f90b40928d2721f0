//! `check-temperature`: whether the hardware is cool, and its fans turn.
//!
//! Reads `SYS/class/hwmon/hwmonN`, as `metrics-hwmon` does, and the limits that each chip has.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use clap::ArgMatches;

use crate::check::{Check, limits};
use crate::context::{Context, Failure};
use crate::source::sysfs::line;
use crate::status::{Findings, Limit, Limits, Outcome, Perfdata, Status, Unit};

/// The check's declaration.
pub(super) static CHECK: Check = Check {
    name: "check-temperature",
    title: "CheckTemperature",
    about: "Whether the hardware is cool, and its fans turn",
    example: "-w 75 -c 90",
    arguments: || {
        limits::arguments(
            "Degrees Celsius that are worth a warning [default: the sensor's own maximum]",
            "Degrees Celsius that are critical [default: the sensor's own critical value]",
        )
        .into()
    },
    looks_at: |_, context| vec![context.roots.sys.join(FOLDER).display().to_string()],
    run,
};

/// Below sysfs.
const FOLDER: &str = "class/hwmon";

fn run(matches: &ArgMatches, context: &Context) -> Result<Outcome, Failure> {
    // Refused before anything is looked at, also where there is no sensor.
    limits::given(matches, Limits::at_least, [None, None])?;
    let folder = context.roots.sys.join(FOLDER);
    let mut chips = match names(&folder) {
        Ok(chips) => chips,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Failure::read(&folder, &error)),
    };
    chips.sort();
    let mut found = Found::default();
    for chip in &chips {
        context.step(format!("asking the sensors of {chip}"));
        // One that cannot be read says nothing of the others.
        if let Err(failure) = found.chip(&folder.join(chip), matches) {
            found.findings.add(Status::Unknown, failure.to_string());
        }
    }
    if found.sensors == 0 && found.findings.worst() == Status::Ok {
        let what = format!("no sensor of temperature or fan below {}", folder.display());
        return Err(Failure::new(what));
    }
    let hottest = match &found.hottest {
        Some((degrees, name)) => format!(", the hottest is {name} with {degrees}°C"),
        None => String::new(),
    };
    let sensors = found.sensors;
    let mut outcome = found
        .findings
        .outcome(format!("{sensors} sensors{hottest}"));
    outcome.perfdata = found.perfdata;
    Ok(outcome)
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into());
    entries.map(name).collect()
}

/// Those that are files of this folder, by kind and number.
fn sensors(folder: &Path) -> Result<BTreeMap<(&'static str, u32), String>, Failure> {
    let files = names(folder).map_err(|error| Failure::read(folder, &error))?;
    let mut sensors = BTreeMap::new();
    for file in &files {
        let Some(sensor) = file.strip_suffix("_input") else {
            continue;
        };
        for kind in ["temp", "fan"] {
            let number = sensor.strip_prefix(kind).and_then(|rest| rest.parse().ok());
            sensors.extend(number.map(|number| ((kind, number), sensor.to_owned())));
        }
    }
    Ok(sensors)
}

#[derive(Default)]
struct Found {
    findings: Findings,
    perfdata: Vec<Perfdata>,
    hottest: Option<(f64, String)>,
    sensors: u32,
}

impl Found {
    fn chip(&mut self, folder: &Path, matches: &ArgMatches) -> Result<(), Failure> {
        let mut folder = folder.to_owned();
        let mut sensors = sensors(&folder)?;
        // Drivers of older kernels, such as that of CentOS 7, have all below their device.
        let device = folder.join("device");
        if sensors.is_empty() && device.is_dir() {
            sensors = self::sensors(&device)?;
            folder = device;
        }
        if sensors.is_empty() {
            return Ok(());
        }
        let chip = line(&folder.join("name"))?.unwrap_or_default();
        for ((kind, _), sensor) in sensors {
            // One that cannot be read says nothing of the others.
            if let Err(failure) = self.sensor(&folder, &chip, kind, &sensor, matches) {
                self.sensors += 1;
                self.findings.add(Status::Unknown, failure.to_string());
            }
        }
        Ok(())
    }

    fn sensor(
        &mut self,
        folder: &Path,
        chip: &str,
        kind: &str,
        sensor: &str,
        matches: &ArgMatches,
    ) -> Result<(), Failure> {
        let number = |what: &str| milli(&folder.join(format!("{sensor}_{what}")));
        let label = line(&folder.join(format!("{sensor}_label")))?;
        let name = format!("{chip} {}", label.as_deref().unwrap_or(sensor));
        if number("fault")?.is_some_and(|fault| fault > 0.0) {
            return Err(Failure::new(format!("{name} is faulty")));
        }
        let Some(value) = number("input")? else {
            return Ok(());
        };
        if kind == "fan" {
            let least = number("min")?;
            self.fan(&name, value * 1000.0, least.map(|least| least * 1000.0));
        } else {
            let own = [number("max")?, number("crit")?];
            self.temperature(&name, value, own, matches)?;
        }
        self.sensors += 1;
        Ok(())
    }

    fn fan(&mut self, name: &str, turns: f64, least: Option<f64>) {
        if let Some(least) = least.filter(|least| turns < *least) {
            let what = format!("{name} turns {turns} times a minute, expected {least}");
            self.findings.add(Status::Critical, what);
        }
        self.perfdata
            .push(Perfdata::new(name, turns, Unit::None).min(0));
    }

    fn temperature(
        &mut self,
        name: &str,
        degrees: f64,
        own: [Option<f64>; 2],
        matches: &ArgMatches,
    ) -> Result<(), Failure> {
        let limits = match limits::both::<Limit>(matches) {
            [None, None] => {
                // Some chips say 0 where they have no limit, and some have them upside down.
                let own = own.map(|limit| limit.filter(|limit| *limit > 0.0).map(Limit::Number));
                let [warning, critical] = own;
                Limits::at_least(warning, critical).or_else(|_| Limits::at_least(None, critical))?
            }
            [warning, critical] => Limits::at_least(warning, critical)?,
        };
        let (status, limit) = limits::judged(&limits, degrees, "°C");
        let what = format!("{name} has {degrees}°C, threshold {limit}");
        self.findings.add(status, what);
        if self
            .hottest
            .as_ref()
            .is_none_or(|(most, _)| degrees > *most)
        {
            self.hottest = Some((degrees, name.to_owned()));
        }
        let figure = Perfdata::new(name, degrees, Unit::None);
        self.perfdata.push(figure.thresholds(limits.thresholds()));
        Ok(())
    }
}

/// A number in thousandths; `None` if it is not there.
fn milli(path: &Path) -> Result<Option<f64>, Failure> {
    let Some(text) = line(path)? else {
        return Ok(None);
    };
    match text.parse::<i32>() {
        Ok(number) => Ok(Some(f64::from(number) / 1000.0)),
        Err(_) => Err(Failure::malformed(path, "it is not a whole number")),
    }
}
