use std::time::Duration;

use hashbrown::HashMap;
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

/// The outcomes of commits that got no reply: the revisions of those that happened.
pub(super) struct Outcomes(HashMap<Announcement, Revision>);

impl Outcomes {
    /// Returns the result of the try that committed an announced write.
    pub(super) fn of(&self, announcement: Announcement) -> Tried {
        self.0.get(&announcement).map_or_else(
            || {
                let cause = "the connection was lost before the commit";
                let error = StoreError::unreachable(cause);
                Tried::NoAnswer(AdminError::Store(error))
            },
            |revision| Tried::Committed(*revision),
        )
    }
}

impl WriteCoordinator {
    /// Determines the outcomes of the announced writes of a commit that got no reply, of
    /// each by its own intent.
    ///
    /// # Errors
    ///
    /// [`AdminError::OutcomeUnknown`] if the database stays unavailable.
    pub(super) async fn find_out(
        &self,
        announcements: &[Announcement],
    ) -> Result<Outcomes, AdminError> {
        let begun = Instant::now();
        loop {
            match self.look_up(announcements).await {
                Ok(found) => return Ok(found),
                Err(error) if begun.elapsed() > LOOK_UP_TIMEOUT => {
                    tracing::warn!(%error, "the outcome of a commit could not be looked up");
                    self.cache.withdraw_later();
                    return Err(AdminError::OutcomeUnknown);
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Returns the revisions that were created. The other writes did not happen and never
    /// will, since their intents are withdrawn.
    async fn look_up(&self, announcements: &[Announcement]) -> Result<Outcomes, StoreError> {
        if is_disabled(Rule::GiveUpDeletesIntent)
            || self.finding.withdraw(announcements).await?.len() == announcements.len()
        {
            return Ok(Outcomes(HashMap::new()));
        }
        Ok(Outcomes(self.finding.find_commits(announcements).await?))
    }

    /// Withdraws announcements after a failure. If the database stays unavailable, this
    /// is left to the upkeep; the writes cannot be committed any more.
    pub(super) async fn withdraw(&self, announcements: &[Announcement]) {
        for waits in 1..=WITHDRAWALS {
            match self.finding.withdraw(announcements).await {
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
