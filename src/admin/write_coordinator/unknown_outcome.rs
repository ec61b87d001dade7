use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    domain::Revision,
    store::{Announcement, StoreError},
};

use super::{super::error::AdminError, Tried, WriteCoordinator};

/// How often an announcement is taken back while the database is away.
const WITHDRAWALS: u32 = 5;

/// How long the outcome of a commit without an answer is looked for.
const FINDING_OUT: Duration = Duration::from_secs(5);

impl WriteCoordinator {
    /// Finds out what became of a commit that got no answer.
    pub(super) async fn find_out(&self, announcement: Announcement) -> Result<Tried, AdminError> {
        let begun = Instant::now();
        loop {
            match self.look_up(announcement).await {
                Ok(Some(revision)) => return Ok(Tried::Done(revision)),
                Ok(None) => {
                    let cause = "the connection was lost before the commit";
                    let error = StoreError::no_answer(cause);
                    return Ok(Tried::NoAnswer(AdminError::Store(error)));
                }
                Err(error) if begun.elapsed() > FINDING_OUT => {
                    tracing::warn!(%error, "the outcome of a commit could not be looked up");
                    self.cache.withdraw_later();
                    return Err(AdminError::OutcomeUnknown);
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The revision that a commit made; `None`: it never happened, and never
    /// will, since its intent is gone.
    async fn look_up(&self, announcement: Announcement) -> Result<Option<Revision>, StoreError> {
        if self.finding.withdraw(announcement).await? {
            return Ok(None);
        }
        self.finding.find_commit(announcement).await
    }

    /// Takes an announcement back after a failure. If the database stays away,
    /// it is left to the upkeep; it cannot commit any more.
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
