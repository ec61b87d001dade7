use std::time::Duration;

use tokio::time::timeout;

use crate::{
    cache::{CacheError, CacheMode, Status},
    domain::Code,
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse, parse_import,
    },
    store::{Durability, StoreError},
};

use super::{AdminApi, Answer};

/// Timeout for the part of the status that is read from the database.
const PATIENCE: Duration = Duration::from_secs(2);

impl Answer<pb::GetStatusRequest> for AdminApi {
    type Message = pb::GetStatusResponse;

    async fn answer(&self, request: pb::GetStatusRequest) -> Result<Self::Message, Failure> {
        let tenant = parse::tenant(&request.tenant, &self.default_tenant)?;
        let stored = match timeout(PATIENCE, self.stored_status(&tenant)).await {
            Ok(Ok(stored)) => stored,
            // The cached part is returned, since the state of the lease matters
            // most then.
            Ok(Err(StoreError::Unavailable(_))) | Err(_) => pb::GetStatusResponse {
                database_away: true,
                ..Default::default()
            },
            Ok(Err(error)) => return Err(error.into()),
        };
        let keeps_memory = self.cache.settings().mode == CacheMode::On;
        Ok(pb::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            keeps_memory,
            servers: stored.servers,
            revision: stored.revision,
            revisions_behind: stored.revisions_behind,
            durability: stored.durability,
            database_away: stored.database_away,
            ..counted(self.cache.status())
        })
    }
}

impl AdminApi {
    /// Reads the part of the status that requires the database.
    async fn stored_status(&self, tenant: &Code) -> Result<pb::GetStatusResponse, StoreError> {
        let mut stored = self.store.find_tenant(tenant).await?;
        if !self.calling.may_name(tenant) {
            // Reported as a tenant that does not exist.
            stored = None;
        }
        let leases = self.store.leases().await?;
        let known = stored.as_ref().map(|row| self.cache.known_revision(row.id));
        let (known, stored) = (
            known.unwrap_or_default(),
            stored.map(|row| row.revision).unwrap_or_default(),
        );
        let durability = match self.store.durability().await? {
            Durability::None => pb::Durability::None,
            Durability::SingleNode => pb::Durability::SingleNode,
            Durability::SynchronousStandby { .. } => pb::Durability::SynchronousStandby,
        };
        Ok(pb::GetStatusResponse {
            servers: u32::try_from(leases.len()).unwrap_or(u32::MAX),
            revision: known.0,
            revisions_behind: stored.0.saturating_sub(known.0),
            durability: durability.into(),
            ..Default::default()
        })
    }
}

/// Renders the counters of the cache.
fn counted(status: Status) -> pb::GetStatusResponse {
    pb::GetStatusResponse {
        lease_remaining: duration(status.lease_remaining),
        announcements_behind: status.lag,
        writes_pending: status.pending,
        hits: status.hits,
        misses: status.misses,
        loads: status.loads,
        loads_with_pending: status.loads_with_pending,
        hits_with_pending: status.answers_with_pending,
        floors_raised: status.floors_raised,
        answers_withheld: status.stale_answers_refused,
        leases_lost: status.leases_lost,
        leases_ended: status.leases_reaped,
        writes_given_up: status.intents_reaped,
        announcements: status.announcements,
        last_wait: duration(status.last_wait),
        longest_wait: duration(status.longest_wait),
        entries: status.entries,
        bytes: status.bytes,
        indexed_products: status.indexed_products,
        index_bytes: status.index_bytes,
        index_loads: status.index_loads,
        products_patched: status.products_patched,
        pages_from_memory: status.pages_from_memory,
        ..Default::default()
    }
}

fn duration(time: Duration) -> Option<prost_types::Duration> {
    time.try_into().ok()
}

impl Answer<pb::BeginMaintenanceRequest> for AdminApi {
    type Message = pb::BeginMaintenanceResponse;

    async fn answer(&self, request: pb::BeginMaintenanceRequest) -> Result<Self::Message, Failure> {
        let actor = parse_import::actor(request.actor)?;
        let pass = self.cache.begin_maintenance().await?;
        let caller = self.calling.name().map(tracing::field::display);
        tracing::warn!(
            actor,
            caller,
            pass,
            "a maintenance began: facts may be changed by hand"
        );
        Ok(pb::BeginMaintenanceResponse { pass })
    }
}

impl Answer<pb::EndMaintenanceRequest> for AdminApi {
    type Message = pb::EndMaintenanceResponse;

    async fn answer(&self, request: pb::EndMaintenanceRequest) -> Result<Self::Message, Failure> {
        let actor = parse_import::actor(request.actor)?;
        match self.cache.end_maintenance(&request.pass).await {
            Ok(true) => {
                let caller = self.calling.name().map(tracing::field::display);
                tracing::warn!(
                    actor,
                    caller,
                    pass = request.pass,
                    "the maintenance is over"
                );
                Ok(pb::EndMaintenanceResponse {})
            }
            Ok(false) => {
                let message = "is of no maintenance that is under way";
                Err(InvalidField::new("pass", message).into())
            }
            Err(CacheError::InUse) => Err(crate::admin::AdminError::Conflict.into()),
            Err(error) => Err(error.into()),
        }
    }
}
