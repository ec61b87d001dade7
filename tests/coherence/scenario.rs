//! One scenario: a cluster under load, faults, and the check of its history.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pim_authz::pb::GetStatusResponse;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    cluster::{Cluster, LEASE, Postgres},
    fault::Fault,
    history::{History, REGISTERS},
    registers, remade,
    workload::{self, PACE, Shared},
};

/// Number of servers of a cluster.
pub(crate) const SERVERS: usize = 3;

/// Time under load before the faults and, at least, after them.
const CALM: Duration = Duration::from_millis(700);

/// Maximum time until every register is written and every server answers again.
const RECOVERY: Duration = Duration::from_mins(1);

/// Result of a scenario.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    pub(crate) retries: u64,
    pub(crate) failures: u64,
    /// Durations of all acknowledged writes, sorted.
    pub(crate) write_latency: Vec<Duration>,
    pub(crate) longest_gaps: Vec<Duration>,
    pub(crate) statuses: Vec<GetStatusResponse>,
    pub(crate) verdict: Verdict,
}

/// Result of the check that one order explains the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Explained,
    /// No order explains it; the calls of one cycle.
    Unexplained(String),
    /// An order explains it, but not every server and register recovered in time.
    NotRecovered,
}

/// Runs a scenario with simultaneous faults: the n-th fault affects the n-th
/// server.
pub(crate) async fn run(
    postgres: &mut Postgres,
    faults: &[Fault],
    environment: &[(&str, &str)],
) -> Outcome {
    let lease = faults.iter().map(|fault| fault.lease()).max();
    let lease = lease.unwrap_or(LEASE);
    let environment = environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let cluster = Cluster::start(postgres, SERVERS, lease, environment.collect()).await;
    under_load(cluster, PACE, async |cluster, _| {
        inject(cluster, faults).await;
    })
    .await
}

/// Begins the faults, and ends them when the longest has lasted as long as it shall.
pub(crate) async fn inject(cluster: &mut Cluster<'_>, faults: &[Fault]) {
    for (server, fault) in faults.iter().enumerate() {
        fault.begin(cluster, server).await;
    }
    let length = faults.iter().map(|fault| fault.length()).max();
    sleep(length.unwrap_or_default()).await;
    for (server, fault) in faults.iter().enumerate() {
        fault.end(cluster, server).await;
    }
}

/// Runs what is done to a cluster under the load of all callers, whose readers call at
/// this interval, and checks their history.
pub(crate) async fn under_load(
    mut cluster: Cluster<'_>,
    pace: Duration,
    faults: impl AsyncFnOnce(&mut Cluster<'_>, &Arc<Shared>),
) -> Outcome {
    registers::set_up(cluster.servers[0].channel.current()).await;
    let channels = cluster.servers.iter().map(|server| server.channel.clone());
    let shared = Shared::new(channels.collect(), pace);
    let callers = callers(&shared);
    sleep(CALM).await;
    faults(&mut cluster, &shared).await;
    cluster.revive().await;
    let recovered = recover(&shared, 2).await;
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

/// Starts all writers and readers.
fn callers(shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    let mut callers = Vec::new();
    for register in 0..REGISTERS {
        callers.push(workload::writer(shared, register));
    }
    for server in 0..SERVERS {
        for registers in workload::READ_SETS {
            callers.push(workload::reader(shared, server, registers));
        }
        callers.push(workload::lister(shared, server));
        callers.push(workload::pager(shared, server));
        callers.push(remade::reader(shared, server));
    }
    callers.extend(remade::remakers(shared));
    callers
}

/// Waits until every register is written this many times and every server has answered
/// again. True if that happened within [`RECOVERY`].
pub(crate) async fn recover(shared: &Shared, times: usize) -> bool {
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
            if (0..REGISTERS).all(|register| written(register) >= times)
                && (0..SERVERS).all(answers)
            {
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
