//! Retries of an interrupted list: a limited number, with exponential backoff;
//! both start over after each retry that made progress.

use std::{error::Error as _, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::CliError;

/// Wait before the first retry.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Maximum wait before a retry, even if the server requests more.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Maximum number of consecutive retries without progress.
const MAX_RETRIES: usize = 6;

/// The reason why a call broke off.
#[derive(Debug)]
pub(super) enum Interruption {
    /// Transient: a retry may succeed.
    Passing {
        error: CliError,
        /// Minimum wait that the server requests.
        wait: Duration,
    },
    /// Permanent: a retry would fail again.
    Final(CliError),
}

/// The remaining retries, and the waits before them.
#[derive(Debug)]
pub(super) struct Tries {
    first_wait: Duration,
    waits: ExponentialBackoff,
}

impl Interruption {
    pub(super) fn passing(error: CliError) -> Self {
        Self::Passing {
            error,
            wait: Duration::ZERO,
        }
    }

    pub(super) fn error(self) -> CliError {
        match self {
            Self::Passing { error, .. } | Self::Final(error) => error,
        }
    }
}

impl From<Status> for Interruption {
    fn from(status: Status) -> Self {
        // Only a status created by this client has a source: the connection broke.
        let is_passing = status.code() == tonic::Code::Unavailable || status.source().is_some();
        if !is_passing {
            return Self::Final(status.into());
        }
        let details = status.get_error_details();
        let wait = details.retry_info().and_then(|info| info.retry_delay);
        Self::Passing {
            wait: wait.unwrap_or_default(),
            error: status.into(),
        }
    }
}

impl Tries {
    pub(super) fn starting_at(first_wait: Duration) -> Self {
        Self {
            first_wait,
            waits: waits(first_wait),
        }
    }

    /// Resets the retries and the backoff, after a retry that made progress.
    pub(super) fn refill(&mut self) {
        self.waits = waits(self.first_wait);
    }

    /// Waits until the next retry may start.
    ///
    /// # Errors
    ///
    /// The cause of the interruption, if it is permanent or no retry remains.
    pub(super) async fn wait(&mut self, interruption: Interruption) -> Result<(), CliError> {
        let (error, requested) = match interruption {
            Interruption::Final(error) => return Err(error),
            Interruption::Passing { error, wait } => (error, wait),
        };
        let Some(wait) = self.waits.next() else {
            return Err(error);
        };
        tokio::time::sleep(wait.max(requested).min(MAX_WAIT)).await;
        Ok(())
    }
}

fn waits(first: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(MAX_WAIT)
        .with_max_times(MAX_RETRIES)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn retries_are_limited_until_refilled() {
        let mut tries = Tries::starting_at(Duration::ZERO);
        let away = || Interruption::from(Status::unavailable("away"));
        for _ in 0..MAX_RETRIES {
            tries.wait(away()).await.unwrap();
        }
        assert!(tries.wait(away()).await.is_err());
        tries.refill();
        tries.wait(away()).await.unwrap();
    }

    #[tokio::test]
    async fn rejected_requests_are_not_retried() {
        let mut tries = Tries::starting_at(Duration::ZERO);
        let refused = Status::invalid_argument("resume_token: is forged");
        assert!(tries.wait(refused.into()).await.is_err());
    }
}
