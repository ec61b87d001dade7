//! Every named statement of writes, leases and loads, with each fault that can happen
//! there: its server dies or stands still, its connection is cut before or after it, or
//! its reply is lost. Whatever happens, one order explains what the callers see.

mod table;

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::{join_all, select_all};
use strum::IntoEnumIterator as _;
use tokio::time::{sleep, timeout};

use self::table::{Cause, NOT_STRUCK, Row, rows};
use crate::{
    cluster::{Cluster, Postgres},
    postgres_proxy::{Fault as Held, Proxy, Traffic, commit_of, reply, request},
    scenario::{SERVERS, Verdict, recover, under_load},
};

/// Lease of the servers.
const LEASE: Duration = Duration::from_millis(500);

/// Interval between the calls of a reader: there are many cases.
const PACE: Duration = Duration::from_millis(500);

/// Maximum time until a statement is sent.
const LONGEST: Duration = Duration::from_secs(50);

/// Servers that make every kind of write.
const WRITERS: [usize; 2] = [1, 2];

/// Another server.
const OTHER: usize = 0;

/// A fault at a statement.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// The server is killed when it has sent the statement, which is executed then.
    Kill,
    /// The same, but the server is only stopped for half a lease.
    StopForHalfALease,
    /// As before, for two leases.
    StopForTwoLeases,
    /// The connection is cut before the statement is executed.
    CutBefore,
    /// The connection is cut after it was executed, before the reply.
    CutAfter,
    /// The reply is lost, and the connection is cut two leases later.
    SwallowReply,
}

const STRIKES: [Strike; 6] = [
    Strike::Kill,
    Strike::StopForHalfALease,
    Strike::StopForTwoLeases,
    Strike::CutBefore,
    Strike::CutAfter,
    Strike::SwallowReply,
];

/// Strikes a server at a statement.
async fn strike(cluster: &Cluster<'_>, (server, row, strike): Cell) {
    let proxy = &cluster.proxies[server];
    let held = match strike {
        Strike::Kill | Strike::StopForHalfALease | Strike::StopForTwoLeases => {
            proxy.hold(request(row.place))
        }
        Strike::CutBefore => proxy.cut(request(row.place)),
        Strike::CutAfter => proxy.cut(reply(row.place)),
        Strike::SwallowReply => proxy.swallow(reply(row.place)),
    };
    let rivals = rivals(server, row.cause);
    let arrived = timeout(LONGEST, async {
        if row.cause == Cause::NewEpoch {
            freeze(cluster, &rivals);
        }
        provoke(cluster, server, row.cause).await;
        freeze(cluster, &rivals);
        held.arrived().await;
    });
    assert!(arrived.await.is_ok(), "{row:?} was not sent");
    for rival in &rivals {
        cluster.thaw(*rival);
    }
    match strike {
        Strike::Kill => cluster.kill(server),
        Strike::StopForHalfALease => stand_still(cluster, server, &held, LEASE / 2).await,
        Strike::StopForTwoLeases => stand_still(cluster, server, &held, LEASE * 2).await,
        Strike::CutBefore | Strike::CutAfter => {}
        Strike::SwallowReply => sleep(LEASE * 2).await,
    }
    held.release();
}

fn freeze(cluster: &Cluster<'_>, servers: &[usize]) {
    for server in servers {
        cluster.freeze(*server);
    }
}

/// Returns the servers that stand still until a server has sent its statement: of several
/// that can begin an epoch, or remove what a dead server left, the first one does.
fn rivals(server: usize, cause: Cause) -> Vec<usize> {
    let other = WRITERS.into_iter().filter(|other| *other != server);
    match cause {
        Cause::NewEpoch => other.chain([OTHER]).collect(),
        Cause::DeadServer | Cause::DeadWriter => other.collect(),
        Cause::Load
        | Cause::Writes
        | Cause::Rejoining
        | Cause::Leaving
        | Cause::LostAnnouncement
        | Cause::LostCommit => Vec::new(),
    }
}

async fn stand_still(cluster: &Cluster<'_>, server: usize, held: &Held, time: Duration) {
    cluster.freeze(server);
    held.release();
    sleep(time).await;
    cluster.thaw(server);
}

/// Makes a server send a statement that the load alone does not.
async fn provoke(cluster: &Cluster<'_>, server: usize, cause: Cause) {
    let proxy = &cluster.proxies[server];
    match cause {
        Cause::Load | Cause::Writes => {}
        Cause::Rejoining => {
            // Another server ends its lease, so it joins again.
            let others = (0..SERVERS).filter(|other| *other != server);
            let ended = others.map(|other| cluster.proxies[other].observe(reply("end_lease")));
            let ended: Vec<Held> = ended.collect();
            proxy.set(Traffic::IsRefused);
            select_all(ended.iter().map(|ended| Box::pin(ended.arrived()))).await;
            proxy.set(Traffic::Passes);
        }
        Cause::NewEpoch => {
            let promote = "UPDATE pim_authz.head SET fingerprint = 'another'";
            cluster.execute(promote).await;
        }
        Cause::Leaving => cluster.terminate(server),
        Cause::LostAnnouncement => {
            proxy.cut(reply("announce")).arrived().await;
        }
        Cause::LostCommit => {
            proxy.cut(reply(commit_of("finish_write"))).arrived().await;
        }
        Cause::DeadServer => cluster.kill(OTHER),
        Cause::DeadWriter => {
            let using = cluster.proxies[OTHER].hold(request("use_intent"));
            using.arrived().await;
            cluster.kill(OTHER);
            using.release();
        }
    }
}

/// A strike at a row, on one server.
type Cell = (usize, Row, Strike);

/// Returns the cells of the rows that something provokes, on these servers in turn.
fn cells(cause: Cause, servers: &[usize]) -> Vec<Vec<Cell>> {
    let only = std::env::var("PIM_AUTHZ_COHERENCE_STATEMENT");
    let is_wanted = |row: &Row| only.as_ref().map_or(true, |only| only == row.name());
    let rows = rows().into_iter().filter(is_wanted);
    let rows: Vec<Row> = rows.filter(|row| row.cause == cause).collect();
    // Each server is struck at one row of a chunk.
    let chunks = rows.chunks(servers.len()).enumerate();
    let rounds = chunks.flat_map(|(number, rows)| {
        let strikes = strikes(number, rows);
        strikes.into_iter().map(move |strike| {
            let cells = servers.iter().zip(rows);
            cells.map(|(server, row)| (*server, *row, strike)).collect()
        })
    });
    rounds.collect()
}

/// Returns the strikes at a chunk of rows: all, or by default two in turn if all rows are of a
/// rehearsal, which is rolled back.
fn strikes(number: usize, rows: &[Row]) -> Vec<Strike> {
    let is_whole = std::env::var_os("PIM_AUTHZ_COHERENCE_ROUNDS").is_some();
    if is_whole || !rows.iter().all(|row| row.is_of_rehearsal()) {
        return STRIKES.to_vec();
    }
    let from = number * 2 % STRIKES.len();
    STRIKES[from..from + 2].to_vec()
}

/// Strikes in each round, and checks what the callers saw.
async fn right_whatever_happens(rounds: Vec<Vec<Cell>>) {
    let mut postgres = Postgres::start().await;
    let cluster = Cluster::start(&mut postgres, SERVERS, LEASE, Vec::new()).await;
    let mut seen = BTreeSet::new();
    let outcome = under_load(cluster, PACE, async |cluster, shared| {
        for round in rounds {
            println!("{:.1} s: {round:?}", shared.now().as_secs_f64());
            // What provokes a statement finds servers that have recovered.
            if round.iter().any(|(_, row, _)| row.cause.is_fault()) {
                assert!(recover(shared, 1).await, "not before {round:?}");
            }
            join_all(round.iter().map(|cell| strike(cluster, *cell))).await;
            cluster.revive().await;
        }
        seen.extend(cluster.proxies.iter().flat_map(Proxy::seen));
    })
    .await;
    assert_eq!(outcome.verdict, Verdict::Explained);
    let of_rows = rows().into_iter().map(Row::name);
    let known: BTreeSet<&str> = of_rows.chain(NOT_STRUCK).collect();
    seen.retain(|name| !known.contains(name.as_str()));
    assert_eq!(seen, BTreeSet::new(), "statements without a row");
}

/// G1, G2 and one-instant decisions hold whatever happens at a statement of a write, and the
/// servers recover from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_see_one_order_whatever_happens_in_a_write() {
    right_whatever_happens(cells(Cause::Writes, &WRITERS)).await;
}

/// The same for statements of the lease, the log, loads and the upkeep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_see_one_order_whatever_happens_at_other_statements() {
    let faults = Cause::iter().filter(|cause| cause.is_fault());
    let faults = faults.flat_map(|cause| cells(cause, &WRITERS[..1]));
    // Another one goes on writing meanwhile.
    let by_load = cells(Cause::Load, &[OTHER, WRITERS[0]]);
    right_whatever_happens(faults.chain(by_load).collect()).await;
}
