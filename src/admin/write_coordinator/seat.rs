use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    admin::error::AdminError,
    domain::Code,
    store::{Connection, StoreError, Turn},
};

use super::{WriteContext, WriteCoordinator};

/// How long a write waits at most for other writes: for its turn, and for the
/// row of its tenant.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a write that has a turn waits for the row of its tenant before it
/// returns the turn and its connection, and waits for the next one.
const LONGEST_WAIT_IN_TURN: Duration = Duration::from_millis(500);

/// How long a write may keep its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum TurnLength {
    /// A few statements of some seconds.
    Short,
    /// It reads or deletes all of a tenant.
    Long,
}

impl TurnLength {
    pub(super) fn of(context: &WriteContext) -> Self {
        if context.dry_run {
            Self::Long
        } else {
            Self::Short
        }
    }
}

/// How long a write may still wait for other writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    deadline: Option<Instant>,
    waited: Duration,
}

impl Wait {
    fn new(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            waited: Duration::ZERO,
        }
    }

    /// What is left of it; an error when that is nothing.
    fn left(self) -> Result<Duration, AdminError> {
        let left = LONGEST_WAIT.saturating_sub(self.waited);
        let left = self.deadline.map_or(left, |deadline| {
            left.min(deadline.saturating_duration_since(Instant::now()))
        });
        if left.is_zero() {
            return Err(self.too_long());
        }
        Ok(left)
    }

    /// That other writes took too long.
    pub(super) fn too_long(self) -> AdminError {
        if self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            return AdminError::DeadlinePassed;
        }
        let waited = self.waited;
        AdminError::Store(StoreError::TenantLocked { waited })
    }

    /// Awaits something that may wait for another write, and counts the time.
    pub(super) async fn counting<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let awaited = waiting.await;
        self.waited += begun.elapsed();
        awaited
    }
}

/// What a write runs with: a connection and its turn.
#[derive(Debug)]
pub(in crate::admin) struct Seat {
    pub(in crate::admin) connection: Connection,
    turn: HeldTurn,
    pub(super) wait: Wait,
}

/// The turn of a write, held until it has ended.
#[derive(Debug)]
enum HeldTurn {
    /// While it waits for the row of its tenant, others may have it.
    Returnable(TurnLength, Turn),
    /// An import keeps it: what was staged lies in its connection.
    OfImport { _turn: Turn },
}

impl Seat {
    /// How long the write may wait for the row of its tenant now.
    pub(super) fn row_wait(&self) -> Result<Duration, AdminError> {
        let left = self.wait.left()?;
        Ok(match self.turn {
            HeldTurn::Returnable(..) => left.min(LONGEST_WAIT_IN_TURN),
            HeldTurn::OfImport { .. } => left,
        })
    }
}

impl WriteCoordinator {
    /// Waits for the turn of a write, and lends it a connection.
    pub(super) async fn seat(&self, length: TurnLength, tenant: &Code) -> Result<Seat, AdminError> {
        self.take_seat(length, tenant, Wait::new(self.deadline))
            .await
    }

    /// Waits for the turn of an import, and takes a connection out of the pool
    /// for it.
    pub(in crate::admin) async fn import_seat(&self, tenant: &Code) -> Result<Seat, AdminError> {
        let turn = self.import_turns.next(tenant).await;
        let turn = turn.ok_or(AdminError::Conflict)?;
        Ok(Seat {
            connection: self.store.connection().await?,
            turn: HeldTurn::OfImport { _turn: turn },
            wait: Wait::new(self.deadline),
        })
    }

    /// Returns the turn and the connection of a write whose tenant is busy, and
    /// waits for the next turn, behind all who wait already.
    pub(super) async fn next_seat(&self, seat: Seat, tenant: &Code) -> Result<Seat, AdminError> {
        let Seat {
            connection,
            turn,
            wait,
        } = seat;
        drop(connection);
        let HeldTurn::Returnable(length, turn) = turn else {
            return Err(wait.too_long());
        };
        drop(turn);
        self.take_seat(length, tenant, wait).await
    }

    async fn take_seat(
        &self,
        length: TurnLength,
        tenant: &Code,
        mut wait: Wait,
    ) -> Result<Seat, AdminError> {
        let turns = match length {
            TurnLength::Short => &self.turns,
            TurnLength::Long => &self.long_turns,
        };
        let left = wait.left()?;
        let turn = wait.counting(timeout(left, turns.next(tenant))).await;
        let turn = turn.map_err(|_| wait.too_long())?;
        let turn = turn.ok_or(AdminError::Conflict)?;
        Ok(Seat {
            connection: self.store.lent_connection().await?,
            turn: HeldTurn::Returnable(length, turn),
            wait,
        })
    }
}
