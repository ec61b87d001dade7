//! Queued writes of one tenant are committed in one transaction (`docs/coherence.md`, W4).

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::join_all};
use hashbrown::HashSet;
use tokio::time::Instant;

use crate::{
    cache::Announced,
    domain::{Code, Revision},
    store::{Announcement, Bounds, Connection, ResponseScope, StoreError, TenantId, Transaction},
    telemetry::metrics as meter,
};

use super::{
    super::{
        change::{Pass, Size, TenantState},
        error::AdminError,
    },
    Tried, WriteCoordinator,
    commit::Committed,
    commit_queue::{Ended, Member},
    slot::LONGEST_WAIT_IN_TURN,
};

/// How long a shared transaction may hold the row of its tenant before no more members are
/// made in it, since other servers wait for it; with a long lease a twentieth of that.
const LONGEST_TRANSACTION: Duration = Duration::from_millis(250);

/// A member whose announcement was acknowledged.
struct Announcing {
    member: Member,
    announced: Announced,
    made: Made,
}

/// What has become of a member in the shared transaction.
#[derive(Clone, Copy)]
enum Made {
    /// There was no time for it.
    Postponed,
    /// Nothing was written: it is refused or stale, its response is stored, or its intent was
    /// withdrawn.
    Stale,
    /// It is written, as this revision of the tenant.
    At(TenantId, Revision),
}

impl WriteCoordinator {
    /// Announces and commits the queued writes of a tenant in one transaction.
    pub(super) async fn commit_queued(&self, tenant: &Code) {
        let turn = self.commit_turns.next(tenant).await;
        self.commits.proceed(tenant);
        let connection = self.store.pooled_connection().await;
        self.commits.proceed(tenant);
        let members = self.commits.next(tenant);
        let (Some(turn), Ok(mut connection)) = (turn, connection) else {
            for member in members {
                member.end(Ended::Alone);
            }
            return;
        };
        let mut members = self.announce_members(members).await;
        if members.is_empty() {
            return;
        }
        let committed = self
            .commit_members(&mut connection, tenant, &mut members)
            .await;
        drop((turn, connection));
        self.end_members(tenant, &committed, members).await;
    }

    async fn announce_members(&self, members: Vec<Member>) -> Vec<Announcing> {
        let announcing = members.into_iter().map(|member| async {
            match self.cache.announce(member.keys.clone()).await {
                Ok(announced) => Some(Announcing {
                    member,
                    announced,
                    made: Made::Postponed,
                }),
                Err(error) => {
                    member.end(Ended::Tried(Err(error.into())));
                    None
                }
            }
        });
        join_all(announcing).await.into_iter().flatten().collect()
    }

    /// Makes the changes of the members in one transaction and commits it.
    ///
    /// # Errors
    ///
    /// [`AdminError::OutcomeUnknown`]; any other error: none of them is committed.
    async fn commit_members(
        &self,
        connection: &mut Connection,
        tenant: &Code,
        members: &mut [Announcing],
    ) -> Result<(), AdminError> {
        let bounds = Bounds {
            statement: Size::Small.statement(),
            idle: self.cache.settings().lease,
            lock: Some(LONGEST_WAIT_IN_TURN),
        };
        let announcements = announcements(members);
        let beginning = connection.begin_shared_commit(bounds, &announcements);
        let (transaction, used) = beginning.await?;
        let making = self.make_members(&transaction, tenant, (members, &used));
        // A bug that panics in one change must not end the writes of others.
        let made = AssertUnwindSafe(making).catch_unwind().await;
        made.map_err(|_panic| AdminError::Conflict)??;
        Ok(transaction.commit().await?)
    }

    /// Makes the changes of the members one after the other. One that is refused or has no
    /// effect any more has written nothing.
    ///
    /// # Errors
    ///
    /// The transaction must be rolled back.
    async fn make_members(
        &self,
        transaction: &Transaction<'_>,
        tenant: &Code,
        (members, used): (&mut [Announcing], &HashSet<Announcement>),
    ) -> Result<(), AdminError> {
        let longest = LONGEST_TRANSACTION.max(self.cache.settings().lease / 20);
        let mut locked = None;
        let mut last = Made::Postponed;
        for each in members {
            self.commits.proceed(tenant);
            let announcement = each.announced.announcement();
            let is_over = |since: Instant| since.elapsed() >= longest;
            each.made = if !used.contains(&announcement) {
                Made::Stale
            } else if locked.is_some_and(is_over) {
                Made::Postponed
            } else {
                last = make_member(transaction, &each.member, (announcement, &mut locked)).await?;
                last
            };
        }
        if matches!(last, Made::Stale) {
            // PostgreSQL answers COMMIT in a failed transaction without an error.
            transaction.lock_tenant(tenant).await?;
        }
        Ok(())
    }

    /// Ends the members by the result of their commit, and puts back those for which there
    /// was no time.
    async fn end_members(
        &self,
        tenant: &Code,
        committed: &Result<(), AdminError>,
        members: Vec<Announcing>,
    ) {
        let announcements = announcements(&members);
        let outcomes = match committed {
            // Its commit has used the intents of all.
            Ok(()) => None,
            Err(AdminError::OutcomeUnknown) => Some(self.find_out(&announcements).await),
            Err(_) => {
                self.withdraw(&announcements).await;
                None
            }
        };
        let is_made = |each: &&Announcing| matches!(each.made, Made::At(..));
        let (count, made) = (members.len(), members.iter().filter(is_made).count());
        if committed.is_ok() && made > 1 {
            meter::count_shared_commit(u64::try_from(made).unwrap_or(u64::MAX));
        }
        let mut postponed = Vec::new();
        for each in members {
            let announcement = each.announced.announcement();
            each.announced.end();
            let tried = match (committed, each.made) {
                (Ok(()), Made::Postponed) => {
                    postponed.push(each.member);
                    continue;
                }
                (Ok(()), Made::At(tenant, revision)) => {
                    self.cache.record_commit(tenant, revision);
                    Ok(Tried::Committed(revision))
                }
                (Err(AdminError::OutcomeUnknown), Made::At(..)) => match &outcomes {
                    Some(Ok(outcomes)) => Ok(outcomes.of(announcement)),
                    Some(Err(_)) | None => Err(AdminError::OutcomeUnknown),
                },
                (Ok(()) | Err(AdminError::OutcomeUnknown), Made::Stale) => Ok(Tried::Again),
                (Err(AdminError::OutcomeUnknown), Made::Postponed)
                | (Err(AdminError::Store(StoreError::TenantLocked { .. })), _) => {
                    Ok(Tried::TenantBusy)
                }
                (Err(_), _) => {
                    each.member.end(Ended::Alone);
                    continue;
                }
            };
            each.member.end(Ended::Tried(tried));
        }
        if committed.is_ok() {
            let in_time = count.saturating_sub(postponed.len());
            self.commits.put_back(tenant, postponed, in_time);
        }
    }
}

fn announcements(members: &[Announcing]) -> Vec<Announcement> {
    let announced = members.iter().map(|each| &each.announced);
    announced.map(Announced::announcement).collect()
}

/// Makes the change of a member; `locked` becomes the time since when the transaction holds
/// the row of the tenant.
async fn make_member(
    transaction: &Transaction<'_>,
    member: &Member,
    (announcement, locked): (Announcement, &mut Option<Instant>),
) -> Result<Made, AdminError> {
    let context = &*member.context;
    let stored = context.kept_key().map(|key| (key, ResponseScope::Tenant));
    let (found, response) = transaction.locked_tenant(&context.tenant, stored).await?;
    locked.get_or_insert_with(Instant::now);
    let Some(found) = found.filter(|_| response.is_none()) else {
        return Ok(Made::Stale);
    };
    let tenant = TenantState::of(&found);
    if context.check_revision(tenant.revision).is_err() {
        return Ok(Made::Stale);
    }
    let pass = Pass::new(transaction, tenant, context);
    let announced = (announcement, member.keys.as_slice());
    match member.run.make(pass, member.rehearsed, announced).await {
        Ok(Committed::At(tenant, revision)) => Ok(Made::At(tenant, revision)),
        Ok(Committed::Before(_) | Committed::Stale) => Ok(Made::Stale),
        Err(error) if error.is_refusal() => Ok(Made::Stale),
        Err(error) => Err(error),
    }
}
