//! Goes on where a list broke off: a few tries, each later than the one
//! before, and afresh after each that brought something.

use std::{error::Error as _, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::CliError;

/// How long the first try waits.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest that a try waits, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many tries in a row may bring nothing.
const TRIES: usize = 6;

/// Why a call broke off.
#[derive(Debug)]
pub(super) enum Interruption {
    /// It may go well when it is tried again.
    Passing {
        error: CliError,
        /// How long the server asks to wait.
        wait: Duration,
    },
    /// It would break off again.
    Final(CliError),
}

/// The tries that are left.
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
        // Only what was made on this side has a cause: the connection is lost.
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

    /// Gives back every try, since the last one brought something.
    pub(super) fn refill(&mut self) {
        self.waits = waits(self.first_wait);
    }

    /// Waits until the next try may begin.
    ///
    /// # Errors
    ///
    /// What broke the call off, when there is no use in another try.
    pub(super) async fn wait(&mut self, interruption: Interruption) -> Result<(), CliError> {
        let (error, asked) = match interruption {
            Interruption::Final(error) => return Err(error),
            Interruption::Passing { error, wait } => (error, wait),
        };
        let Some(wait) = self.waits.next() else {
            return Err(error);
        };
        tokio::time::sleep(wait.max(asked).min(LONGEST_WAIT)).await;
        Ok(())
    }
}

fn waits(first: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(LONGEST_WAIT)
        .with_max_times(TRIES)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tries_run_out_and_come_back() {
        let mut tries = Tries::starting_at(Duration::ZERO);
        let away = || Interruption::from(Status::unavailable("away"));
        for _ in 0..TRIES {
            tries.wait(away()).await.unwrap();
        }
        assert!(tries.wait(away()).await.is_err());
        tries.refill();
        tries.wait(away()).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_not_tried_again() {
        let mut tries = Tries::starting_at(Duration::ZERO);
        let refused = Status::invalid_argument("resume_token: is forged");
        assert!(tries.wait(refused.into()).await.is_err());
    }
}
