//! What is done to a cluster while it works.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    cluster::{Cluster, LEASE},
    postgres_proxy::Traffic,
};

/// One fault, of the server with a number where it is one server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGSTOP for half a lease.
    ShortStandstill,
    /// SIGSTOP for two leases.
    LongStandstill,
    /// SIGKILL, and a new process later.
    Death,
    /// It leaves and joins, leaves and joins.
    Storm,
    /// What it says to PostgreSQL and hears comes late.
    LateNetwork,
    /// Nothing comes through for two leases.
    HeldNetwork,
    /// SIGSTOP for two leases, and soon after it nothing comes through.
    Relapse,
    /// All comes late, and then nothing for two leases.
    FadingNetwork,
    /// Its connections are cut, and new ones refused.
    RefusedNetwork,
    /// Its connections are cut each time it has sent a COMMIT.
    LostCommitAnswer,
    /// PostgreSQL's hints do not reach it.
    LostHints,
    /// PostgreSQL is restarted in order.
    Restart,
    /// PostgreSQL crashes and comes up again.
    Crash,
    /// It is cut off, and within its lease PostgreSQL is restarted twice; the
    /// others join after the first time, leave in order, and come back.
    TwoRestarts,
}

pub(crate) const FAULTS: [Fault; 14] = [
    Fault::ShortStandstill,
    Fault::LongStandstill,
    Fault::Relapse,
    Fault::Death,
    Fault::Storm,
    Fault::LateNetwork,
    Fault::HeldNetwork,
    Fault::FadingNetwork,
    Fault::RefusedNetwork,
    Fault::LostCommitAnswer,
    Fault::LostHints,
    Fault::Restart,
    Fault::Crash,
    Fault::TwoRestarts,
];

impl Fault {
    /// The lease of the servers that it is tried on.
    pub(crate) fn lease(self) -> Duration {
        // As long as two restarts take, and some more.
        if self == Self::TwoRestarts {
            LEASE * 4
        } else {
            LEASE
        }
    }

    /// How long it lasts.
    pub(crate) fn length(self) -> Duration {
        match self {
            Self::ShortStandstill | Self::Death => LEASE / 2,
            Self::LongStandstill
            | Self::LateNetwork
            | Self::HeldNetwork
            | Self::FadingNetwork
            | Self::Relapse
            | Self::LostHints => LEASE * 2,
            Self::RefusedNetwork | Self::LostCommitAnswer | Self::TwoRestarts => LEASE * 3 / 2,
            Self::Storm | Self::Restart | Self::Crash => Duration::ZERO,
        }
    }

    pub(crate) async fn begin(self, cluster: &mut Cluster<'_>, server: usize) {
        let traffic = |traffic| cluster.proxies[server].set(traffic);
        match self {
            Self::ShortStandstill | Self::LongStandstill => cluster.freeze(server),
            Self::Death => cluster.end(server, true).await,
            Self::Storm => {
                for _ in 0..3 {
                    cluster.end(server, false).await;
                    cluster.start_server(server).await;
                }
            }
            Self::LateNetwork => traffic(Traffic::IsLate(Duration::from_millis(60))),
            Self::HeldNetwork => traffic(Traffic::IsHeld),
            Self::Relapse => {
                cluster.freeze(server);
                sleep(LEASE * 2).await;
                cluster.thaw(server);
                sleep(LEASE / 2).await;
                cluster.proxies[server].set(Traffic::IsHeld);
            }
            Self::FadingNetwork => {
                traffic(Traffic::IsLate(LEASE / 6));
                sleep(LEASE).await;
                cluster.proxies[server].set(Traffic::IsHeld);
            }
            Self::RefusedNetwork => traffic(Traffic::IsRefused),
            Self::LostCommitAnswer => traffic(Traffic::IsCutAfterCommit),
            Self::LostHints => traffic(Traffic::LacksNotifications),
            Self::Restart => cluster.restart_postgres(false).await,
            Self::Crash => cluster.restart_postgres(true).await,
            Self::TwoRestarts => {
                cluster.proxies[server].set(Traffic::IsRefused);
                cluster.restart_postgres(false).await;
                cluster.others_joined_again(server).await;
                let others = (0..cluster.servers.len()).filter(|other| *other != server);
                for other in others.clone() {
                    cluster.end(other, false).await;
                }
                cluster.restart_postgres(false).await;
                for other in others {
                    cluster.start_server(other).await;
                }
            }
        }
    }

    pub(crate) async fn end(self, cluster: &mut Cluster<'_>, server: usize) {
        match self {
            Self::ShortStandstill | Self::LongStandstill => cluster.thaw(server),
            Self::Death => cluster.start_server(server).await,
            Self::LateNetwork
            | Self::HeldNetwork
            | Self::FadingNetwork
            | Self::Relapse
            | Self::RefusedNetwork
            | Self::LostCommitAnswer
            | Self::TwoRestarts
            | Self::LostHints => cluster.proxies[server].set(Traffic::Passes),
            Self::Storm | Self::Restart | Self::Crash => {}
        }
    }
}
