use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    domain::Revision,
    failpoints::{Rule, is_disabled},
    store::{Announcement, StoreError},
};

use super::{super::error::AdminError, Tried, WriteCoordinator};

/// Maximum number of tries to withdraw an announcement while the database is
/// unavailable.
const WITHDRAWALS: u32 = 5;

/// How long to retry the look-up of an unknown commit outcome.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

impl WriteCoordinator {
    /// Determines the outcome of a commit that got no answer.
    pub(super) async fn find_out(&self, announcement: Announcement) -> Result<Tried, AdminError> {
        let begun = Instant::now();
        loop {
            match self.look_up(announcement).await {
                Ok(Some(revision)) => return Ok(Tried::Committed(revision)),
                Ok(None) => {
                    let cause = "the connection was lost before the commit";
                    let error = StoreError::unreachable(cause);
                    return Ok(Tried::NoAnswer(AdminError::Store(error)));
                }
                Err(error) if begun.elapsed() > LOOK_UP_TIMEOUT => {
                    tracing::warn!(%error, "the outcome of a commit could not be looked up");
                    self.cache.withdraw_later();
                    return Err(AdminError::OutcomeUnknown);
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Returns the revision that a commit created; `None`: it did not happen and
    /// never will, since its intent is withdrawn.
    async fn look_up(&self, announcement: Announcement) -> Result<Option<Revision>, StoreError> {
        if is_disabled(Rule::GiveUpDeletesIntent) || self.finding.withdraw(announcement).await? {
            return Ok(None);
        }
        self.finding.find_commit(announcement).await
    }

    /// Withdraws an announcement after a failure. If the database stays
    /// unavailable, this is left to the upkeep; the write cannot be committed any
    /// more.
    pub(super) async fn withdraw(&self, announcement: Announcement) {
        for waits in 1..=WITHDRAWALS {
            match self.finding.withdraw(announcement).await {
                Ok(_) => return,
                Err(error) if waits == WITHDRAWALS => {
                    tracing::warn!(error = %error, "an announcement could not be taken back");
                    self.cache.withdraw_later();
                }
                Err(_) => sleep(Duration::from_millis(100) * waits).await,
            }
        }
    }
}
