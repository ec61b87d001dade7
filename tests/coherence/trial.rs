//! One scenario: a cluster that works, faults, and what callers saw of it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pim_authz::pb::GetStatusResponse;
use tokio::time::{Instant, sleep};

use crate::{
    cluster::{Cluster, LEASE, Postgres},
    fault::Fault,
    history::{History, REGISTERS},
    remade,
    workload::{self, Shared},
};

/// How many servers a cluster has.
pub(crate) const SERVERS: usize = 3;

/// How long a cluster works before a fault and, at least, after it.
const CALM: Duration = Duration::from_millis(700);

/// How long it may take until every register is written and every server answers
/// again.
const RECOVERY: Duration = Duration::from_mins(1);

/// What came of a scenario.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) retries: u64,
    pub(crate) failures: u64,
    /// Of the writes that ended before the fault, and of all.
    pub(crate) write_latency: Vec<Duration>,
    pub(crate) longest_gaps: Vec<Duration>,
    pub(crate) statuses: Vec<GetStatusResponse>,
    pub(crate) verdict: Verdict,
}

/// Whether one order explains what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Explained,
    /// The calls that it does not.
    Unexplained(String),
    /// It does, but not everybody was served again in time.
    NotRecovered,
}

/// Runs faults at the same time, each of the server with the same number.
pub(crate) async fn run(
    postgres: &mut Postgres,
    faults: &[Fault],
    environment: &[(&str, &str)],
) -> Outcome {
    let lease = faults.iter().map(|fault| fault.lease()).max();
    let lease = lease.unwrap_or(LEASE);
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut cluster = Cluster::start(postgres, SERVERS, lease, environment.collect()).await;
    workload::set_up(cluster.servers[0].door.channel()).await;
    let doors = cluster.servers.iter().map(|server| server.door.clone());
    let shared = Shared::new(doors.collect());
    let mut callers = Vec::new();
    for register in 0..REGISTERS {
        callers.push(workload::writer(&shared, register));
    }
    for server in 0..SERVERS {
        for asked in workload::ASKED {
            callers.push(workload::reader(&shared, server, asked));
        }
        callers.push(workload::lister(&shared, server));
        callers.push(workload::pager(&shared, server));
        callers.push(remade::asker(&shared, server));
    }
    callers.push(remade::remaker(&shared));
    sleep(CALM).await;
    for (server, fault) in faults.iter().enumerate() {
        fault.begin(&mut cluster, server).await;
    }
    let length = faults.iter().map(|fault| fault.length()).max();
    sleep(length.unwrap_or_default()).await;
    for (server, fault) in faults.iter().enumerate() {
        fault.end(&mut cluster, server).await;
    }
    cluster.revive().await;
    let recovered = recover(&shared).await;
    sleep(CALM).await;
    let statuses = cluster.statuses().await;
    shared.end();
    for caller in callers {
        caller.await.unwrap();
    }
    cluster.stop().await;
    let history = shared.history.lock().unwrap().clone();
    outcome(&shared, &history, statuses, recovered)
}

/// Waits until every register was written and every server has answered, after
/// now. Whether they did in time.
async fn recover(shared: &Arc<Shared>) -> bool {
    let (writes, reads) = {
        let history = shared.history.lock().unwrap();
        (history.writes.len(), history.reads.len())
    };
    let begun = Instant::now();
    loop {
        {
            let history = shared.history.lock().unwrap();
            let written = |register| {
                let new = history.writes[writes..].iter();
                new.filter(|write| write.register == register && write.ended.is_some())
                    .count()
            };
            let answers = |server: usize| {
                let who = format!("server {server}");
                history.reads[reads..].iter().any(|read| read.who == who)
            };
            if (0..REGISTERS).all(|register| written(register) > 1) && (0..SERVERS).all(answers) {
                return true;
            }
        }
        if begun.elapsed() > RECOVERY {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn outcome(
    shared: &Shared,
    history: &History,
    statuses: Vec<GetStatusResponse>,
    recovered: bool,
) -> Outcome {
    let acknowledged = history.writes.iter();
    let acknowledged =
        acknowledged.filter_map(|write| Some(write.ended?.saturating_sub(write.begun)));
    let mut write_latency: Vec<Duration> = acknowledged.collect();
    write_latency.sort_unstable();
    Outcome {
        reads: history.reads.len(),
        writes: write_latency.len(),
        retries: shared.retries.load(Ordering::Relaxed),
        failures: shared.failures.load(Ordering::Relaxed),
        write_latency,
        longest_gaps: shared.longest_gaps(),
        statuses,
        verdict: match history.explained() {
            Err(why) => Verdict::Unexplained(why),
            Ok(()) if recovered => Verdict::Explained,
            Ok(()) => Verdict::NotRecovered,
        },
    }
}
