//! Faults that are injected into a cluster under load.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    cluster::{Cluster, LEASE},
    postgres_proxy::Traffic,
};

/// One fault; most affect one server, given by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGSTOP for half a lease.
    ShortStandstill,
    /// SIGSTOP for two leases.
    LongStandstill,
    /// SIGKILL, and a restart later.
    Death,
    /// The server shuts down and restarts three times.
    Storm,
    /// Its traffic with PostgreSQL is delayed in both directions.
    LateNetwork,
    /// Its traffic is held for two leases.
    HeldNetwork,
    /// SIGSTOP for two leases, and half a lease later its traffic is held.
    Relapse,
    /// Its traffic is delayed for one lease, then held for two leases.
    FadingNetwork,
    /// Its connections are closed, and new ones refused.
    RefusedNetwork,
    /// Its connections are closed each time after it has sent a COMMIT.
    LostCommitAnswer,
    /// PostgreSQL's notifications do not reach it.
    LostHints,
    /// PostgreSQL is restarted by a clean shutdown.
    Restart,
    /// PostgreSQL crashes and restarts.
    Crash,
    /// Its connections are refused, and PostgreSQL is restarted twice within its
    /// lease; the other servers join after the first restart, shut down cleanly,
    /// and join again.
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
    /// Returns the lease of the servers for this fault.
    pub(crate) fn lease(self) -> Duration {
        // Longer than two restarts take.
        if self == Self::TwoRestarts {
            LEASE * 4
        } else {
            LEASE
        }
    }

    /// Returns the time between beginning and ending the fault.
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
            Self::LostHints => traffic(Traffic::DropsNotifications),
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
