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
}

pub(crate) const FAULTS: [Fault; 13] = [
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
];

impl Fault {
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
            Self::RefusedNetwork | Self::LostCommitAnswer => LEASE * 3 / 2,
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
            | Self::LostHints => cluster.proxies[server].set(Traffic::Passes),
            Self::Storm | Self::Restart | Self::Crash => {}
        }
    }
}
