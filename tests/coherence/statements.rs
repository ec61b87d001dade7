//! Every named statement of writes, leases and loads, with each fault that can happen
//! there: its server dies or stands still, its connection is cut before or after it, or
//! its reply is lost. Whatever happens, one order explains what the callers see.

mod table;

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use strum::IntoEnumIterator as _;
use tokio::time::{sleep, timeout};

use self::table::{NOT_STRUCK, Provoked, Row, rows};
use crate::{
    cluster::{Cluster, Postgres},
    postgres_proxy::{Fault as Held, Traffic, commit_of, reply, request},
    scenario::{SERVERS, Verdict, under_load},
};

/// Lease of the servers.
const LEASE: Duration = Duration::from_millis(400);

/// Maximum time until a statement is sent.
const LONGEST: Duration = Duration::from_secs(30);

/// Server that is struck at the statements that every server sends.
const ANY: usize = 0;

/// Servers that make every kind of write, and are struck at the same time.
const WRITERS: [usize; 2] = [1, 2];

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
    let rivals = rivals(server, row.provoked);
    let arrived = timeout(LONGEST, async {
        if row.provoked == Provoked::ByNewEpoch {
            rivals.iter().for_each(|rival| cluster.freeze(*rival));
        }
        provoke(cluster, server, row.provoked).await;
        rivals.iter().for_each(|rival| cluster.freeze(*rival));
        held.arrived().await;
    });
    assert!(arrived.await.is_ok(), "{row:?} was not sent");
    rivals.iter().for_each(|rival| cluster.thaw(*rival));
    match strike {
        Strike::Kill => cluster.kill(server),
        Strike::StopForHalfALease => stand_still(cluster, server, &held, LEASE / 2).await,
        Strike::StopForTwoLeases => stand_still(cluster, server, &held, LEASE * 2).await,
        Strike::CutBefore | Strike::CutAfter => {}
        Strike::SwallowReply => sleep(LEASE * 2).await,
    }
    held.release();
}

/// Returns the servers that stand still until a server has sent its statement: of several
/// that can begin an epoch, or remove what a dead server left, the first one does.
fn rivals(server: usize, provoked: Provoked) -> Vec<usize> {
    let other = WRITERS.into_iter().filter(|other| *other != server);
    match provoked {
        Provoked::ByNewEpoch => other.chain([ANY]).collect(),
        Provoked::ByDeadServer | Provoked::ByDeadWriter => other.collect(),
        Provoked::ByLoad
        | Provoked::ByWrites
        | Provoked::ByRejoining
        | Provoked::ByLeaving
        | Provoked::ByLostAnnouncement
        | Provoked::ByLostCommit => Vec::new(),
    }
}

async fn stand_still(cluster: &Cluster<'_>, server: usize, held: &Held, time: Duration) {
    cluster.freeze(server);
    held.release();
    sleep(time).await;
    cluster.thaw(server);
}

/// Makes a server send a statement that the load alone does not.
async fn provoke(cluster: &Cluster<'_>, server: usize, provoked: Provoked) {
    let proxy = &cluster.proxies[server];
    match provoked {
        Provoked::ByLoad | Provoked::ByWrites => {}
        Provoked::ByRejoining => {
            proxy.set(Traffic::IsRefused);
            sleep(LEASE * 3 / 2).await;
            proxy.set(Traffic::Passes);
        }
        Provoked::ByNewEpoch => {
            let promote = "UPDATE pim_authz.head SET fingerprint = 'another'";
            cluster.execute(promote).await;
        }
        Provoked::ByLeaving => cluster.terminate(server),
        Provoked::ByLostAnnouncement => {
            proxy.cut(reply("announce")).arrived().await;
        }
        Provoked::ByLostCommit => {
            proxy.cut(reply(commit_of("finish_write"))).arrived().await;
        }
        Provoked::ByDeadServer => cluster.kill(ANY),
        Provoked::ByDeadWriter => {
            let using = cluster.proxies[ANY].hold(request("use_intent"));
            using.arrived().await;
            cluster.kill(ANY);
            using.release();
        }
    }
}

/// A strike at a row, on one server.
type Cell = (usize, Row, Strike);

/// All cells of the table in rounds: up to three that the load alone provokes at once, or one
/// that something else does.
fn rounds() -> Vec<Vec<Cell>> {
    let only = std::env::var("PIM_AUTHZ_COHERENCE_STATEMENT");
    let is_wanted = |row: &Row| only.as_ref().is_ok_and(|only| only != row.name());
    let cells = |provoked: Provoked, servers: &[usize]| -> Vec<Cell> {
        let rows = rows().into_iter().filter(|row| !is_wanted(row));
        let rows = rows.filter(|row| row.provoked == provoked);
        rows.zip(servers.iter().cycle())
            .flat_map(|(row, server)| STRIKES.map(|strike| (*server, row, strike)))
            .collect()
    };
    let mut rounds = Vec::new();
    let of_writers = cells(Provoked::ByWrites, &WRITERS);
    let on = |server| of_writers.iter().filter(move |cell| cell.0 == server);
    let of_any = cells(Provoked::ByLoad, &[ANY]);
    let mut columns = [
        on(WRITERS[0]).copied().collect::<Vec<_>>().into_iter(),
        on(WRITERS[1]).copied().collect::<Vec<_>>().into_iter(),
        of_any.into_iter(),
    ];
    loop {
        let round: Vec<Cell> = columns.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        rounds.push(round);
    }
    let others = Provoked::iter()
        .filter(|provoked| !matches!(provoked, Provoked::ByWrites | Provoked::ByLoad));
    let others = others.flat_map(|provoked| cells(provoked, &WRITERS[..1]));
    rounds.extend(others.map(|cell| vec![cell]));
    rounds
}

/// G1, G2 and one-instant decisions hold whatever happens at any statement, and the
/// servers recover from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_see_one_order_whatever_happens_at_a_statement() {
    let mut postgres = Postgres::start().await;
    let cluster = Cluster::start(&mut postgres, SERVERS, LEASE, Vec::new()).await;
    let mut seen = BTreeSet::new();
    let outcome = under_load(cluster, async |cluster, shared| {
        for round in rounds() {
            println!("{:.1} s: {round:?}", shared.now().as_secs_f64());
            let all = round.iter().map(|cell| strike(cluster, *cell));
            join_all(all).await;
            cluster.revive().await;
        }
        seen.extend(cluster.proxies.iter().flat_map(|proxy| proxy.seen()));
    })
    .await;
    assert_eq!(outcome.verdict, Verdict::Explained);
    let of_rows = rows().into_iter().map(Row::name);
    let known: BTreeSet<&str> = of_rows.chain(NOT_STRUCK).collect();
    seen.retain(|name| !known.contains(name.as_str()));
    assert_eq!(seen, BTreeSet::new(), "statements without a row");
}
