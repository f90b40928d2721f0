//! A Redis server, and the sentinels that know it.

use super::broker::{PATIENCE, compare_clocks, reach};
use super::report::Report;
use crate::clock;
use crate::settings::Redis;
use crate::transport::redis::{Server, ask_clock, ask_sentinel, say};
use redis::{RedisResult, Value, cmd};
use tokio::time::timeout;

pub(super) async fn examine(settings: &Redis, report: &mut Report) {
    let mut address = settings.address.clone();
    if !settings.sentinels.is_empty() {
        let mut known = None;
        for sentinel in &settings.sentinels {
            let area = format!("sentinel {sentinel}");
            match timeout(PATIENCE, ask_sentinel(sentinel, &settings.master)).await {
                Ok(Ok(Some(server))) => {
                    report.ok(&area, format!("{} is {server}", settings.master));
                    known = Some(server);
                }
                Ok(Ok(None)) => {
                    let advice = "see master in the redis settings";
                    let what = format!("it knows no master {}; {advice}", settings.master);
                    report.fail(&area, what);
                }
                Ok(Err(error)) => report.fail(&area, say(&error)),
                Err(_) => report.fail(&area, "no answer"),
            }
        }
        match known {
            Some(server) => address = server,
            None => return,
        }
    }
    let area = format!("broker redis {address}, db {}", settings.db);
    if !reach(&address.host, address.port, &area, report).await {
        return;
    }
    let examined = async {
        let server = Server::at(&address, settings)?;
        let mut connection = server.open().await?;
        if settings.tls.is_some() {
            report.ok(&area, "TLS: encrypted");
        }
        report.ok(&area, format!("login: to db {}", settings.db));
        // The agent itself needs neither of these.
        let role: RedisResult<Vec<Value>> = cmd("ROLE").query_async(&mut connection).await;
        match role.as_ref().map(|role| role.first()) {
            Ok(Some(Value::BulkString(role))) if role != b"master" => {
                let advice = "see sentinels in the redis settings";
                report.fail(&area, format!("role: it is a replica; {advice}"));
            }
            Ok(_) => report.ok(&area, "role: it takes what is written"),
            Err(error) => report.warn(&area, format!("role: not known: {error}")),
        }
        let asked = clock::since_epoch();
        match ask_clock(&mut connection).await {
            Ok(told) => compare_clocks(asked, told, clock::since_epoch(), &area, report),
            Err(error) => report.warn(&area, format!("clock: not known: {error}")),
        }
        RedisResult::Ok(())
    };
    match timeout(PATIENCE, examined).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report.fail(&area, format!("login: {}", say(&error))),
        Err(_) => report.fail(&area, "login: no answer; is it Redis that listens there?"),
    }
}
