/// A value read from one snapshot of the database, not yet confirmed to be current
/// (`docs/coherence.md`, A4).
///
/// [`Cache::confirmed`](crate::cache::Cache::confirmed) confirms and returns it;
/// there is no other way to answer a call with it.
#[must_use = "a value that is not confirmed must not be returned to a caller"]
#[derive(Debug)]
pub struct Unconfirmed<T> {
    epoch: u64,
    value: T,
}

impl<T> Unconfirmed<T> {
    /// Wraps a value that was read from a snapshot of this epoch of the primary.
    pub(super) fn new(epoch: u64, value: T) -> Self {
        Self { epoch, value }
    }

    /// Applies `change` to the value.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Unconfirmed<U> {
        Unconfirmed {
            epoch: self.epoch,
            value: change(self.value),
        }
    }

    /// Returns the epoch of the primary that the value was read from.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the value. Only the cache may call it: once the epoch is confirmed,
    /// or to keep the value with its position in the log.
    pub(crate) fn into_unconfirmed_value(self) -> T {
        self.value
    }
}
