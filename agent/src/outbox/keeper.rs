//! Brings results to the disk and back, away from the agent's thread: a disk that hangs holds
//! nobody but those who wait for it.

use super::record::Head;
use super::spool::{Given, Spool, SpoolError, Waiting};
use super::work::Work;
use super::{BATCH_BYTES, Bounds, OnDisk, Outbox};
use crate::clock;
use crate::log::Log;
use crate::settings::Current;
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// How many results are read from the disk at a time.
const BATCH: usize = 64;
/// How long nothing is tried after the disk has failed.
const REST: Duration = Duration::from_secs(10);

/// Keeps an outbox's results in a folder.
pub(crate) struct Keeper {
    outbox: Rc<Outbox>,
    settings: Rc<Current>,
    log: Log,
    dir: PathBuf,
    spool: Option<Spool>,
    /// What was said of the disk, to say it once.
    said: Option<String>,
}

/// What has come of work on the disk.
struct Done {
    written: io::Result<HashMap<u64, u64>>,
    noted: io::Result<()>,
    given: io::Result<Given>,
    dropped: Vec<Head>,
}

/// Works on the disk, which may take its time.
fn work_on(spool: &mut Spool, work: Work, now: u64) -> Done {
    let noted = spool.done(&work.done);
    let mut dropped = Vec::new();
    let room = if work.load || !work.write.is_empty() {
        spool.make_room(now).map(|gone| dropped = gone)
    } else {
        Ok(())
    };
    let (entries, results): (Vec<u64>, Vec<Waiting>) = work.write.into_iter().unzip();
    let written = room.and_then(|()| spool.write(&results));
    Done {
        written: written.map(|numbers| entries.into_iter().zip(numbers).collect()),
        noted,
        given: if work.load {
            spool.next(BATCH, BATCH_BYTES)
        } else {
            Ok(Given::default())
        },
        dropped,
    }
}

impl Keeper {
    /// Keeps the results of `outbox` in `dir`, and takes up those that are there. What is missing
    /// is made when it is needed.
    pub(crate) async fn new(
        outbox: Rc<Outbox>,
        settings: Rc<Current>,
        log: Log,
        dir: PathBuf,
    ) -> Self {
        let mut keeper = Self {
            outbox,
            settings,
            log,
            dir,
            spool: None,
            said: None,
        };
        keeper.outbox.disk_may_work();
        if keeper.dir.is_dir()
            && let Err(error) = keeper.open().await
        {
            keeper.complain(&error.to_string());
        }
        keeper
    }

    /// Does what there is to do, for ever.
    pub(crate) async fn run(mut self) {
        let mut again = Instant::now();
        loop {
            let is_failing = self.outbox.is_disk_failing();
            // What is there is sent all the same, which makes room.
            let work = tokio::select! {
                work = self.outbox.work() => work,
                () = sleep_until(again), if is_failing => {
                    self.outbox.disk_may_work();
                    continue;
                }
            };
            if let Err(why) = self.step(work).await {
                self.complain(&why);
                again = Instant::now() + REST;
            }
            self.outbox.worked();
        }
    }

    fn bounds(&self) -> Bounds {
        self.settings.get().venus.spool.bounds
    }

    async fn open(&mut self) -> Result<(), SpoolError> {
        let (dir, bounds) = (self.dir.clone(), self.bounds());
        let opened = spawn_blocking(move || Spool::open(&dir, bounds)).await;
        let (spool, damages) = opened.unwrap_or_else(|_| Err(SpoolError::broken(&self.dir)))?;
        for damage in damages {
            let data = json!({ "path": damage.path, "bytes": damage.bytes });
            self.log.warn(
                "part of the spool is damaged: set aside, the rest is used",
                data,
            );
        }
        if spool.len() > 0 {
            let data = json!({ "path": self.dir, "results": spool.len() });
            self.log.info("results wait in the spool", data);
        }
        self.outbox.keep(spool.checks());
        self.show(&spool);
        self.spool = Some(spool);
        Ok(())
    }

    async fn step(&mut self, work: Work) -> Result<(), String> {
        if self.spool.is_none() {
            self.open().await.map_err(|error| error.to_string())?;
        }
        let Some(mut spool) = self.spool.take() else {
            return Ok(());
        };
        spool.set_bounds(self.bounds());
        let now = clock::epoch_seconds();
        let worked = spawn_blocking(move || {
            let done = work_on(&mut spool, work, now);
            (spool, done)
        });
        // A panic there is a fault of ours: what was on the disk stays there until the next start.
        let Ok((spool, done)) = worked.await else {
            return Err(SpoolError::broken(&self.dir).to_string());
        };
        self.outbox.dropped_from_disk(&done.dropped);
        self.show(&spool);
        self.spool = Some(spool);
        let name = |error: io::Error| format!("{}: {error}", self.dir.display());
        // Whatever failed, what was read is to be sent.
        let given = done.given.map(|Given { results, dropped }| {
            self.outbox.dropped_from_disk(&dropped);
            self.outbox.take_loaded(results);
        });
        let written = done.written.map_err(name)?;
        let wrote = !written.is_empty();
        self.outbox.written(written);
        given.and(done.noted).map_err(name)?;
        if wrote && self.said.take().is_some() {
            let data = json!({ "path": self.dir });
            self.log.info("results are written to the disk again", data);
        }
        Ok(())
    }

    fn show(&self, spool: &Spool) {
        self.outbox.on_disk.set(OnDisk {
            results: spool.len(),
            bytes: spool.bytes(),
            oldest: spool.oldest(),
        });
        self.outbox.loadable.set(spool.loadable());
    }

    fn complain(&mut self, why: &str) {
        self.outbox.disk_fails(why);
        if self.said.as_deref() != Some(why) {
            let data = json!({ "error": why });
            self.log.warn(
                "results cannot be written to the disk and wait in memory",
                data,
            );
            self.said = Some(why.to_owned());
        }
    }
}

impl SpoolError {
    fn broken(dir: &Path) -> Self {
        Self::Io {
            path: dir.to_owned(),
            source: io::Error::other("the spool broke down"),
        }
    }
}
