use hashbrown::HashSet;

use crate::domain::Code;

use super::{
    Announcement, Bounds, Connection, Isolation, LockedTenant, Planning, ResponseScope, StoreError,
    StoredResponse, Transaction, round_trip::send_together,
};

/// Transaction of a write, with what the write reads first. Its BEGIN and these
/// statements are sent together, in one round trip.
#[derive(Debug)]
pub struct BegunWrite<'c> {
    /// The transaction.
    pub transaction: Transaction<'c>,
    /// The tenant; `None` if it does not exist.
    pub tenant: Option<LockedTenant>,
    /// The response stored under the idempotency key of the write.
    pub response: Option<StoredResponse>,
}

/// Begun rehearsal of a write.
#[derive(Debug)]
pub struct BegunRehearsal<'c> {
    /// The transaction, one snapshot, and what was read in it.
    pub write: BegunWrite<'c>,
    /// The epoch of the primary that the snapshot is of.
    pub epoch: u64,
}

/// Idempotency key of a write, and whose stored responses apply to it.
pub type StoredUnder<'a> = (&'a str, ResponseScope<'a>);

impl Connection {
    /// Begins the rehearsal of a write to a tenant (`docs/coherence.md`, W0).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable, or is a standby.
    pub async fn begin_rehearsal(
        &mut self,
        (planning, bounds): (Planning, Bounds),
        tenant: &Code,
        stored: Option<StoredUnder<'_>>,
    ) -> Result<BegunRehearsal<'_>, StoreError> {
        let transaction = self.transaction(Isolation::OneSnapshot, planning, bounds)?;
        send_together!(
            _begun = transaction.begin(),
            seen = transaction.read_tenant(tenant),
            response = transaction.stored_response(tenant, stored),
        );
        let write = BegunWrite {
            tenant: seen.tenant,
            response,
            transaction,
        };
        let epoch = seen.epoch;
        Ok(BegunRehearsal { write, epoch })
    }

    /// Begins the transaction that commits an announced write (`docs/coherence.md`,
    /// W4): uses its announcement, then locks the row of its tenant. Returns `None` if
    /// the announcement was withdrawn, or the primary or its epoch has changed since.
    ///
    /// # Errors
    ///
    /// [`StoreError::TenantLocked`] if another write holds the lock for longer than
    /// [`Bounds::lock`]; [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn begin_commit(
        &mut self,
        (planning, bounds): (Planning, Bounds),
        announcement: Announcement,
        tenant: &Code,
        stored: Option<StoredUnder<'_>>,
    ) -> Result<Option<BegunWrite<'_>>, StoreError> {
        let transaction = self.transaction(Isolation::EachStatement, planning, bounds)?;
        send_together!(
            _begun = transaction.begin(),
            is_used = transaction.use_intent(announcement),
            tenant_found = transaction.lock_tenant(tenant),
            response = transaction.stored_response(tenant, stored),
        );
        Ok(is_used.then_some(BegunWrite {
            tenant: tenant_found,
            response,
            transaction,
        }))
    }

    /// Begins the transaction that commits several announced writes of one tenant
    /// (`docs/coherence.md`, W4): uses their announcements. Returns those that permit
    /// their writes. [`Transaction::locked_tenant`] locks the row of the tenant.
    ///
    /// # Errors
    ///
    /// As [`Connection::begin_commit`].
    pub async fn begin_shared_commit(
        &mut self,
        bounds: Bounds,
        announcements: &[Announcement],
    ) -> Result<(Transaction<'_>, HashSet<Announcement>), StoreError> {
        let isolation = Isolation::EachStatement;
        let transaction = self.transaction(isolation, Planning::ByIndex, bounds)?;
        send_together!(
            _begun = transaction.begin(),
            used = transaction.use_intents(announcements),
        );
        Ok((transaction, used))
    }

    /// Begins the transaction of a write that changes nothing: locks the row of its
    /// tenant.
    ///
    /// # Errors
    ///
    /// As [`Connection::begin_commit`].
    pub async fn begin_unchanged(
        &mut self,
        (planning, bounds): (Planning, Bounds),
        tenant: &Code,
        stored: Option<StoredUnder<'_>>,
    ) -> Result<BegunWrite<'_>, StoreError> {
        let transaction = self.transaction(Isolation::EachStatement, planning, bounds)?;
        send_together!(
            _begun = transaction.begin(),
            tenant_found = transaction.lock_tenant(tenant),
            response = transaction.stored_response(tenant, stored),
        );
        Ok(BegunWrite {
            tenant: tenant_found,
            response,
            transaction,
        })
    }
}

impl Transaction<'_> {
    /// Locks the row of the tenant, as it is now, and reads the response stored under the
    /// idempotency key of a write.
    ///
    /// # Errors
    ///
    /// As [`Transaction::lock_tenant`].
    pub async fn locked_tenant(
        &self,
        tenant: &Code,
        stored: Option<StoredUnder<'_>>,
    ) -> Result<(Option<LockedTenant>, Option<StoredResponse>), StoreError> {
        send_together!(
            tenant_found = self.lock_tenant(tenant),
            response = self.stored_response(tenant, stored),
        );
        Ok((tenant_found, response))
    }

    async fn stored_response(
        &self,
        tenant: &Code,
        stored: Option<StoredUnder<'_>>,
    ) -> Result<Option<StoredResponse>, StoreError> {
        match stored {
            Some((key, of)) => self.find_response(tenant, key, of).await,
            None => Ok(None),
        }
    }
}
