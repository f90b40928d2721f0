//! What INFO means.

use clap::ArgMatches;

use crate::check::limits;
use crate::context::Failure;
use crate::service::redis::Seen;
use crate::service::redis::info::{Fields, Info};
use crate::status::{
    Findings, Limits, Outcome, Perfdata, Status, Thresholds, Unit, counted, hundredths,
};

/// The thresholds.
pub(super) struct Wanted<'a> {
    role: Option<&'a str>,
    replicas: u64,
    max_lag: Option<u64>,
    max_silence: u64,
    memory: Limits,
    /// Without defaults, for a server that is meant to be full.
    memory_given: Limits,
    in_megabytes: bool,
    clients: Limits,
    clients_are_given: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(matches: &'a ArgMatches) -> Result<Self, Failure> {
        let in_megabytes = matches.get_flag("megabytes");
        let none = [None, None];
        let usual = [Some(80.0), Some(95.0)];
        if !in_megabytes {
            limits::refuse_above_100(matches)?;
        }
        let number = |name: &str| matches.get_one(name).copied();
        let of_clients = ["clients-warning", "clients-critical"];
        Ok(Self {
            role: matches
                .get_one::<String>("role")
                .map(|role| match role.as_str() {
                    "replica" => "slave",
                    role => role,
                }),
            replicas: number("replicas").unwrap_or_default(),
            max_lag: number("max-lag"),
            max_silence: number("max-silence").unwrap_or_default(),
            memory: limits::given(
                matches,
                Limits::at_least,
                if in_megabytes { none } else { usual },
            )?,
            memory_given: limits::given(matches, Limits::at_least, none)?,
            in_megabytes,
            clients: limits::named(matches, of_clients, Limits::at_least, usual)?,
            clients_are_given: of_clients.iter().any(|name| matches.contains_id(name)),
        })
    }
}

/// What is to be said of it.
#[derive(Default)]
pub(super) struct Judged {
    findings: Findings,
    right: Vec<String>,
    perfdata: Vec<Perfdata>,
}

impl Judged {
    pub(super) fn of(seen: &Seen, wanted: &Wanted<'_>) -> Self {
        let mut judged = Self::default();
        judged.ping(seen);
        match &seen.info {
            Ok(info) => judged.info(info, seen, wanted),
            Err(error) => judged.add(error.status(), error.to_string()),
        }
        judged
    }

    fn ping(&mut self, seen: &Seen) {
        let says_so = |info: &Info| info.get("loading") == Some("1");
        let is_loading = seen.info.as_ref().is_ok_and(says_so);
        match &seen.ping {
            Ok(Some(said)) if !is_loading && !said.starts_with("LOADING") => {
                self.critical(format!("it answers PING with {said}"));
            }
            Ok(None) if !is_loading => {}
            Ok(_) => {
                let info = seen.info.as_ref().ok();
                let percent = info.and_then(|info| info.get("loading_loaded_perc"));
                let far = percent.map_or(String::new(), |percent| format!(", {percent}% so far"));
                self.warn(format!("it is loading its data{far}"));
            }
            Err(error) => self.add(error.status(), error.to_string()),
        }
    }

    fn info(&mut self, info: &Info, seen: &Seen, wanted: &Wanted<'_>) {
        let version = info.get("redis_version").unwrap_or_default();
        self.right.push(format!("Redis {version}"));
        let is_sentinel = info.get("redis_mode") == Some("sentinel");
        let role = if is_sentinel {
            "sentinel"
        } else {
            info.get("role").unwrap_or_default()
        };
        if let Some(expected) = wanted.role
            && expected != role
        {
            self.critical(format!("it is a {role}, expected a {expected}"));
        }
        match role {
            "sentinel" => self.sentinel(info),
            "slave" => self.replica(info, wanted),
            _ => self.master(info, wanted),
        }
        self.saving(info);
        self.memory(info, wanted);
        self.clients(info, seen.maxclients, wanted);
    }

    pub(super) fn outcome(self) -> Outcome {
        let mut outcome = self.findings.outcome(self.right.join(", "));
        outcome.perfdata = self.perfdata;
        outcome
    }

    pub(super) fn add(&mut self, status: Status, what: String) {
        self.findings.add(status, what);
    }

    fn warn(&mut self, what: String) {
        self.add(Status::Warning, what);
    }

    fn critical(&mut self, what: String) {
        self.add(Status::Critical, what);
    }

    fn sentinel(&mut self, info: &Info) {
        let masters: Vec<Fields<'_>> = info.each("master").collect();
        for master in &masters {
            let (name, address) = (master.get("name"), master.get("address"));
            match master.get("status") {
                "ok" => {}
                // Others may still reach it.
                "sdown" => self.warn(format!(
                    "this sentinel cannot reach master {name} at {address}"
                )),
                status => self.critical(format!("master {name} at {address} is {status}")),
            }
        }
        if info.get("sentinel_tilt") == Some("1") {
            self.warn("it is in TILT mode: its clock jumped, and it acts on nothing".to_owned());
        }
        let all = counted(masters.len(), "master");
        self.right.push(format!("a sentinel of {all}"));
    }

    fn replica(&mut self, info: &Info, wanted: &Wanted<'_>) {
        let host = info.get("master_host").unwrap_or_default();
        let port = info.get("master_port").unwrap_or_default();
        let master = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        self.right.push(format!("a replica of {master}"));
        if info.get("master_link_status") != Some("up") {
            if info.get("master_sync_in_progress") == Some("1") {
                self.warn(format!("it is copying all data of its master {master}"));
                return;
            }
            // -1 where it was never up.
            let since = match info.number("master_link_down_since_seconds") {
                Some(seconds) => format!(" for {seconds} s"),
                None => String::new(),
            };
            self.critical(format!("the link to its master {master} is down{since}"));
            return;
        }
        if let Some(silent) = info.number("master_last_io_seconds_ago") {
            if silent > wanted.max_silence {
                self.warn(format!(
                    "nothing heard of its master {master} for {silent} s, expected at most {} s",
                    wanted.max_silence
                ));
            }
            let figure = Perfdata::new("silence of the master", silent, Unit::Seconds);
            let limits = at_most(Some(wanted.max_silence));
            self.perfdata.push(figure.thresholds(limits).min(0));
        }
    }

    fn master(&mut self, info: &Info, wanted: &Wanted<'_>) {
        let written = info.number("master_repl_offset").unwrap_or_default();
        let mut online = 0_u64;
        for replica in info.each("slave") {
            let name = format!("{}:{}", replica.get("ip"), replica.get("port"));
            let state = replica.get("state");
            if state != "online" {
                self.warn(format!("replica {name} is not online yet ({state})"));
                continue;
            }
            online += 1;
            if let Ok(silent) = replica.get("lag").parse::<u64>()
                && silent > wanted.max_silence
            {
                self.warn(format!(
                    "nothing heard of replica {name} for {silent} s, expected at most {} s",
                    wanted.max_silence
                ));
            }
            let Ok(has) = replica.get("offset").parse::<u64>() else {
                continue;
            };
            let lag = written.saturating_sub(has);
            if let Some(most) = wanted.max_lag
                && lag > most
            {
                self.warn(format!(
                    "replica {name} is {lag} bytes behind, expected at most {most}"
                ));
            }
            let figure = Perfdata::new(format!("lag of {name}"), lag, Unit::Bytes);
            let limits = at_most(wanted.max_lag);
            self.perfdata.push(figure.thresholds(limits).min(0));
        }
        let all = counted(online, "replica");
        if online < wanted.replicas {
            self.critical(format!("{all} online, expected {}", wanted.replicas));
        }
        self.right.push(format!("a master with {all}"));
        let figure = Perfdata::new("replicas", online, Unit::None);
        let limits = at_least(wanted.replicas);
        self.perfdata.push(figure.thresholds(limits).min(0));
    }

    /// Redis refuses to write where it could not save, unless it was told otherwise.
    fn saving(&mut self, info: &Info) {
        for (key, what) in [
            ("rdb_last_bgsave_status", "the last save to its disk failed"),
            ("aof_last_write_status", "the last write to its AOF failed"),
        ] {
            if info.get(key).is_some_and(|status| status != "ok") {
                self.critical(format!("{what}; it may refuse to change anything"));
            }
        }
        if info
            .get("aof_last_bgrewrite_status")
            .is_some_and(|status| status != "ok")
        {
            self.warn("the last rewrite of its AOF failed".to_owned());
        }
    }

    fn memory(&mut self, info: &Info, wanted: &Wanted<'_>) {
        let Some(used) = info.number("used_memory") else {
            return;
        };
        let megabytes = used >> 20;
        let most = info.number("maxmemory").filter(|most| *most > 0);
        if wanted.in_megabytes {
            let limits = &wanted.memory;
            let status = limits.judge(megabytes);
            let what = format!("{megabytes} MB of memory used");
            let reached = limits::reached_in(limits, status, " MB");
            self.findings.add(status, format!("{what}{reached}"));
            self.right.push(what);
            let figure = Perfdata::new("memory MB", megabytes, Unit::None);
            self.perfdata
                .push(figure.thresholds(limits.thresholds()).min(0));
            return;
        }
        let (all, whose) = match (most, info.number("total_system_memory")) {
            (Some(most), _) => (most, "maxmemory"),
            (None, Some(total)) if total > 0 => (total, "the host's memory"),
            (None, _) => return,
        };
        // One that evicts is a cache, which is meant to be full.
        let policy = info.get("maxmemory_policy").unwrap_or("noeviction");
        let evicts = most.is_some() && policy != "noeviction";
        let limits = if evicts {
            &wanted.memory_given
        } else {
            &wanted.memory
        };
        let percent = share(used, all);
        let what = format!("{percent}% of {whose} used");
        let status = limits.judge(percent);
        let reached = limits::reached_in(limits, status, "%");
        let of_all = format!("{megabytes} of {} MB", all >> 20);
        self.findings
            .add(status, format!("{what} ({of_all}){reached}"));
        self.right.push(what);
        let figure = Perfdata::new("memory", percent, Unit::Percent);
        self.perfdata
            .push(figure.thresholds(limits.thresholds()).min(0));
    }

    fn clients(&mut self, info: &Info, most: Option<u64>, wanted: &Wanted<'_>) {
        let Some(connected) = info.number("connected_clients") else {
            return;
        };
        let figure = Perfdata::new("clients", connected, Unit::None).min(0);
        let Some(most) = most.filter(|most| *most > 0) else {
            let all = counted(connected, "client");
            if wanted.clients_are_given {
                self.add(
                    Status::Unknown,
                    format!(
                        "{all} connected, and it does not tell of how many (maxclients): \
                         let this user CONFIG GET, or leave --clients-warning and \
                         --clients-critical out"
                    ),
                );
            }
            self.right.push(format!("{all} connected"));
            self.perfdata.push(figure);
            return;
        };
        let limits = &wanted.clients;
        let what = format!("{connected} of {} connected", counted(most, "client"));
        let percent = share(connected, most);
        let status = limits.judge(percent);
        let reached = limits::reached_in(limits, status, "%");
        self.findings
            .add(status, format!("{what} ({percent}%){reached}"));
        self.right.push(what);
        let share = Perfdata::new("clients used", percent, Unit::Percent);
        let share = share.thresholds(limits.thresholds()).min(0);
        self.perfdata.extend([figure.max(most), share]);
    }

    pub(super) fn first_run(&mut self) {
        let what = "first run, clients turned away are counted from here on";
        self.right.push(what.to_owned());
    }

    pub(super) fn rejected(&mut self, new: u64) {
        if new > 0 {
            let all = counted(new, "client");
            self.warn(format!("{all} turned away since the last run"));
        }
    }
}

/// The thresholds of a figure that is worth a warning above this.
fn at_most(most: Option<u64>) -> Thresholds {
    let range = most.and_then(|most| most.to_string().parse().ok());
    Thresholds::new(range, None).unwrap_or_default()
}

/// Those of one that is critical below this.
fn at_least(least: u64) -> Thresholds {
    let range = (least > 0).then(|| format!("{least}:").parse().ok());
    Thresholds::new(None, range.flatten()).unwrap_or_default()
}

fn share(used: u64, all: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a percentage is no exact number"
    )]
    hundredths(100.0 * used as f64 / all as f64)
}
