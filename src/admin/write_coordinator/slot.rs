use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{
    admin::{change::Size, error::AdminError, write_context::WriteContext},
    domain::Code,
    store::{Connection, Permit, Store, StoreError},
};

use super::WriteCoordinator;

/// Maximum total time that a write waits for other writes: for its turn, and for
/// the lock on the row of its tenant.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a write waits in its turn for the row of its tenant, before it gives
/// back the turn and its connection and waits for the next turn.
pub(super) const LONGEST_WAIT_IN_TURN: Duration = Duration::from_millis(500);

/// How long a write may keep its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum TurnLength {
    /// A few statements of some seconds each.
    Short,
    /// It reads or deletes all of a tenant.
    Long,
}

impl TurnLength {
    pub(super) fn of(context: &WriteContext, size: Size) -> Self {
        if context.dry_run || size == Size::Bulk {
            Self::Long
        } else {
            Self::Short
        }
    }
}

/// The budget of a write for waiting for other writes.
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

    /// Returns the remaining time; fails if there is none.
    pub(super) fn left(self) -> Result<Duration, AdminError> {
        let left = LONGEST_WAIT.saturating_sub(self.waited);
        let left = self.deadline.map_or(left, |deadline| {
            left.min(deadline.saturating_duration_since(Instant::now()))
        });
        if left.is_zero() {
            return Err(self.too_long());
        }
        Ok(left)
    }

    /// Returns the error for having waited too long for other writes.
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

    /// Awaits a future that may wait for another write, and adds up the time.
    pub(super) async fn counting<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let awaited = waiting.await;
        self.waited += begun.elapsed();
        awaited
    }
}

/// The resources that a write runs with: a connection and its turn.
#[derive(Debug)]
pub(in crate::admin) struct WriteSlot {
    pub(in crate::admin) connection: Connection,
    turn: HeldTurn,
    pub(super) wait: Wait,
}

/// The turn of a write, held until the write ends.
#[derive(Debug)]
enum HeldTurn {
    /// Given back to other writes while this one waits for the row of its tenant.
    Returnable { length: TurnLength, _turn: Permit },
    /// An import keeps it: its staged rows are tied to its connection.
    OfImport { _turn: Permit },
}

impl WriteSlot {
    /// Returns how long the write may wait for the row of its tenant now.
    pub(super) fn row_wait(&self) -> Result<Duration, AdminError> {
        let left = self.wait.left()?;
        Ok(match self.turn {
            HeldTurn::Returnable { .. } => left.min(LONGEST_WAIT_IN_TURN),
            HeldTurn::OfImport { .. } => left,
        })
    }

    /// Returns true if the connection and the turn can be given back.
    pub(super) fn is_returnable(&self) -> bool {
        matches!(self.turn, HeldTurn::Returnable { .. })
    }

    /// Gives back the connection and the turn.
    ///
    /// # Errors
    ///
    /// An import, which keeps them, has waited for too long.
    pub(super) fn give_back(self) -> Result<LentSlot, AdminError> {
        match self.turn {
            HeldTurn::Returnable { length, .. } => Ok(LentSlot::GivenBack(length, self.wait)),
            HeldTurn::OfImport { .. } => Err(self.wait.too_long()),
        }
    }
}

/// The slot of a write, which it gives back while it waits for others.
#[derive(Debug)]
pub(super) enum LentSlot {
    /// It runs.
    Held(WriteSlot),
    /// It waits; with its budget for that.
    GivenBack(TurnLength, Wait),
}

impl LentSlot {
    /// Gives back the connection and the turn, if they are held.
    ///
    /// # Errors
    ///
    /// As [`WriteSlot::give_back`].
    pub(super) fn given_back(self) -> Result<Self, AdminError> {
        match self {
            Self::Held(slot) => slot.give_back(),
            Self::GivenBack(..) => Ok(self),
        }
    }

    /// Returns the budget for waiting.
    pub(super) fn wait(&mut self) -> &mut Wait {
        match self {
            Self::Held(slot) => &mut slot.wait,
            Self::GivenBack(_, wait) => wait,
        }
    }

    /// Returns true if the next try has another connection than the one that was lost.
    pub(super) async fn replace_if_lost(&mut self, store: &Store) -> Result<bool, AdminError> {
        match self {
            Self::Held(slot) => Ok(slot.connection.replace_if_lost(store).await?),
            Self::GivenBack(..) => Ok(true),
        }
    }
}

impl WriteCoordinator {
    /// Waits for the turn of a write, and borrows a connection for it.
    pub(super) async fn slot(
        &self,
        length: TurnLength,
        tenant: &Code,
    ) -> Result<WriteSlot, AdminError> {
        self.take_slot(length, tenant, Wait::new(self.deadline))
            .await
    }

    /// Waits for the turn of an import, and takes a connection out of the pool
    /// for it.
    pub(in crate::admin) async fn import_slot(
        &self,
        tenant: &Code,
    ) -> Result<WriteSlot, AdminError> {
        let turn = self.import_turns.next(tenant).await;
        let turn = turn.ok_or(AdminError::Conflict)?;
        Ok(WriteSlot {
            connection: self.store.connection().await?,
            turn: HeldTurn::OfImport { _turn: turn },
            wait: Wait::new(self.deadline),
        })
    }

    /// Returns the slot of a write; one that was given back waits for its next turn,
    /// behind all writes that wait already.
    pub(super) async fn held(
        &self,
        slot: LentSlot,
        tenant: &Code,
    ) -> Result<WriteSlot, AdminError> {
        match slot {
            LentSlot::Held(slot) => Ok(slot),
            LentSlot::GivenBack(length, wait) => self.take_slot(length, tenant, wait).await,
        }
    }

    async fn take_slot(
        &self,
        length: TurnLength,
        tenant: &Code,
        mut wait: Wait,
    ) -> Result<WriteSlot, AdminError> {
        let turns = match length {
            TurnLength::Short => &self.turns,
            TurnLength::Long => &self.long_turns,
        };
        let left = wait.left()?;
        let turn = wait.counting(timeout(left, turns.next(tenant))).await;
        let turn = turn.map_err(|_| wait.too_long())?;
        let turn = turn.ok_or(AdminError::Conflict)?;
        Ok(WriteSlot {
            connection: self.store.pooled_connection().await?,
            turn: HeldTurn::Returnable {
                length,
                _turn: turn,
            },
            wait,
        })
    }
}
